// Nights on a virtual clock: the real policy, governor, runner and ledger, with work
// that costs time but computes nothing.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "attune/job.h"
#include "attune/status.h"
#include "schedule/ledger.h"
#include "session/sitting.h"
#include "simulation/trace.h"

namespace attune {

struct SimulatedJob {
  JobPolicy policy;
  std::int64_t steps = 50;    // Of a run.
  double step_seconds = 0.5;  // At full speed.
  double save_seconds = 0.05;
  double conclude_seconds = 10;
  std::int64_t memory_bytes = std::int64_t{300} << 20;
};

struct SimulationOptions {
  SittingOptions sitting;
  double wake_every_seconds = 900;  // As the timer does.
  int days = 0;                     // 0: all of the trace.
};

struct Simulated {
  std::vector<LedgerRecord> records;
  // Counted by the simulation itself, from outside of what it tests.
  std::int64_t steps_done = 0;        // Real steps, repeated ones too.
  std::int64_t steps_repeated = 0;    // After kills.
  std::int64_t saved_steps_lost = 0;  // Acknowledged by Save() and gone: must be 0.
  std::int64_t budget_violations = 0;
  std::int64_t condition_violations = 0;  // Steps begun while a condition did not hold.
  std::int64_t kills = 0, runs = 0;
};

Result<Simulated> Simulate(const Trace& trace, const std::vector<SimulatedJob>& jobs,
                           const SimulationOptions& options);

}  // namespace attune
