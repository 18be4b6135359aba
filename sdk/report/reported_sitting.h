// The ledger's records of one job, put together: from when to when it trained, how
// far it came, and how it ended.
//
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "schedule/ledger.h"

namespace attune {

// An instant, as a clock on the wall showed it.
struct LocalTime {
  std::int64_t unix_seconds = 0;
  std::int32_t utc_offset_seconds = 0;
  std::int64_t local() const { return unix_seconds + utc_offset_seconds; }
};

struct ReportedSitting {
  LocalTime begin, end;  // Never before the begin, whatever the clock did.
  // kPaused, kExpired, kKilled, kFinished, kFailed, kRefused; kSaved: it is under way.
  LedgerEvent how = LedgerEvent::kSaved;
  Reason reason = Reason::kNone;
  std::uint64_t run = 0;
  std::int64_t step = 0, steps = 0, steps_here = 0;
  Budget used;
};

// Oldest first.
std::vector<ReportedSitting> SittingsOf(std::span<const LedgerRecord> records,
                                        std::string_view job);

// "took 3 min: the device was in use".
std::string HowItEnded(const ReportedSitting& sitting);

}  // namespace attune
