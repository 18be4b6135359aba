// A night of a job as one sentence. What happened is gathered by why.cc; here is
// only language.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "schedule/ledger.h"

namespace attune {

struct ReasonCount {
  Reason reason = Reason::kNone;
  int count = 0;
};

// What became of a run after a kill.
enum class AfterKill : std::uint8_t { kUnknown, kLostNothingSaved, kWentBack, kBeganAnew };

struct NightOfJob {
  bool on_record = false;
  bool awake = false;  // Something of any job is.
  int sittings = 0, runs = 0;
  std::int64_t steps_done = 0;  // That night, as far as they were saved.
  std::int64_t step = 0, steps = 0;
  double wall_seconds = 0;
  // In the order in which they first came.
  std::vector<ReasonCount> pauses;
  std::vector<ReasonCount> skips;  // The most frequent last; of equals the latest.
  int expiries = 0, kills = 0, failures = 0;
  AfterKill after_kill = AfterKill::kUnknown;
  std::int64_t back_to_step = 0;
  bool open = false;  // The last sitting has not ended on record.
  bool finished = false;
  // The last of each; not owned.
  const LedgerRecord* scheduled = nullptr;
  const LedgerRecord* skip = nullptr;
  const LedgerRecord* verdict = nullptr;
  const LedgerRecord* rollback = nullptr;
  const LedgerRecord* failure = nullptr;
  const LedgerRecord* refusal = nullptr;
  const LedgerRecord* next = nullptr;  // With a next attempt, the last record of all.
};

std::string NightSentence(const NightOfJob& night);

}  // namespace attune
