// What the ledger tells of a job's past, as the policy wants it. The ledger is the
// only memory of the scheduler: whatever is not in it never happened.
//
// Threads: pure functions.

#pragma once

#include <span>
#include <string_view>

#include "schedule/ledger.h"
#include "schedule/policy.h"

namespace attune {

// How much a killed run may have used since it last said so: it is charged this.
// Runs say so (kSaved) at least this often, seconds.
inline constexpr double kUnrecordedSeconds = 300;

// REQUIRES: records in the order they were appended. What they do not tell
// (`new_examples`, `memory_needed`) stays 0.
JobHistory HistoryOf(std::span<const LedgerRecord> records, const JobPolicy& job, const Now& now);

// Whether the newest run of the job began and never said how it ended: `last` is its
// last record.
bool WasKilled(std::span<const LedgerRecord> records, std::string_view job, LedgerRecord* last);

}  // namespace attune
