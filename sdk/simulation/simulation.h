// Nights on a virtual clock: the real policy, governor, runner and ledger, with work
// that costs time but computes nothing, and a referee that counts from outside
// whether they kept their promises.
//
// Deterministic. Threads: pure functions.

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

// What a job's work costs on the virtual device. Times stray by a tenth, and are
// longer in heat.
struct SimulatedJob {
  JobPolicy policy;
  std::int64_t steps = 50;    // Of a run.
  double step_seconds = 0.5;  // At full speed.
  double save_seconds = 0.05;
  double open_seconds = 1;
  double conclude_seconds = 10;
  double processors = 1;  // Kept busy by all of these.
  std::int64_t memory_bytes = std::int64_t{300} << 20;
};

struct SimulationOptions {
  SittingOptions sitting;
  double wake_every_seconds = 900;  // As the timer does.
  double append_seconds = 0.01;     // Of the ledger.
  int days = 0;                     // At most; 0: all of the trace.
};

struct Simulated {
  std::vector<LedgerRecord> records;

  // --- What happened, as counted from outside ---

  std::int64_t wakeups = 0;
  std::int64_t kills = 0;           // That hit a process.
  std::int64_t kills_at_work = 0;   // Of these: while a run was open.
  std::int64_t runs = 0;            // Concluded.
  std::int64_t steps_done = 0;      // Repeated ones too.
  std::int64_t steps_repeated = 0;  // After kills.
  double trained_seconds = 0;       // At work on any job.
  double worst_loss_seconds = 0;    // Of training, by one kill.

  // --- What must be 0 ---

  // Acknowledged by Save(), or said by the ledger to be saved, and not there.
  std::int64_t saved_steps_lost = 0;
  // Kills that cost more than `max_loss_seconds`, and one step and one save.
  std::int64_t loss_violations = 0;
  // Local days and runs' nights on which a job truly used more than its budget, and
  // one step and one save. Once the clock has been set, a day is what the scheduler
  // takes for one: from then on any 24 hours with more than two days' budgets and any
  // 7 days with more than eight, and two more for each jump ahead.
  std::int64_t budget_violations = 0;
  // Steps begun while a condition had not held for longer than `facts_seconds`.
  std::int64_t condition_violations = 0;
  // The first of these, for people: when, which job, what.
  std::vector<std::string> violations;
};

//   kInvalidArgument  no job, a name twice, a cost that is no time, an option of the
//                     sittings out of range, or one that waits without a deadline
//   kInternal         the runner came back with an error
Result<Simulated> Simulate(const Trace& trace, const std::vector<SimulatedJob>& jobs,
                           const SimulationOptions& options);

}  // namespace attune
