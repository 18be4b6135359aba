// One job in a sitting: its work begins, takes steps, saves and ends, and the
// ledger is told of it.
//
// A run is on record before it takes anything, so that whatever kills it is found,
// and again at least every kUnrecordedSeconds.
// Errors of the work are recorded and end the run here; those that are returned are
// the ledger's, and end the sitting.
// Threads: one at a time.

#pragma once

#include <cstdint>

#include "attune/status.h"
#include "base/function_ref.h"
#include "schedule/cadence.h"
#include "session/pacer.h"
#include "session/sitting.h"
#include "session/sitting_log.h"

namespace attune {

class JobSitting {
 public:
  struct Parts {
    Clock& clock;
    DeviceMonitor& monitor;
    Pacer& pacer;
    SittingLog& log;
    const SittingOptions& options;
  };
  // `index`: in the log.
  JobSitting(const SittingJob& job, std::size_t index, const Parts& parts);

  // --- As the policy sees it ---

  const JobPolicy& policy() const { return job_.policy; }
  bool running() const { return running_; }
  JobHistory History() const;
  // Not to be tried again for now: failed or refused here, or the device was locked.
  // To the policy it is as if it were disabled.
  bool barred() const;
  // Asks the work what it needs. Not while it runs.
  void Ask();

  void SetVerdict(const Verdict& decided);
  Verdict verdict;  // The last one.

  // --- Running ---

  // That a run was killed, if one was.
  Status TellKilled();
  // That it does not run, and why, if nothing has told so tonight.
  Status TellSkipped();

  Status Begin(const DeviceFacts& facts);
  // REQUIRES: running, as for what follows.
  const WorkProgress& progress() const { return progress_; }
  const Cadence& cadence() const { return cadence_; }
  bool unsaved() const { return progress_.step != saved_step_; }
  Status Step(FunctionRef<bool()> go_on);
  // Where the vault is busy it stays unsaved, and is to be tried again from `save_at()`
  // on before the next step; after a few times it is an error.
  Status Save();
  bool owes_save() const { return save_tries_ > 0; }
  double save_at() const { return save_at_; }
  // After the last step. `stopped`: set if `go_on` cut it off; then Stop() is due.
  // Does nothing more where a save is owed.
  Status Conclude(FunctionRef<bool()> go_on, bool* stopped);
  // `save`: unless nothing has changed.
  Status Stop(Reason reason, bool save);
  // Tells the ledger that it still runs, if by the end of one more step, after so long
  // a rest, it would not have been told for long.
  Status TellRunning(double rest);
  // Without a word to the ledger, which cannot be written.
  void Abandon();

  // What passes between the two is the job's: time, rests and work. All of the above
  // begin a turn; it is for the caller to end it.
  void BeginTurn();
  void EndTurn();
  // Which budget has no room for one more step and a save after so long a rest.
  Reason SpentBudget(double rest);
  // Seconds at work, over the job's weight: who has the least has the next turn.
  double turns() const { return turns_; }
  void SetTurns(double turns) { turns_ = turns; }

 private:
  struct Mark {
    double now = 0, rested = 0, cpu = 0;
  };
  Mark Here() const;
  bool IsLocked() const { return !monitor_.Read().protected_data; }
  // What was used since the turn began, or since the last call, is the job's.
  void Account();

  LedgerRecord Record(LedgerEvent event);
  Status Tell(LedgerRecord record);
  Status Refuse(std::int64_t needed, const DeviceFacts& facts);
  Status Fail(const Status& status);
  void End();
  void Bar(Reason reason, std::int64_t next_attempt = 0);

  const SittingJob job_;
  const std::size_t index_;
  Clock& clock_;
  DeviceMonitor& monitor_;
  Pacer& pacer_;
  SittingLog& log_;
  const double watts_;
  const std::uint64_t seed_;

  WorkNeeds needs_;
  Reason skip_told_ = Reason::kNone;
  std::int64_t skip_told_night_ = 0;
  Reason barred_by_ = Reason::kNone;
  double barred_until_ = 0;        // Monotonic seconds.
  std::int64_t next_attempt_ = 0;  // What is told of it.

  bool running_ = false;
  WorkProgress progress_;
  std::int64_t begun_at_ = 0, saved_step_ = 0;
  int save_tries_ = 0;  // In a row, in vain.
  double save_at_ = 0;
  Budget used_;
  bool in_turn_ = false;
  Mark mark_;
  double told_at_ = 0;
  double turns_ = 0;
  Cadence cadence_;
  Cadence cpu_;  // The same estimates, of CPU seconds.
};

}  // namespace attune
