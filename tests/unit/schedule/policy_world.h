// A device, its user and a runner, all of them random: what the policy is tried on.
// It keeps the truth by itself, in true time, whatever the clock and the ledger say.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/philox.h"
#include "schedule/history.h"
#include "schedule/policy.h"

namespace attune::policy_world {

// How the clock behaves: always right; set back and set right again; anyhow.
enum class ClockMode { kSteady, kSetBack, kWild };

struct WorldJob {
  explicit WorldJob(std::string name) : ledger(name) { policy.name = std::move(name); }

  JobPolicy policy;
  JobLedger ledger;
  std::int64_t new_examples = 0, memory = 0;
  double cpu_share = 1, watts = 4, run_seconds = 0;

  bool running = false, unfinished = false;
  double done = 0, saved = 0;  // Seconds of the run.
  Budget here;
  double started_at = 0;  // `done` when the sitting began.
  Verdict verdict;

  // The truth. Times are true seconds; -1: never.
  std::int64_t seen = -1, told = -1, started = -1, finished = -1, failed = -1;
  int run = 0, kills = 0, early_starts = 0;
  std::int64_t spent_day = -1;  // The runner said so.
  Budget total;
  std::map<std::int64_t, Budget> by_day;
  std::map<std::pair<int, std::int64_t>, Budget> by_run_and_night;

  bool fresh() const { return !running && !unfinished; }
  Budget rates() const { return {1, cpu_share, watts}; }
};

inline Budget Times(const Budget& a, double b) {
  return {a.wall_seconds * b, a.cpu_seconds * b, a.energy_joules * b};
}
inline void AddTo(Budget& sum, const Budget& more) {
  sum.wall_seconds += more.wall_seconds;
  sum.cpu_seconds += more.cpu_seconds;
  sum.energy_joules += more.energy_joules;
}
// Seconds at these rates until nothing is left of a budget.
inline double SecondsIn(const Budget& left, const Budget& rates) {
  double seconds = 1e9;
  if (left.wall_seconds > 0) seconds = std::min(seconds, left.wall_seconds / rates.wall_seconds);
  if (left.cpu_seconds > 0) seconds = std::min(seconds, left.cpu_seconds / rates.cpu_seconds);
  if (left.energy_joules > 0) {
    seconds = std::min(seconds, left.energy_joules / rates.energy_joules);
  }
  return seconds;
}

class World {
 public:
  World(std::uint64_t seed, std::uint64_t sequence)
      : mode(static_cast<ClockMode>(sequence % 3)), random_(seed, sequence) {
    true_time = 1'780'000'000 + static_cast<std::int64_t>(Below(100'000'000));
    offset = 3600 * (static_cast<std::int32_t>(Below(26)) - 12);
    first_day = LocalSeconds() / 86400;
    concurrent = Chance(0.7) ? 1 : 2;
    const std::uint32_t count = 1 + Below(4);
    for (std::uint32_t i = 0; i < count; ++i) AddJob(i);
    MakeFactsGood();
  }

  Now now() const { return {true_time + skew, offset}; }
  std::int64_t LocalSeconds() const { return true_time + offset; }
  bool Chance(double part) { return static_cast<double>(random_.NextFloat()) < part; }
  std::uint32_t Below(std::uint32_t bound) { return random_.NextBelow(bound); }

  // --- One round: something changes, the process wakes, decides, and time passes ---

  void Disturb() {
    if (Chance(0.3)) ChangeFacts();
    for (WorldJob& job : jobs) job.new_examples += Chance(0.3) ? Below(30) : 0;
    const auto hour = ((LocalSeconds() / 3600) % 24 + 24) % 24;
    const bool calm = (hour >= 2 && hour < 10) || (hour >= 14 && hour < 22);
    if (calm && Chance(0.01)) offset += Chance(0.5) ? 3600 : -3600;
    if (mode != ClockMode::kSteady && Chance(0.04)) JumpClock();
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
    const bool kill = Chance(kill_chance);
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
      if (job.running) Settle(job, kill, Chance(fail_chance));
    }
  }

  void MakeFactsGood() {
    facts = {};
    facts.power = PowerSource::kExternal;
    facts.battery = 0.9;
    facts.memory_available = 1000;
    facts.disk_free = std::int64_t{1} << 40;
  }

  ClockMode mode;
  std::int64_t first_day = 0, true_time = 0, skew = 0;
  std::int64_t set_back_at = 0, latest = 0;  // What the clock said.
  std::int32_t offset = 0;
  int concurrent = 1, jumps = 0, jumps_ahead = 0;
  DeviceFacts facts;
  std::vector<WorldJob> jobs;
  std::vector<LedgerRecord> records;
  std::map<std::string, bool> killed;

 private:
  template <typename T, std::size_t kCount>
  T OneOf(const T (&values)[kCount]) {
    return values[Below(kCount)];
  }
  double Limit(double least) { return Chance(0.6) ? 0 : least * (1 + 4 * random_.NextFloat()); }

  void AddJob(std::uint32_t index) {
    WorldJob job("job" + std::to_string(index));
    JobPolicy& p = job.policy;
    p.enabled = Chance(0.95);
    for (std::uint32_t i = Chance(0.5) ? 0 : 1 + Below(2); i > 0; --i) {
      const int begins = static_cast<int>(30 * Below(48)), ends = static_cast<int>(30 * Below(49));
      const auto weekdays = Chance(0.7) ? 127 : 1 + Below(127);
      p.windows.push_back({begins, ends, static_cast<std::uint8_t>(weekdays)});
    }
    p.conditions = {Chance(0.7), OneOf({0.0, 0.2, 0.5}), Chance(0.4), Chance(0.7), Chance(0.5)};
    p.min_interval_seconds = OneOf({0.0, 3600.0, 43200.0, 108000.0});
    p.min_new_examples = OneOf({0, 5, 20});
    if (index > 0 && Chance(0.15)) p.after = {"job" + std::to_string(Below(index))};
    p.deadline_seconds = Chance(0.7) ? 0 : OneOf({86400.0, 259200.0});
    p.per_run = {Limit(600), Limit(300), Limit(900)};
    p.per_day = {Limit(600), Limit(300), Limit(900)};
    p.weight = OneOf({0.5, 1.0, 2.0});
    p.priority = Chance(0.8) ? 0 : 1;
    p.backoff = {60 + 540.0 * random_.NextFloat(), 2, OneOf({7200.0, 86400.0}), 0.2};
    job.memory = OneOf({0, 300, 700});
    job.cpu_share = 0.2 + 0.8 * random_.NextFloat();
    job.watts = 1 + 3 * random_.NextFloat();
    job.run_seconds = 100 + 1400 * random_.NextFloat();
    jobs.push_back(std::move(job));
  }

  void ChangeFacts() {
    facts.power = Chance(0.8) ? PowerSource::kExternal : static_cast<PowerSource>(Below(3));
    facts.battery = Chance(0.1) ? -1 : static_cast<double>(random_.NextFloat());
    facts.low_power_mode = Chance(0.1);
    facts.thermal = Chance(0.8) ? ThermalState::kNominal : static_cast<ThermalState>(Below(4));
    facts.memory_pressure = static_cast<MemoryPressure>(Chance(0.8) ? 0 : Below(3));
    facts.user_idle = Chance(0.8);
    facts.foreground = Chance(0.1);
    facts.protected_data = Chance(0.95);
    facts.memory_available = Chance(0.2) ? -1 : 200 + Below(1000);
    facts.disk_free = Chance(0.9) ? std::int64_t{1} << 40 : std::int64_t{Below(1 << 29)};
    facts.cpu_usable = Chance(0.95);
    facts.ane_usable = Chance(0.2);
  }

  void JumpClock() {
    const std::int64_t days = 86400 * static_cast<std::int64_t>(1 + Below(20));
    const auto some = static_cast<std::int64_t>(Below(200'000));
    const std::int64_t before = skew;
    ++jumps;
    if (Chance(0.4) || records.empty()) {
      skew = 0;
    } else if (mode == ClockMode::kSetBack) {
      // Far enough to be seen: less than what has passed since the last record is not.
      const std::int64_t last = records.back().when;
      skew = std::min(skew, last - true_time) - 1000 - (Chance(0.2) ? 60 * days : some);
    } else {
      skew += Chance(0.3) ? (Chance(0.5) ? days : -days) : some - 100'000;
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
    const Budget& day = job.policy.per_day;
    const bool of_day = (day.wall_seconds > 0 && next.wall_seconds > day.wall_seconds) ||
                        (day.cpu_seconds > 0 && next.cpu_seconds > day.cpu_seconds) ||
                        (day.energy_joules > 0 && next.energy_joules > day.energy_joules);
    if (of_day) job.spent_day = LocalSeconds() / 86400;
    Pause(job, of_day ? Reason::kBudgetSpent : Reason::kRunBudgetSpent);
  }

  // Whole steps of a second, or to the last drop of the budget.
  void Train(WorldJob& job, double seconds) {
    const double within = SecondsIn(job.verdict.budget, job.rates());
    seconds = std::min({seconds, within, job.run_seconds - job.done});
    if (within == seconds && Chance(0.5)) seconds = static_cast<int>(seconds);
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

  Philox random_;
  std::map<std::pair<std::string, Reason>, std::int64_t> skips_;
};

}  // namespace attune::policy_world
