// A device, its user and a runner, all of them random: what the policy is tried on.
// It keeps the truth by itself, in true time, whatever the clock and the ledger say.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "policy_world_dice.h"

namespace attune::policy_world {

// How the clock behaves: always right; set back and set right again; anyhow.
enum class ClockMode { kSteady, kSetBack, kWild };

class World {
 public:
  World(std::uint64_t seed, std::uint64_t sequence)
      : mode(static_cast<ClockMode>(sequence % 3)), dice(seed, sequence) {
    true_time = 1'780'000'000 + static_cast<std::int64_t>(dice.Below(100'000'000));
    offset = 3600 * (static_cast<std::int32_t>(dice.Below(26)) - 12);
    first_day = LocalSeconds() / 86400;
    concurrent = dice.Chance(0.7) ? 1 : 2;
    const std::uint32_t count = 1 + dice.Below(4);
    for (std::uint32_t i = 0; i < count; ++i) jobs.push_back(dice.Job(i));
    facts = GoodFacts();
  }

  Now now() const { return {true_time + skew, offset}; }
  std::int64_t LocalSeconds() const { return true_time + offset; }

  // --- One round: something changes, the process wakes, decides, and time passes ---

  void Disturb() {
    if (dice.Chance(0.3)) ChangeFacts();
    for (WorldJob& job : jobs) job.new_examples += dice.Chance(0.3) ? dice.Below(30) : 0;
    const auto hour = ((LocalSeconds() / 3600) % 24 + 24) % 24;
    const bool calm = (hour >= 2 && hour < 10) || (hour >= 14 && hour < 22);
    if (calm && dice.Chance(0.01)) offset += dice.Chance(0.5) ? 3600 : -3600;
    if (mode != ClockMode::kSteady && dice.Chance(0.04)) JumpClock();
  }

  // Records what was killed. False: the ledger does not know of a kill, or of one too many.
  bool WakeUp() {
    bool agrees = true;
    // A clock that was set back is noted at once, by any record.
    if (!records.empty() && now().unix_seconds < records.back().when - kClockTolerance) {
      Append(jobs[0], LedgerEvent::kScheduled, Reason::kClockImplausible, {});
    }
    for (WorldJob& job : jobs) {
      LedgerRecord last;
      const bool found = !job.running && WasKilled(records, job.policy.name, &last);
      agrees = agrees && found == killed[job.policy.name];
      if (!found) continue;
      Budget used = last.used;
      // As a runner does that knows what a busy processor draws.
      used.energy_joules += job.watts * kUnrecordedSeconds;
      Append(job, LedgerEvent::kKilled, Reason::kNone, used);
    }
    killed.clear();
    return agrees;
  }

  std::vector<JobState> States() const {
    std::vector<JobState> states;
    for (const WorldJob& job : jobs) {
      JobState state{&job.policy, {}, job.running};
      state.history = job.ledger.At(now(), job.policy.weight, job.running ? &job.here : nullptr);
      state.history.new_examples = job.new_examples;
      state.history.memory_needed = job.memory;
      states.push_back(state);
    }
    return states;
  }

  void Apply(const std::vector<Verdict>& verdicts) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      WorldJob& job = jobs[i];
      job.verdict = verdicts[i];
      if (verdicts[i].kind == Verdict::Kind::kStop) Pause(job, verdicts[i].reason);
      if (verdicts[i].kind == Verdict::Kind::kWait) Skip(job, verdicts[i].reason);
      if (verdicts[i].kind != Verdict::Kind::kRun) continue;
      if (!job.running) {
        Start(job);
      } else if (SecondsIn(verdicts[i].budget, job.rates()) < 1) {
        PauseForNoStepFits(job);
      }
    }
  }

  // REQUIRES: at most 290 seconds while a job runs.
  void Pass(std::int64_t seconds, double kill_chance, double fail_chance) {
    const bool kill = dice.Chance(kill_chance);
    for (WorldJob& job : jobs) {
      if (job.running && true_time + seconds - job.told > 290) {
        job.saved = job.done;
        Append(job, LedgerEvent::kSaved, Reason::kNone, job.here);
      }
    }
    for (WorldJob& job : jobs) {
      if (job.running) Train(job, static_cast<double>(seconds));
    }
    true_time += seconds;
    for (WorldJob& job : jobs) {
      if (job.running) Settle(job, kill, dice.Chance(fail_chance));
    }
  }

  ClockMode mode;
  Dice dice;
  std::int64_t first_day = 0, true_time = 0, skew = 0;
  std::int64_t set_back_at = 0, latest = 0;  // What the clock said.
  std::int32_t offset = 0;
  int concurrent = 1, jumps = 0, jumps_ahead = 0;
  DeviceFacts facts;
  std::vector<WorldJob> jobs;
  std::vector<LedgerRecord> records;
  std::map<std::string, bool> killed;

 private:
  void ChangeFacts() { facts = dice.Facts(); }

  void JumpClock() {
    const std::int64_t days = 86400 * static_cast<std::int64_t>(1 + dice.Below(20));
    const auto some = static_cast<std::int64_t>(dice.Below(200'000));
    const std::int64_t before = skew;
    ++jumps;
    if (dice.Chance(0.4) || records.empty()) {
      skew = 0;
    } else if (mode == ClockMode::kSetBack) {
      // Far enough to be seen: less than what has passed since the last record is not.
      const std::int64_t last = records.back().when;
      skew = std::min(skew, last - true_time) - 1000 - (dice.Chance(0.2) ? 60 * days : some);
    } else {
      skew += dice.Chance(0.3) ? (dice.Chance(0.5) ? days : -days) : some - 100'000;
    }
    jumps_ahead += skew > before ? 1 : 0;
  }

  LedgerRecord& Append(WorldJob& job, LedgerEvent event, Reason reason, const Budget& used) {
    LedgerRecord record;
    record.when = now().unix_seconds;
    record.utc_offset_seconds = offset;
    record.job = job.policy.name;
    record.event = event;
    record.reason = reason;
    record.used = used;
    record.step = static_cast<std::int64_t>(job.saved);
    record.steps_here = static_cast<std::int64_t>(job.done - job.started_at);
    if (!records.empty() && record.when < records.back().when - kClockTolerance) {
      set_back_at = record.when;
    }
    latest = std::max(latest, record.when);
    records.push_back(record);
    for (WorldJob& each : jobs) each.ledger.Add(record);
    if (event != LedgerEvent::kScheduled) job.told = true_time;
    if (job.seen < 0) job.seen = true_time;
    return records.back();
  }

  // Once a night and reason, as a runner does.
  void Skip(WorldJob& job, Reason reason) {
    const std::int64_t night = (now().unix_seconds + offset - 43200) / 86400;
    std::int64_t& last = skips_[{job.policy.name, reason}];
    if (last == night) return;
    last = night;
    Append(job, LedgerEvent::kSkipped, reason, {});
  }

  void Start(WorldJob& job) {
    if (!job.unfinished) {
      const auto since = static_cast<double>(true_time - job.finished);
      const double least = job.policy.min_interval_seconds, deadline = job.policy.deadline_seconds;
      const bool early = since < least && (deadline <= 0 || since < deadline);
      job.early_starts += job.finished >= 0 && early ? 1 : 0;
      ++job.run;
      job.done = job.saved = 0;
    }
    job.here = {};
    job.started_at = job.done;
    job.started = true_time;
    Append(job, job.unfinished ? LedgerEvent::kResumed : LedgerEvent::kStarted, Reason::kNone, {});
    job.running = job.unfinished = true;
  }

  void Pause(WorldJob& job, Reason reason) {
    job.saved = job.done;
    Append(job, LedgerEvent::kPaused, reason, job.here);
    job.running = false;
  }

  // Nobody else can know, so the runner says so.
  void PauseForNoStepFits(WorldJob& job) {
    Budget next = job.ledger.At(now(), 1, &job.here).used_today;
    AddTo(next, job.rates());
    const bool of_day = IsOver(next, job.policy.per_day, 0);
    if (of_day) job.spent_day = LocalSeconds() / 86400;
    Pause(job, of_day ? Reason::kBudgetSpent : Reason::kRunBudgetSpent);
  }

  // Whole steps of a second, or to the last drop of the budget.
  void Train(WorldJob& job, double seconds) {
    const double within = SecondsIn(job.verdict.budget, job.rates());
    seconds = std::min({seconds, within, job.run_seconds - job.done});
    if (within == seconds && dice.Chance(0.5)) seconds = static_cast<int>(seconds);
    job.done += seconds;
    AddTo(job.here, Times(job.rates(), seconds));
    AddTo(job.total, Times(job.rates(), seconds));
    const std::int64_t today = LocalSeconds() / 86400;
    const double before =
        std::min(seconds, static_cast<double>((today + 1) * 86400 - LocalSeconds()));
    AddTo(job.by_day[today], Times(job.rates(), before));
    AddTo(job.by_day[today + 1], Times(job.rates(), seconds - before));
    const std::int64_t night = (LocalSeconds() - 43200) / 86400;
    const auto noon = static_cast<double>((night + 1) * 86400 + 43200 - LocalSeconds());
    const double in_night = std::min(seconds, noon);
    AddTo(job.by_run_and_night[{job.run, night}], Times(job.rates(), in_night));
    AddTo(job.by_run_and_night[{job.run, night + 1}], Times(job.rates(), seconds - in_night));
  }

  void Settle(WorldJob& job, bool kill, bool fail) {
    if (kill) {
      killed[job.policy.name] = true;
      job.done = job.saved;
      job.running = false;
      ++job.kills;
    } else if (fail) {
      job.done = job.saved;
      job.failed = true_time;
      Append(job, LedgerEvent::kFailed, Reason::kNone, job.here);
      job.running = false;
    } else if (job.done >= job.run_seconds) {
      Append(job, LedgerEvent::kFinished, Reason::kNone, job.here);
      Append(job, LedgerEvent::kKept, Reason::kNone, job.here);
      job.finished = true_time;
      job.running = job.unfinished = false;
      job.new_examples = 0;
    }
  }

  std::map<std::pair<std::string, Reason>, std::int64_t> skips_;
};

}  // namespace attune::policy_world
