#include "session/sitting.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "base/strings.h"
#include "session/pacer.h"
#include "session/sitting_job.h"
#include "session/sitting_log.h"

namespace attune {
namespace {

// How often works are asked for new examples while every job waits.
constexpr double kAskSeconds = 60;

// Of facts; a look takes milliseconds.
constexpr double kLeastFactsSeconds = 0.01;

class SittingLoop {
 public:
  SittingLoop(const SittingPorts& ports, const SittingOptions& options,
              const std::vector<SittingJob>& jobs, const StopSignal& stop,
              FunctionRef<void(const SittingEvent&)> on_step)
      : monitor_(*ports.monitor),
        options_(options),
        stop_(stop),
        on_step_(on_step),
        pacer_(*ports.clock, options.governor),
        log_(*ports.ledger, *ports.clock),
        deadline_(options.deadline_seconds > 0 ? pacer_.Now() + options.deadline_seconds
                                               : std::numeric_limits<double>::infinity()) {
    const JobSitting::Parts parts{*ports.clock, monitor_, pacer_, log_, options_};
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      jobs_.push_back(std::make_unique<JobSitting>(jobs[i], i, parts));
    }
  }

  Result<SittingReport> Run() {
    const Status status = Train();
    if (!status.ok()) {
      // The ledger cannot be written: what was learned can still be.
      for (auto& job : jobs_) job->Abandon();
      return status;
    }
    return Report();
  }

 private:
  Status Train() {
    ATTUNE_RETURN_IF_ERROR(Look());
    while (!IsOver()) {
      Decide();
      ATTUNE_RETURN_IF_ERROR(StopUnwanted());
      ATTUNE_RETURN_IF_ERROR(BeginWanted());
      if (JobSitting* job = NextInTurn(); job != nullptr) {
        ATTUNE_RETURN_IF_ERROR(TakeTurn(*job));
      } else if (options_.wait) {
        Wait();
      } else if (!changed_) {
        break;
      }
    }
    return Close();
  }

  // At what is there.
  Status Look() {
    std::vector<std::string> names;
    for (const auto& job : jobs_) names.push_back(job->policy().name);
    ATTUNE_RETURN_IF_ERROR(log_.Read(names));
    for (auto& job : jobs_) {
      job->Ask();
      ATTUNE_RETURN_IF_ERROR(job->TellKilled());
    }
    asked_at_ = pacer_.Now();
    return OkStatus();
  }

  bool IsOver() { return stop_.asked() || out_of_time_ || pacer_.Now() >= deadline_; }

  // --- Deciding ---

  // Unless facts are fresh and nothing has happened.
  void Decide() {
    const double now = pacer_.Now();
    if (!changed_ && now < facts_at_ + options_.facts_seconds) return;
    changed_ = false;
    facts_at_ = now;
    facts_ = monitor_.Read();
    pacer_.SetFacts(facts_);
    std::vector<JobPolicy> policies;
    for (const auto& job : jobs_) {
      policies.push_back(job->policy());
      if (job->barred()) policies.back().enabled = false;
    }
    std::vector<JobState> states;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      states.push_back({&policies[i], jobs_[i]->History(), jobs_[i]->running()});
    }
    const auto verdicts =
        attune::Decide(states, facts_, log_.now(), options_.concurrent, options_.seed);
    for (std::size_t i = 0; i < jobs_.size(); ++i) jobs_[i]->SetVerdict(verdicts[i]);
  }

  // Why the job should not take another step after a rest; kNone: it should.
  Reason WhyStop(JobSitting& job, double rest) {
    if (stop_.asked()) return Reason::kCancelled;
    if (job.cadence().MustStop(pacer_.Now() + rest, DeadlineOf(job))) return Reason::kOutOfTime;
    if (job.verdict.kind != Verdict::Kind::kRun) return job.verdict.reason;
    // Of one that has not begun the policy has seen the budgets.
    return job.running() ? job.SpentBudget(rest) : Reason::kNone;
  }

  // Others that are open have to be saved after it.
  double DeadlineOf(const JobSitting& job) const {
    double deadline = deadline_;
    for (const auto& other : jobs_) {
      if (other.get() == &job || !other->running() || !other->unsaved()) continue;
      deadline -= other->cadence().save_seconds();
    }
    return deadline;
  }

  // Inside of a long test: tells that it still runs, looks at the facts, rests.
  bool GoOn(JobSitting& job) {
    error_ = job.TellRunning(pacer_.EndPiece());
    if (!error_.ok()) return false;
    cut_off_by_ = Rest(job);
    return cut_off_by_ == Reason::kNone;
  }

  // --- Acting ---

  Status StopUnwanted() {
    for (auto& job : jobs_) {
      if (!job->running() || job->verdict.kind == Verdict::Kind::kRun) continue;
      ATTUNE_RETURN_IF_ERROR(Stop(*job, job->verdict.reason));
    }
    return OkStatus();
  }

  Status BeginWanted() {
    for (auto& job : jobs_) {
      ATTUNE_RETURN_IF_ERROR(TellSkipped(*job, /*at_end=*/false));
      if (job->running() || job->verdict.kind != Verdict::Kind::kRun || stop_.asked()) continue;
      // What the one before has left owing: its stop paid no rest.
      if (const Reason why = Rest(*job); why != Reason::kNone) {
        out_of_time_ = out_of_time_ || why == Reason::kOutOfTime;
        changed_ = true;
        continue;
      }
      double turns = std::numeric_limits<double>::infinity();
      if (const JobSitting* next = NextInTurn(); next != nullptr) turns = next->turns();
      // What the one before has taken is gone from what was there.
      if (changed_) facts_ = monitor_.Read();
      changed_ = true;
      ATTUNE_RETURN_IF_ERROR(job->Begin(facts_));
      job->EndTurn();
      if (turns < std::numeric_limits<double>::infinity()) job->SetTurns(turns);
    }
    return OkStatus();
  }

  // Null: none runs.
  JobSitting* NextInTurn() {
    JobSitting* next = nullptr;
    for (auto& job : jobs_) {
      if (!job->running()) continue;
      if (next == nullptr || job->turns() < next->turns()) next = job.get();
    }
    return next;
  }

  Status TakeTurn(JobSitting& job) {
    job.BeginTurn();
    // An opening, or another's save, may have been since the last rest.
    const Reason why = Rest(job);
    if (why != Reason::kNone) return Stop(job, why);
    cut_off_by_ = Reason::kNone;
    const bool owes_save = job.owes_save();
    if (owes_save) {
      pacer_.SleepUntil(std::min(job.save_at(), deadline_), [this] { return !stop_.asked(); });
    }
    if (job.progress().done) return Conclude(job);
    if (!owes_save) {  // A further step might be more than a kill may cost.
      ATTUNE_RETURN_IF_ERROR(job.Step([&] { return GoOn(job); }));
      ATTUNE_RETURN_IF_ERROR(error_);
    }
    const bool due = owes_save || (job.running() && job.cadence().IsDue());
    const bool save = job.running() && due && HasTimeToSave(job);
    if (save) ATTUNE_RETURN_IF_ERROR(job.Save());
    changed_ = changed_ || !job.running();
    const double rest = pacer_.EndPiece();
    if (!job.running()) return OkStatus();
    ATTUNE_RETURN_IF_ERROR(job.TellRunning(rest));
    if (!owes_save) on_step_({&job.policy().name, job.progress(), rest});
    const Reason why_not = cut_off_by_ != Reason::kNone ? cut_off_by_ : Rest(job);
    if (why_not != Reason::kNone) return Stop(job, why_not);
    job.EndTurn();
    return OkStatus();
  }

  Status Conclude(JobSitting& job) {
    bool stopped = false;
    const auto go_on = [&] { return GoOn(job); };
    ATTUNE_RETURN_IF_ERROR(job.Conclude(go_on, &stopped));
    ATTUNE_RETURN_IF_ERROR(error_);
    changed_ = true;
    if (!stopped) return OkStatus();
    return Stop(job, cut_off_by_ == Reason::kNone ? Reason::kCancelled : cut_off_by_);
  }

  Status Stop(JobSitting& job, Reason reason) {
    changed_ = true;
    out_of_time_ = out_of_time_ || reason == Reason::kOutOfTime;
    return job.Stop(reason, HasTimeToSave(job) && !stop_.insisted());
  }

  // As long as saves have taken so far.
  bool HasTimeToSave(const JobSitting& job) {
    return pacer_.Now() + job.cadence().save_seconds() <= deadline_;
  }

  // --- Letting time pass ---

  // Pays the rest that is owed, as facts change it. Why the job should not go on
  // after it, kNone: it should. A rest that would leave no time for a save is not begun.
  Reason Rest(JobSitting& job) {
    // Below what a clock tells no rest is left.
    constexpr double kLeast = 1e-6;
    Decide();
    double rest = pacer_.EndPiece();
    Reason why = WhyStop(job, rest);
    while (why == Reason::kNone && rest > kLeast) {
      const double look = std::min(pacer_.Now() + rest, facts_at_ + options_.facts_seconds);
      pacer_.SleepUntil(look, [this] { return !stop_.asked(); });
      Decide();
      rest = pacer_.RestLeft();
      why = WhyStop(job, rest);
    }
    return why;
  }

  void Wait() {
    pacer_.SleepUntil(std::min(deadline_, facts_at_ + options_.facts_seconds),
                      [this] { return !stop_.asked(); });
    if (pacer_.Now() < asked_at_ + kAskSeconds) return;
    asked_at_ = pacer_.Now();
    for (auto& job : jobs_) job->Ask();
  }

  // --- The end ---

  // A job that waits for another one may yet run.
  Status TellSkipped(JobSitting& job, bool at_end) {
    const Reason reason = job.verdict.reason;
    const bool may_change = reason == Reason::kOtherJob || reason == Reason::kDependency;
    return may_change && !at_end ? OkStatus() : job.TellSkipped();
  }

  Status Close() {
    const Reason reason = stop_.asked() ? Reason::kCancelled : Reason::kOutOfTime;
    for (auto& job : jobs_) {
      if (job->running()) {
        ATTUNE_RETURN_IF_ERROR(Stop(*job, reason));
      } else {
        ATTUNE_RETURN_IF_ERROR(TellSkipped(*job, /*at_end=*/true));
      }
    }
    return OkStatus();
  }

  SittingReport Report() {
    SittingReport report;
    report.records = log_.appended();
    for (const auto& job : jobs_) {
      const Verdict& verdict = job->verdict;
      report.verdicts.push_back(verdict);
      const std::int64_t at =
          verdict.kind == Verdict::Kind::kRun ? log_.now().unix_seconds : verdict.until;
      if (at == 0) continue;
      report.next_attempt = report.next_attempt == 0 ? at : std::min(report.next_attempt, at);
    }
    return report;
  }

  DeviceMonitor& monitor_;
  const SittingOptions& options_;
  const StopSignal& stop_;
  FunctionRef<void(const SittingEvent&)> on_step_;
  Pacer pacer_;
  SittingLog log_;
  const double deadline_;  // Monotonic seconds.
  std::vector<std::unique_ptr<JobSitting>> jobs_;

  DeviceFacts facts_;
  double facts_at_ = 0, asked_at_ = 0;
  bool changed_ = true;  // Since the last decision.
  bool out_of_time_ = false;
  Status error_;                       // Of the ledger, inside of a test.
  Reason cut_off_by_ = Reason::kNone;  // A test, in the turn under way.
};

}  // namespace

Status CheckSittingOptions(const SittingOptions& options) {
  // Written so that a NaN is refused.
  if (!(options.deadline_seconds >= 0)) {
    return InvalidArgument(
        StrCat("a deadline in ", options.deadline_seconds, " s, allowed 0 and up"));
  }
  if (options.concurrent < 1) {
    return InvalidArgument(StrCat(options.concurrent, " jobs at a time, allowed 1 and up"));
  }
  if (!(options.max_loss_seconds >= 0) || !(options.watts >= 0)) {
    return InvalidArgument(StrCat("at most ", options.max_loss_seconds, " s lost and ",
                                  options.watts, " W, allowed 0 and up"));
  }
  if (!(options.facts_seconds >= kLeastFactsSeconds)) {
    return InvalidArgument(StrCat("facts every ", options.facts_seconds, " s, allowed ",
                                  kLeastFactsSeconds, " and up"));
  }
  return CheckGovernorOptions(options.governor);
}

Result<SittingReport> Sitting::Run(FunctionRef<void(const SittingEvent&)> on_step) {
  ATTUNE_RETURN_IF_ERROR(CheckSittingOptions(options_));
  return SittingLoop(ports_, options_, jobs_, stop_, on_step).Run();
}

}  // namespace attune
