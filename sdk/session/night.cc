#include "attune/night.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "base/strings.h"
#include "ports/file_system.h"
#include "ports/worker_thread.h"
#include "schedule/governor.h"
#include "session/adaptation_work.h"
#include "session/platform.h"
#include "session/sitting.h"
#include "session/stop_signal.h"
#include "session/vault_ledger.h"
#include "vault/manifest.h"

namespace attune {
namespace {

// Held by whoever trains, for that long.
constexpr const char* kLockName = "night.lock";

bool HasJob(const NightOptions& options, const std::string& name) {
  return std::any_of(options.jobs.begin(), options.jobs.end(),
                     [&](const NightJob& job) { return job.policy.name == name; });
}

Status CheckJob(const NightOptions& options, std::size_t index) {
  const NightJob& job = options.jobs[index];
  const std::string& name = job.policy.name;
  if (!IsAdapterName(name)) {
    return InvalidArgument(StrCat("job ", index + 1, ": a name has 1 to ", kMaxAdapterName,
                                  " characters of [a-z0-9._-]"));
  }
  for (std::size_t i = 0; i < index; ++i) {
    const NightJob& other = options.jobs[i];
    if (other.policy.name == name) return InvalidArgument(StrCat("two jobs '", name, "'"));
    if (other.adaptation.vault == job.adaptation.vault &&
        other.adaptation.adapter == job.adaptation.adapter) {
      return InvalidArgument(
          StrCat("jobs '", other.policy.name, "' and '", name, "' train one adapter of one vault"));
    }
  }
  ATTUNE_RETURN_IF_ERROR(CheckJobPolicy(job.policy));
  for (const std::string& before : job.policy.after) {
    if (before == name || !HasJob(options, before)) {
      return InvalidArgument(
          StrCat("job '", name, "' comes after '", before, "', which is no other job"));
    }
  }
  return OkStatus();
}

Status CheckNight(const Platform& platform, const NightOptions& options) {
  if (platform.monitor == nullptr || platform.threads == nullptr) {
    return FailedPrecondition(
        "the platform has no device monitor or no threads: a night needs both");
  }
  if (options.vault.empty()) return InvalidArgument("no vault directory");
  if (options.jobs.empty()) return InvalidArgument("no job");
  if (options.concurrent < 1) {
    return InvalidArgument(StrCat(options.concurrent, " jobs at a time, allowed 1 and up"));
  }
  if (!(options.max_loss_seconds >= 0) || !(options.watts >= 0)) {
    return InvalidArgument(StrCat("at most ", options.max_loss_seconds, " s lost and ",
                                  options.watts, " W, allowed 0 and up"));
  }
  if (options.governor != nullptr) ATTUNE_RETURN_IF_ERROR(CheckGovernorOptions(*options.governor));
  for (std::size_t i = 0; i < options.jobs.size(); ++i) {
    ATTUNE_RETURN_IF_ERROR(CheckJob(options, i));
  }
  return OkStatus();
}

}  // namespace

class Night::Impl {
 public:
  Impl(const Platform& platform, const NightOptions& options)
      : platform_(platform), options_(options) {}
  ~Impl() {
    if (thread_ == nullptr) return;
    stop_.Ask();
    thread_->Join();
  }

  Status Open() {
    ATTUNE_RETURN_IF_ERROR(CheckNight(platform_, options_));
    ATTUNE_ASSIGN_OR_RETURN(ledger_, VaultLedger::Open(platform_, options_.vault, /*create=*/true));
    for (const NightJob& job : options_.jobs) {
      auto work = AdaptationWork::Open(platform_, job.adaptation, job.run);
      if (!work.ok()) return std::move(work).status().WithContext(StrCat("job ", job.policy.name));
      works_.push_back(*std::move(work));
    }
    return OkStatus();
  }

  Status Start(double deadline_seconds, NightCallback on_step) {
    // Written so that a NaN is refused.
    if (!(deadline_seconds >= 0)) {
      return InvalidArgument(StrCat("a deadline in ", deadline_seconds, " s, allowed 0 and up"));
    }
    if (running_) return FailedPrecondition("the night runs already");
    if (thread_ != nullptr) thread_->Join();
    waited_for_ = false;
    on_step_ = std::move(on_step);
    deadline_seconds_ = deadline_seconds;
    thread_ = platform_.threads->Make();
    running_ = true;
    thread_->Run([this] {
      result_ = Sit();
      running_ = false;
    });
    return OkStatus();
  }

  StopSignal& stop() { return stop_; }

  Result<NightReport> Wait() {
    if (thread_ == nullptr) return FailedPrecondition("the night was not started");
    thread_->Join();
    // Once a night: a later stop is for the next one.
    if (!waited_for_) stop_.Reset();
    waited_for_ = true;
    return result_;
  }

  Result<std::vector<LedgerRecord>> ReadLedger() {
    // The ledger is the thread's.
    if (running_) return FailedPrecondition("the night runs: wait for its end to read the ledger");
    return ledger_->Read();
  }

 private:
  SittingOptions Options() const {
    SittingOptions options;
    options.deadline_seconds = deadline_seconds_;
    options.wait = options_.wait;
    options.concurrent = options_.concurrent;
    options.max_loss_seconds = options_.max_loss_seconds;
    options.watts = options_.watts;
    if (options_.governor != nullptr) options.governor = *options_.governor;
    options.seed = options_.seed;
    return options;
  }

  // On the thread.
  Result<NightReport> Sit() {
    const std::string path = JoinPath(options_.vault, kLockName);
    ATTUNE_ASSIGN_OR_RETURN(const auto lock, platform_.files->Lock(path, /*timeout_seconds=*/0));
    std::vector<SittingJob> jobs;
    for (std::size_t i = 0; i < works_.size(); ++i) {
      const NightJob& job = options_.jobs[i];
      jobs.push_back({job.policy, works_[i].get(), job.run.training.memory_budget_bytes});
    }
    Sitting sitting({platform_.clock, platform_.monitor, ledger_.get()}, Options(), std::move(jobs),
                    stop_);
    ATTUNE_ASSIGN_OR_RETURN(SittingReport report,
                            sitting.Run([this](const SittingEvent& event) { Tell(event); }));
    return NightReport{std::move(report.records), report.next_attempt, std::move(report.verdicts)};
  }

  void Tell(const SittingEvent& event) {
    if (!on_step_) return;
    for (std::size_t i = 0; i < works_.size(); ++i) {
      const TrainingEvent* const step = works_[i]->event();
      if (options_.jobs[i].policy.name != *event.job || step == nullptr) continue;
      on_step_({*event.job, *step, event.rest_seconds});
    }
  }

  const Platform platform_;
  const NightOptions options_;
  std::unique_ptr<VaultLedger> ledger_;
  std::vector<std::unique_ptr<AdaptationWork>> works_;
  StopSignal stop_;
  bool waited_for_ = false;  // The night that was started last.
  double deadline_seconds_ = 0;
  NightCallback on_step_;
  std::atomic<bool> running_{false};
  Result<NightReport> result_{NightReport{}};
  std::unique_ptr<WorkerThread> thread_;
};

Result<std::unique_ptr<Night>> Night::Open(const Platform& platform, const NightOptions& options) {
  auto impl = std::make_unique<Impl>(platform, options);
  ATTUNE_RETURN_IF_ERROR(impl->Open());
  return std::unique_ptr<Night>(new Night(std::move(impl)));
}

Night::Night(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Night::~Night() = default;

Status Night::Start(double deadline_seconds, NightCallback on_step) {
  return impl_->Start(deadline_seconds, std::move(on_step));
}
void Night::Stop() { impl_->stop().Ask(); }
void Night::StopNow() { impl_->stop().Insist(); }
Result<NightReport> Night::Wait() { return impl_->Wait(); }
Result<std::vector<LedgerRecord>> Night::ReadLedger() { return impl_->ReadLedger(); }

}  // namespace attune
