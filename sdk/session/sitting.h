// A Sitting is one wake-up: it decides, trains, rests, saves and writes the ledger,
// until nothing may run any more, it is told to stop, or its time is up.
//
// Stopping: soft, it finishes the step under way, saves and returns, unless the save
// would not fit before the deadline any more, as saves have taken so far; hard, it
// finishes the step and returns. A test or a gate's check is cut off before its next
// micro-batch. It never returns after its deadline by more than a step, an opening or
// a save that took longer than any before.
// What a kill costs is bounded by `max_loss_seconds`; that there was one is told by
// the next sitting.
// With several jobs at once they take turns, step by step, by time and weight.
// Threads: Run() on one; `stop` from any.

#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "attune/job.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "ports/clock.h"
#include "ports/device_monitor.h"
#include "schedule/cadence.h"
#include "schedule/governor.h"
#include "schedule/ledger.h"
#include "schedule/policy.h"
#include "session/night_work.h"
#include "session/stop_signal.h"

namespace attune {

struct SittingPorts {
  Clock* clock = nullptr;
  DeviceMonitor* monitor = nullptr;
  Ledger* ledger = nullptr;
};

struct SittingOptions {
  // Seconds from the beginning after which it must have returned; 0: none.
  double deadline_seconds = 0;
  // Stay and ask again while every job waits, until the deadline; else return.
  bool wait = false;
  int concurrent = 1;  // Jobs that may be in memory and train at a time.
  double max_loss_seconds = 30;
  double watts = 4;          // Of a busy processor: what energy is estimated from.
  double facts_seconds = 1;  // How old facts may be; 0.01 and up.
  GovernorOptions governor;
  std::uint64_t seed = 0;
};

//   kInvalidArgument  a number out of range, or none
Status CheckSittingOptions(const SittingOptions& options);

struct SittingJob {
  JobPolicy policy;
  NightWork* work = nullptr;       // Not owned.
  std::int64_t memory_budget = 0;  // That the work keeps to, to be told; 0: none.
};

// After every step.
struct SittingEvent {
  const std::string* job = nullptr;
  WorkProgress progress;
  double rest_seconds = 0;
};

struct SittingReport {
  // Records appended, in order.
  std::vector<LedgerRecord> records;
  // The earliest instant that is known to let a job run again; 0: none is, a fact
  // has to change.
  std::int64_t next_attempt = 0;
  // What the last decision said of each job.
  std::vector<Verdict> verdicts;
};

class Sitting {
 public:
  // Ports, works and `stop` are not owned.
  Sitting(const SittingPorts& ports, SittingOptions options, std::vector<SittingJob> jobs,
          const StopSignal& stop)
      : ports_(ports), options_(std::move(options)), jobs_(std::move(jobs)), stop_(stop) {}

  //   as CheckSittingOptions()
  //   the errors of the ledger; those of a job are recorded, and do not end the others
  Result<SittingReport> Run(FunctionRef<void(const SittingEvent&)> on_step);

 private:
  const SittingPorts ports_;
  const SittingOptions options_;
  const std::vector<SittingJob> jobs_;
  const StopSignal& stop_;
};

}  // namespace attune
