#include "session/sitting_job.h"

#include <algorithm>
#include <utility>

namespace attune {
namespace {

// A job that could not run here is not tried again for so long.
constexpr double kBarredSeconds = 600;
// What a turn counts at least: a clock may be too coarse to tell.
constexpr double kLeastTurn = 1e-6;

// A vault that others use is waited for so often, so long each time besides what its
// lock waits itself.
constexpr int kSaveTries = 5;
constexpr double kSaveAgainSeconds = 1;

bool Exceeds(double used, double more, double limit) { return limit > 0 && used + more > limit; }

bool Exceeds(const Budget& used, const Budget& more, const Budget& limit) {
  return Exceeds(used.wall_seconds, more.wall_seconds, limit.wall_seconds) ||
         Exceeds(used.cpu_seconds, more.cpu_seconds, limit.cpu_seconds) ||
         Exceeds(used.energy_joules, more.energy_joules, limit.energy_joules);
}

}  // namespace

JobSitting::JobSitting(const SittingJob& job, std::size_t index, const Parts& parts)
    : job_(job),
      index_(index),
      clock_(parts.clock),
      monitor_(parts.monitor),
      pacer_(parts.pacer),
      log_(parts.log),
      watts_(parts.options.watts),
      seed_(parts.options.seed),
      // What several have unsaved, a kill costs together.
      cadence_(parts.options.max_loss_seconds / std::max(parts.options.concurrent, 1)),
      cpu_(parts.options.max_loss_seconds) {}

// --- As the policy sees it ---

JobHistory JobSitting::History() const {
  JobHistory history = log_.History(index_, job_.policy.weight, running_ ? &used_ : nullptr);
  history.new_examples = needs_.new_examples;
  if (needs_.memory_needed > 0) history.memory_needed = needs_.memory_needed;
  // Killed between the storing of its result and the telling: nothing is left of it.
  const bool over = !running_ && !needs_.unfinished && history.last_finished != 0 &&
                    history.last_finished >= history.last_started;
  history.unfinished = needs_.unfinished || (history.unfinished && !over);
  return history;
}

bool JobSitting::barred() const { return pacer_.Now() < barred_until_; }

void JobSitting::SetVerdict(const Verdict& decided) {
  verdict = decided;
  if (!barred() || !job_.policy.enabled) return;
  verdict.reason = barred_by_;
  verdict.until = next_attempt_;
}

void JobSitting::Bar(Reason reason, std::int64_t next_attempt) {
  barred_by_ = reason;
  next_attempt_ = next_attempt;
  barred_until_ = pacer_.Now() + kBarredSeconds;
}

void JobSitting::Ask() {
  const Result<WorkNeeds> needs = job_.work->Needs();
  if (needs.ok()) {
    needs_ = *needs;
  } else {
    // What is wrong will be recorded by whoever begins it, when it may be begun.
    needs_ = {.unfinished = true};
    const bool unavailable = needs.status().code() == StatusCode::kUnavailable;
    if (unavailable && IsLocked()) Bar(Reason::kDeviceLocked);
  }
}

Reason JobSitting::SpentBudget(double rest) {
  Account();
  const double cpu = cpu_.step_seconds() + cpu_.save_seconds();
  const Budget more{cadence_.step_seconds() + cadence_.save_seconds() + rest, cpu, cpu * watts_};
  const JobHistory history = History();
  if (Exceeds(history.used_today, more, job_.policy.per_day)) return Reason::kBudgetSpent;
  if (Exceeds(history.used_by_run, more, job_.policy.per_run)) return Reason::kRunBudgetSpent;
  return Reason::kNone;
}

// --- What was used ---

JobSitting::Mark JobSitting::Here() const {
  return {pacer_.Now(), pacer_.rested_seconds(), clock_.ProcessCpuSeconds()};
}

void JobSitting::BeginTurn() {
  if (!in_turn_) mark_ = Here();
  in_turn_ = true;
}

void JobSitting::Account() {
  if (!in_turn_) return;
  const Mark here = Here();
  const double wall = here.now - mark_.now, cpu = here.cpu - mark_.cpu;
  used_.wall_seconds += wall;
  used_.cpu_seconds += cpu;
  used_.energy_joules += cpu * watts_;
  turns_ += (wall - (here.rested - mark_.rested)) / ShareWeight(job_.policy.weight);
  mark_ = here;
}

void JobSitting::EndTurn() {
  Account();
  turns_ += kLeastTurn / ShareWeight(job_.policy.weight);
  in_turn_ = false;
}

// --- What is told ---

LedgerRecord JobSitting::Record(LedgerEvent event) {
  Account();
  LedgerRecord record;
  record.job = job_.policy.name;
  record.event = event;
  record.run = progress_.run;
  record.step = saved_step_;
  record.steps = progress_.steps;
  record.steps_here = saved_step_ - begun_at_;
  record.used = used_;
  return record;
}

Status JobSitting::Tell(LedgerRecord record) {
  told_at_ = pacer_.Now();
  return log_.Append(std::move(record));
}

Status JobSitting::TellRunning(double rest) {
  const double next = rest + cadence_.step_seconds() + cadence_.save_seconds();
  if (pacer_.Now() + next < told_at_ + kUnrecordedSeconds) return OkStatus();
  return Tell(Record(LedgerEvent::kSaved));
}

Status JobSitting::TellKilled() {
  LedgerRecord last;
  if (!log_.FindKilled(job_.policy.name, &last)) return OkStatus();
  LedgerRecord record = last;
  record.event = LedgerEvent::kKilled;
  record.reason = Reason::kNone;
  record.next_attempt = 0;
  // It may have saved since it said so.
  record.step = std::max(last.step, needs_.step);
  record.steps_here = record.step - (last.step - last.steps_here);
  const auto since = static_cast<double>(log_.now().unix_seconds - last.when);
  const double unrecorded = std::clamp(since, 0.0, kUnrecordedSeconds);
  record.used.wall_seconds += unrecorded;
  record.used.cpu_seconds += unrecorded;
  record.used.energy_joules += unrecorded * watts_;
  return log_.Append(std::move(record));
}

Status JobSitting::TellSkipped() {
  if (running_ || verdict.kind == Verdict::Kind::kRun || verdict.reason == Reason::kNone) {
    return OkStatus();
  }
  // A look at the whole ledger: once a night and reason.
  if (skip_told_ == verdict.reason && skip_told_night_ == log_.tonight()) return OkStatus();
  skip_told_ = verdict.reason;
  skip_told_night_ = log_.tonight();
  if (log_.IsTold(job_.policy.name, verdict.reason)) return OkStatus();
  LedgerRecord record;
  record.job = job_.policy.name;
  record.event = LedgerEvent::kSkipped;
  record.reason = verdict.reason;
  record.next_attempt = verdict.until;
  return log_.Append(std::move(record));
}

// --- Beginning and ending ---

Status JobSitting::Begin(const DeviceFacts& facts) {
  const bool goes_on = History().unfinished;
  progress_ = {};
  used_ = {};
  begun_at_ = saved_step_ = needs_.step;
  save_tries_ = 0;
  cadence_.Began();
  running_ = true;
  BeginTurn();
  ATTUNE_RETURN_IF_ERROR(Tell(Record(goes_on ? LedgerEvent::kResumed : LedgerEvent::kStarted)));
  std::int64_t needed = 0;
  const Result<WorkProgress> progress = job_.work->Begin(facts.memory_available, &needed);
  if (!progress.ok()) {
    const bool too_big = progress.status().code() == StatusCode::kResourceExhausted && needed > 0;
    return too_big ? Refuse(needed, facts) : Fail(progress.status());
  }
  progress_ = *progress;
  begun_at_ = saved_step_ = progress_.step;
  return OkStatus();
}

Status JobSitting::Refuse(std::int64_t needed, const DeviceFacts& facts) {
  LedgerRecord record = Record(LedgerEvent::kRefused);
  record.reason = Reason::kNoMemory;
  record.bytes_needed = needed;
  // The smaller one of what there is and what was configured refused it.
  const bool there_is = facts.memory_available < 0 || facts.memory_available >= needed;
  record.bytes_available = there_is ? job_.memory_budget : facts.memory_available;
  End();
  Bar(Reason::kNoMemory);
  return log_.Append(std::move(record));
}

Status JobSitting::Fail(const Status& status) {
  // Else it is another process that has the vault.
  const bool locked = status.code() == StatusCode::kUnavailable && IsLocked();
  LedgerRecord record = Record(locked ? LedgerEvent::kPaused : LedgerEvent::kFailed);
  record.reason = locked ? Reason::kDeviceLocked : Reason::kNone;
  record.code = locked ? StatusCode::kOk : status.code();
  if (!locked) {
    const int failures = History().failures_in_a_row + 1;
    // Written so that a NaN becomes the longest wait.
    constexpr auto kLongest = static_cast<double>(kMaxWaitSeconds);
    const double backoff = BackoffSeconds(job_.policy, failures, seed_);
    const double wait = backoff < kLongest ? backoff : kLongest;
    record.next_attempt = log_.now().unix_seconds + static_cast<std::int64_t>(wait);
  }
  End();
  Bar(locked ? Reason::kDeviceLocked : Reason::kBackingOff, record.next_attempt);
  return log_.Append(std::move(record));
}

void JobSitting::End() {
  job_.work->End();
  EndTurn();
  running_ = false;
  Ask();
}

void JobSitting::Abandon() {
  if (!running_) return;
  if (unsaved()) job_.work->Save().Ignore();
  job_.work->End();
  running_ = false;
}

Status JobSitting::Step(FunctionRef<bool()> go_on) {
  BeginTurn();
  // A test is asked for leave before each piece, so no piece but the longest one has
  // to fit before a deadline or into a budget.
  Mark from = Here();
  double longest = 0, longest_cpu = 0, worked = 0;
  const auto end_piece = [&] {
    const Mark here = Here();
    longest = std::max(longest, here.now - from.now);
    longest_cpu = std::max(longest_cpu, here.cpu - from.cpu);
    worked += here.now - from.now;
  };
  const auto ask = [&] {
    end_piece();
    const bool answer = go_on();
    from = Here();
    return answer;
  };
  const Result<WorkProgress> progress = job_.work->Step(ask);
  end_piece();
  if (!progress.ok()) return Fail(progress.status());
  const bool stepped = progress->step > progress_.step;
  progress_ = *progress;
  // A test that was cut off before the step says nothing of steps, and is made again.
  if (!stepped) return OkStatus();
  cadence_.Stepped(longest, worked - longest);
  cpu_.Stepped(longest_cpu);
  return OkStatus();
}

Status JobSitting::Save() {
  BeginTurn();
  const Mark begun = Here();
  const Status saved = job_.work->Save();
  if (saved.code() == StatusCode::kUnavailable && ++save_tries_ < kSaveTries) {
    save_at_ = pacer_.Now() + kSaveAgainSeconds;
    return OkStatus();
  }
  if (!saved.ok()) return Fail(saved);
  save_tries_ = 0;
  saved_step_ = progress_.step;
  const Mark here = Here();
  cadence_.Saved(here.now - begun.now);
  cpu_.Saved(here.cpu - begun.cpu);
  return OkStatus();
}

Status JobSitting::Conclude(FunctionRef<bool()> go_on, bool* stopped) {
  BeginTurn();
  if (unsaved()) {
    ATTUNE_RETURN_IF_ERROR(Save());
    if (!running_ || owes_save()) return OkStatus();
  }
  // Also of a run that goes on from here: whatever is left of it if it is killed
  // now, it is no unfinished one.
  ATTUNE_RETURN_IF_ERROR(Tell(Record(LedgerEvent::kFinished)));
  const Result<WorkVerdict> concluded = job_.work->Conclude(go_on);
  *stopped = concluded.status().code() == StatusCode::kCancelled;
  if (*stopped) return OkStatus();
  if (!concluded.ok()) return Fail(concluded.status());
  LedgerRecord record = Record(concluded->event);
  record.generation = concluded->generation;
  record.gate_reason = concluded->gate_reason;
  record.base_loss = concluded->base_loss;
  record.serving_loss = concluded->serving_loss;
  record.candidate_loss = concluded->candidate_loss;
  record.gain_low = concluded->gain_low;
  record.anchor_change = concluded->anchor_change;
  End();
  return log_.Append(std::move(record));
}

Status JobSitting::Stop(Reason reason, bool save) {
  BeginTurn();
  if (save && unsaved()) {
    ATTUNE_RETURN_IF_ERROR(Save());
    if (!running_) return OkStatus();
  }
  const bool expired = reason == Reason::kOutOfTime;
  LedgerRecord record = Record(expired ? LedgerEvent::kExpired : LedgerEvent::kPaused);
  record.reason = reason;
  record.next_attempt = verdict.reason == reason ? verdict.until : 0;
  End();
  return log_.Append(std::move(record));
}

}  // namespace attune
