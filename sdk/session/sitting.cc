#include "session/sitting.h"

#include <algorithm>
#include <limits>
#include <memory>

#include "session/pacer.h"
#include "session/sitting_job.h"
#include "session/sitting_log.h"

namespace attune {
namespace {

// How often works are asked for new examples while every job waits.
constexpr double kAskSeconds = 60;

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
    const JobSitting::Parts parts{*ports.clock, pacer_, log_, options_};
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
    return job.SpentBudget(rest);
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

  // Inside of a long test: rests, looks at the facts, tells that it still runs.
  bool GoOn(JobSitting& job) {
    const double rest = pacer_.EndPiece();
    error_ = job.TellRunning(rest);
    if (!error_.ok() || WhyStop(job, rest) != Reason::kNone) return false;
    Rest(job, rest);
    Decide();
    return WhyStop(job, 0) == Reason::kNone;
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
      if (job->cadence().MustStop(pacer_.Now(), DeadlineOf(*job))) {
        out_of_time_ = true;
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
    const Reason why = WhyStop(job, 0);
    if (why != Reason::kNone) return Stop(job, why);
    if (job.progress().done) return Conclude(job);
    ATTUNE_RETURN_IF_ERROR(job.Step([&] { return GoOn(job); }));
    ATTUNE_RETURN_IF_ERROR(error_);
    const bool save = job.running() && job.cadence().IsDue() && HasTimeToSave(job);
    if (save) ATTUNE_RETURN_IF_ERROR(job.Save());
    changed_ = changed_ || !job.running();
    const double rest = pacer_.EndPiece();
    if (!job.running()) return OkStatus();
    ATTUNE_RETURN_IF_ERROR(job.TellRunning(rest));
    on_step_({&job.policy().name, job.progress(), rest});
    // Better saved now than after a rest that leaves no time.
    const Reason why_not = WhyStop(job, rest);
    if (why_not != Reason::kNone) return Stop(job, why_not);
    Rest(job, rest);
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
    const Reason why = WhyStop(job, 0);
    return Stop(job, why == Reason::kNone ? Reason::kCancelled : why);
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

  void Rest(JobSitting& job, double seconds) {
    if (seconds <= 0) return;
    double until = pacer_.Now() + seconds;
    while (!stop_.asked() && pacer_.Now() < until) {
      // Facts that have become worse, or better, change the rest.
      const double look = std::min(until, facts_at_ + options_.facts_seconds);
      pacer_.SleepUntil(look, [this] { return !stop_.asked(); });
      if (look >= until) break;
      Decide();
      if (job.verdict.kind != Verdict::Kind::kRun) break;
      until = pacer_.Now() + pacer_.RestLeft();
    }
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
  Status error_;  // Of the ledger, inside of a test.
};

}  // namespace

Result<SittingReport> Sitting::Run(FunctionRef<void(const SittingEvent&)> on_step) {
  return SittingLoop(ports_, options_, jobs_, stop_, on_step).Run();
}

}  // namespace attune
