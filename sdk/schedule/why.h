// One sentence a night and job: what happened, or why nothing did.
//
//   Sat 21 Nov, keyboard: trained 50 of 50 steps in 4 min over 2 sittings (paused
//   once: the user came back); promoted generation 4, 3.1 % better.
//
// A night is from noon to noon, local time; it bears the date of its evening.
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/ledger.h"

namespace attune {

struct NightSummary {
  std::int64_t night = 0;  // Its evening, in days since 1970-01-01.
  std::string job;
  std::string sentence;   // Without date and job.
  bool ran = false;       // At least one step.
  bool explained = true;  // False: nothing on record tells why it did not run.
};

// Every night from `first` to `last`, days as above, of every job in `jobs`, by
// night, then in the order of `jobs`; nights without a record too.
std::vector<NightSummary> Why(std::span<const LedgerRecord> records,
                              std::span<const std::string> jobs, std::int64_t first,
                              std::int64_t last);

// The night that an instant belongs to.
std::int64_t NightOf(std::int64_t unix_seconds, std::int32_t utc_offset_seconds);

// "Sat 21 Nov".
std::string NightName(std::int64_t night);

}  // namespace attune
