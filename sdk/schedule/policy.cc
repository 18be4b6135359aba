#include "schedule/policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/philox.h"
#include "schedule/civil_time.h"
#include "schedule/windows.h"

namespace attune {
namespace {

using Kind = Verdict::Kind;

// Seconds from outside, as what can be added to a time: no NaN, nothing negative.
std::int64_t Seconds(double seconds) {
  constexpr double kMost = 1e11;
  return seconds > 0 ? static_cast<std::int64_t>(std::ceil(std::min(seconds, kMost))) : 0;
}

// A time in the future tells that the clock was set back: then it counts as now,
// which makes a wait longer but never endless.
std::int64_t Past(std::int64_t time, const Now& now) { return std::min(time, now.unix_seconds); }

bool Spent(double used, double limit) { return limit > 0 && !(used < limit); }

bool Spent(const Budget& used, const Budget& limit) {
  return Spent(used.wall_seconds, limit.wall_seconds) ||
         Spent(used.cpu_seconds, limit.cpu_seconds) ||
         Spent(used.energy_joules, limit.energy_joules);
}

bool IsLimited(const Budget& limit) {
  return limit.wall_seconds > 0 || limit.cpu_seconds > 0 || limit.energy_joules > 0;
}

double Left(double used_run, double run, double used_day, double day) {
  constexpr double kNoLimit = std::numeric_limits<double>::infinity();
  const double left =
      std::min(run > 0 ? run - used_run : kNoLimit, day > 0 ? day - used_day : kNoLimit);
  return left == kNoLimit ? 0 : left;
}

// Neither trains nor has a run to go on with: what it would begin is a new run.
bool IsFresh(const JobState& job) { return !job.running && !job.history.unfinished; }

Budget UsedByRun(const JobState& job) { return IsFresh(job) ? Budget{} : job.history.used_by_run; }

Budget BudgetLeft(const JobState& job) {
  const Budget used = UsedByRun(job);
  const Budget &today = job.history.used_today, &run = job.policy->per_run,
               &day = job.policy->per_day;
  return {Left(used.wall_seconds, run.wall_seconds, today.wall_seconds, day.wall_seconds),
          Left(used.cpu_seconds, run.cpu_seconds, today.cpu_seconds, day.cpu_seconds),
          Left(used.energy_joules, run.energy_joules, today.energy_joules, day.energy_joules)};
}

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t OverdueFrom(const JobState& job, const Now& now) {
  const JobHistory& history = job.history;
  const std::int64_t since =
      history.last_finished != 0 ? history.last_finished : history.first_seen;
  if (!(job.policy->deadline_seconds > 0) || since == 0) return kNever;
  return Past(since, now) + Seconds(job.policy->deadline_seconds);
}

bool IsOverdue(const JobState& job, const Now& now) {
  return now.unix_seconds >= OverdueFrom(job, now);
}

bool IsNeglected(const JobState& job, const Now& now) {
  const JobHistory& history = job.history;
  const std::int64_t since = history.last_started != 0 ? history.last_started : history.first_seen;
  return since != 0 && now.unix_seconds - Past(since, now) >= kNeglectSeconds;
}

// --- What only time can cure ---

struct TimeBound {
  Reason reason = Reason::kNone;
  std::int64_t until = 0;  // In force before then.
};

std::int64_t DayEnds(const JobHistory& history, const Now& now) {
  if (history.day_ends > now.unix_seconds) return history.day_ends;
  const std::int64_t today = LocalDay(now.unix_seconds, now.utc_offset_seconds);
  return MidnightOf(today + 1, now.utc_offset_seconds);
}

std::int64_t NightEnds(const JobHistory& history, const Now& now) {
  if (history.night_ends > now.unix_seconds) return history.night_ends;
  const std::int32_t from_noon = now.utc_offset_seconds - static_cast<int>(kSecondsPerDay / 2);
  return MidnightOf(LocalDay(now.unix_seconds, from_noon) + 1, from_noon);
}

// In the order in which they are told.
std::array<TimeBound, 6> TimeBounds(const JobState& job, const Now& now, std::uint64_t seed) {
  const JobPolicy& policy = *job.policy;
  const JobHistory& history = job.history;
  std::array<TimeBound, 6> bounds{};
  if (!policy.windows.empty()) {
    bounds[0] = {Reason::kClockImplausible, history.clock_doubted_until};
    bounds[1] = {Reason::kOutsideWindow,
                 NextOpen(policy.windows, now.unix_seconds, now.utc_offset_seconds)};
  }
  if (!job.running && history.failures_in_a_row > 0) {
    const double wait = BackoffSeconds(policy, history.failures_in_a_row, seed);
    bounds[2] = {Reason::kBackingOff, Past(history.last_failed, now) + Seconds(wait)};
  }
  if (IsFresh(job) && history.last_finished != 0) {
    const std::int64_t end =
        Past(history.last_finished, now) + Seconds(policy.min_interval_seconds);
    bounds[3] = {Reason::kTooSoon, std::min(end, OverdueFrom(job, now))};
  }
  if (Spent(history.used_today, policy.per_day) ||
      (history.day_spent && IsLimited(policy.per_day))) {
    bounds[4] = {Reason::kBudgetSpent, DayEnds(history, now)};
  }
  if (Spent(UsedByRun(job), policy.per_run) ||
      (history.run_spent && !IsFresh(job) && IsLimited(policy.per_run))) {
    bounds[5] = {Reason::kRunBudgetSpent, NightEnds(history, now)};
  }
  return bounds;
}

// The first time in a window from `time` on, at most a week ahead.
std::int64_t FirstChance(const JobState& job, std::int64_t time, const Now& now) {
  const std::int64_t latest = now.unix_seconds + kMaxWaitSeconds;
  return std::min(NextOpen(job.policy->windows, time, now.utc_offset_seconds), latest);
}

// The first bound in force, and when all of them have passed: asking earlier would
// only be told of the next one.
TimeBound TimeBlocker(const JobState& job, const Now& now, std::uint64_t seed) {
  TimeBound blocker;
  std::int64_t clear = now.unix_seconds;
  for (const TimeBound& bound : TimeBounds(job, now, seed)) {
    if (bound.until <= now.unix_seconds) continue;
    if (blocker.reason == Reason::kNone) blocker.reason = bound.reason;
    clear = std::max(clear, bound.until);
  }
  blocker.until = FirstChance(job, clear, now);
  return blocker;
}

// --- What something else must cure ---

bool AwaitsAnother(const JobState& job, std::span<const JobState> jobs) {
  const auto has_finished_since = [&](const std::string& name) {
    return std::any_of(jobs.begin(), jobs.end(), [&](const JobState& other) {
      return other.policy->name == name && other.history.last_finished > job.history.last_finished;
    });
  };
  return !std::all_of(job.policy->after.begin(), job.policy->after.end(), has_finished_since);
}

TimeBound WorkBlocker(const JobState& job, std::span<const JobState> jobs, const Now& now) {
  if (!IsFresh(job)) return {};
  if (AwaitsAnother(job, jobs)) return {Reason::kDependency, 0};
  const std::int64_t examples = job.history.new_examples;
  if (examples >= job.policy->min_new_examples) return {};
  if (examples < 1) return {Reason::kFewExamples, 0};
  const std::int64_t overdue = OverdueFrom(job, now);
  if (overdue <= now.unix_seconds) return {};
  return {Reason::kFewExamples, overdue == kNever ? 0 : FirstChance(job, overdue, now)};
}

// What is scarce for longest comes first: it is what somebody has to do something
// about. A running job has its memory already, and may finish what it began on a
// little less battery and disk than it takes to begin.
Reason ResourceBlocker(const JobState& job, const DeviceFacts& facts) {
  const std::int64_t min_disk = job.policy->conditions.min_disk_free;
  if (facts.disk_free >= 0 && facts.disk_free < (job.running ? min_disk / 2 : min_disk)) {
    return Reason::kNoDisk;
  }
  if (!job.running && job.history.memory_needed > 0 && facts.memory_available >= 0 &&
      job.history.memory_needed > facts.memory_available) {
    return Reason::kNoMemory;
  }
  if (!facts.cpu_usable && !facts.ane_usable) return Reason::kNoDevice;
  if (!facts.protected_data) return Reason::kDeviceLocked;
  return Reason::kNone;
}

Reason DeviceBlocker(const JobState& job, const DeviceFacts& facts) {
  const Conditions& conditions = job.policy->conditions;
  if (conditions.external_power && facts.power != PowerSource::kExternal) {
    return Reason::kNotOnPower;
  }
  const double min_battery = conditions.min_battery - (job.running ? kBatterySlack : 0);
  if (facts.battery >= 0 && facts.battery < min_battery) return Reason::kBatteryLow;
  if (facts.low_power_mode && !conditions.allow_low_power_mode) return Reason::kLowPowerMode;
  if (facts.thermal >= ThermalState::kSerious) return Reason::kTooHot;
  const auto too_much = job.running ? MemoryPressure::kCritical : MemoryPressure::kWarning;
  if (facts.memory_pressure >= too_much) return Reason::kMemoryPressure;
  if (facts.foreground && !conditions.allow_foreground) return Reason::kForeground;
  if (!facts.user_idle && conditions.user_idle) return Reason::kUserActive;
  return Reason::kNone;
}

// What keeps the job from running whatever the others do; kNone: nothing.
TimeBound Blocker(const JobState& job, std::span<const JobState> jobs, const DeviceFacts& facts,
                  const Now& now, std::uint64_t seed) {
  if (!job.policy->enabled) return {Reason::kDisabled, 0};
  const TimeBound time = TimeBlocker(job, now, seed);
  if (time.reason != Reason::kNone) return time;
  const TimeBound work = WorkBlocker(job, jobs, now);
  if (work.reason != Reason::kNone) return work;
  Reason reason = ResourceBlocker(job, facts);
  if (reason == Reason::kNone) reason = DeviceBlocker(job, facts);
  return {reason, 0};
}

// --- Who goes first ---

struct Candidate {
  std::size_t index = 0;
  bool in_turn = false;  // Trains, and has not had its turn yet.
  bool neglected = false, overdue = false;
  int priority = 0;
  double use = 0;

  bool GoesBefore(const Candidate& other) const {
    if (in_turn != other.in_turn) return in_turn;
    if (neglected != other.neglected) return neglected;
    if (overdue != other.overdue) return overdue;
    if (priority != other.priority) return priority > other.priority;
    if (use != other.use) return use < other.use;
    return index < other.index;
  }
};

Candidate MakeCandidate(std::size_t index, const JobState& job, const Now& now) {
  const JobHistory& history = job.history;
  Candidate candidate;
  candidate.index = index;
  candidate.in_turn = job.running && history.last_started != 0 &&
                      now.unix_seconds - Past(history.last_started, now) < Seconds(kTurnSeconds);
  candidate.neglected = IsNeglected(job, now);
  candidate.overdue = IsOverdue(job, now);
  candidate.priority = job.policy->priority;
  candidate.use = std::isfinite(history.weighted_seconds) ? history.weighted_seconds : 0;
  if (job.running) candidate.use -= kTurnSeconds / ShareWeight(job.policy->weight);
  return candidate;
}

// Lets the best candidates run, and tells the others what stands in their way.
class Selection {
 public:
  Selection(std::span<const JobState> jobs, const DeviceFacts& facts, int concurrent)
      : jobs_(jobs),
        facts_(facts),
        free_(std::max(concurrent, 1)),
        memory_(facts.memory_available) {}

  Verdict Choose(std::size_t index) {
    const JobState& job = jobs_[index];
    const bool fits = job.running || memory_ < 0 || job.history.memory_needed <= memory_;
    Verdict verdict;
    if (free_ == 0 || IsChosen(job.policy->name)) {
      verdict.kind = job.running ? Kind::kStop : Kind::kWait;
      verdict.reason = Reason::kOtherJob;
    } else if (!fits) {
      verdict.reason = Reason::kNoMemory;
    } else {
      --free_;
      if (!job.running && memory_ >= 0)
        memory_ -= std::max<std::int64_t>(job.history.memory_needed, 0);
      chosen_.push_back(index);
      verdict.kind = Kind::kRun;
      verdict.device = facts_.ane_usable ? Device::kAne : Device::kCpu;
      verdict.budget = BudgetLeft(job);
    }
    return verdict;
  }

 private:
  bool IsChosen(const std::string& name) const {
    return std::any_of(chosen_.begin(), chosen_.end(),
                       [&](std::size_t index) { return jobs_[index].policy->name == name; });
  }

  std::span<const JobState> jobs_;
  const DeviceFacts& facts_;
  int free_;
  std::int64_t memory_;  // That those chosen leave; negative: not known.
  std::vector<std::size_t> chosen_;
};

std::uint64_t HashOf(std::string_view name) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a.
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return hash;
}

}  // namespace

double ShareWeight(double weight) {
  constexpr double kLeast = 1e-6, kMost = 1e6;
  return weight > 0 ? std::clamp(weight, kLeast, kMost) : kLeast;
}

double BackoffSeconds(const JobPolicy& job, int failures_in_a_row, std::uint64_t seed) {
  if (failures_in_a_row <= 0) return 0;
  const Backoff& backoff = job.backoff;
  const double grown = backoff.first_seconds * std::pow(backoff.factor, failures_in_a_row - 1);
  // Written so that a NaN, as of 0 times infinity, becomes the longest wait.
  const double wait = grown < backoff.max_seconds ? grown : backoff.max_seconds;
  Philox random(seed ^ HashOf(job.name), static_cast<std::uint64_t>(failures_in_a_row));
  const double jitter = backoff.jitter > 0 ? std::min(backoff.jitter, 1.0) : 0;
  return std::max(wait, 0.0) * (1 - jitter * static_cast<double>(random.NextFloat()));
}

std::vector<Verdict> Decide(std::span<const JobState> jobs, const DeviceFacts& facts,
                            const Now& now, int concurrent, std::uint64_t seed) {
  std::vector<Verdict> verdicts(jobs.size());
  std::vector<Candidate> candidates;
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    ATTUNE_CHECK(jobs[i].policy != nullptr);
    const TimeBound blocker = Blocker(jobs[i], jobs, facts, now, seed);
    if (blocker.reason == Reason::kNone) {
      candidates.push_back(MakeCandidate(i, jobs[i], now));
      continue;
    }
    verdicts[i].kind = jobs[i].running ? Kind::kStop : Kind::kWait;
    verdicts[i].reason = blocker.reason;
    verdicts[i].until = blocker.until;
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) { return a.GoesBefore(b); });
  Selection selection(jobs, facts, concurrent);
  for (const Candidate& candidate : candidates) {
    verdicts[candidate.index] = selection.Choose(candidate.index);
  }
  return verdicts;
}

}  // namespace attune
