// A Night trains several adaptations on one device, when the device allows it, and
// writes down what it did and why it did not.
//
//   auto night = Night::Open(platform, options);
//   (*night)->Start(/*deadline_seconds=*/600);   // E.g. of a BGProcessingTask.
//   ...
//   (*night)->Stop();                            // From the expiration handler.
//   auto report = (*night)->Wait();
//
// Durability: as Adaptation. A kill costs at most `max_loss_seconds` of training.
// Threads: Stop() and StopNow() from any, also from a signal handler and from the
// callback; the rest one at a time and never from the callback, where Wait() and the
// destructor would wait for themselves. Training runs on a thread of its own.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attune/adaptation.h"
#include "attune/job.h"
#include "attune/status.h"

namespace attune {

struct Platform;
struct LedgerRecord;
struct Verdict;
struct GovernorOptions;

struct NightJob {
  JobPolicy policy;
  AdaptationOptions adaptation;  // `adapter` is usually the job's name.
  RunOptions run;
};

struct NightOptions {
  // The directory of the vault that holds the ledger; made if absent.
  std::string vault;
  std::vector<NightJob> jobs;
  int concurrent = 1;            // Jobs that may train at a time, taking turns.
  double max_loss_seconds = 30;  // Of training, that a kill may cost.
  bool wait = false;             // Stay while nothing may run, until the deadline.
  double watts = 4;              // Of a busy processor, for the estimate of energy.
  // CPU use, heat and memory; null: as GovernorOptions has it, for the strictest
  // platform.
  std::shared_ptr<const GovernorOptions> governor;
  std::uint64_t seed = 0;
};

struct NightEvent {
  std::string job;
  TrainingEvent training;
  double rest_seconds = 0;  // That the governor asks for now.
};
using NightCallback = std::function<void(const NightEvent&)>;

struct NightReport {
  std::vector<LedgerRecord> records;  // What was written, in order: schedule/ledger.h.
  // The earliest instant, Unix seconds, that is known to let a job run; 0: none is, a
  // fact has to change.
  std::int64_t next_attempt = 0;
  // What was last decided on each job, in their order: schedule/policy.h. Empty if
  // nothing was.
  std::vector<Verdict> verdicts;
};

class Night {
 public:
  // Opens the vaults; models are opened while they train, one after the other.
  //
  //   kInvalidArgument     two jobs of one name or one adapter, an unknown one in
  //                        `after`, no job, an option out of range
  //   kFailedPrecondition  a platform without a monitor or threads
  //   and the errors of Adaptation::Open()
  static Result<std::unique_ptr<Night>> Open(const Platform& platform, const NightOptions& options);
  ~Night();  // Stops and waits.
  Night(const Night&) = delete;
  Night& operator=(const Night&) = delete;

  // Begins, and returns at once. 0: no deadline. `on_step` runs on the night's thread.
  //
  //   kInvalidArgument     a deadline that is past, or no number
  //   kFailedPrecondition  it runs already
  Status Start(double deadline_seconds, NightCallback on_step = nullptr);
  // Soft: ends within one step and one save of each open job. Where saves take longer
  // than the deadline leaves, what was not saved is lost.
  void Stop();
  // Hard: ends within one step; what was not saved is lost. Opening a model is not cut
  // short. Either holds until Wait() has returned: before Start(), the night to come
  // ends before anything begins.
  void StopNow();
  // Returns when it has ended; again, the same.
  //
  //   kFailedPrecondition  never started
  //   kUnavailable         another process is at it
  //   and the errors of the ledger; those of a job are recorded in it
  Result<NightReport> Wait();

  // Oldest first.
  //
  //   kFailedPrecondition  it runs
  //   and the errors of the ledger
  Result<std::vector<LedgerRecord>> ReadLedger();

 private:
  class Impl;
  explicit Night(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune
