// The laws of docs/internals/scheduler.md, held against random devices, users and
// clocks. What may run is judged here by direct predicates on the truth, and not by
// the code under test.

#include <ctime>
#include <set>

#include "gtest/gtest.h"
#include "policy_world.h"

namespace attune::policy_world {
namespace {

using Kind = Verdict::Kind;

constexpr std::uint64_t kSeed = 20261121;
constexpr int kSequences = 10'200;
constexpr int kRounds = 50;
constexpr std::int64_t kDay = 86400;

// --- What is true ---

std::tm LocalTime(const Now& now) {
  const auto local = static_cast<std::time_t>(now.unix_seconds + now.utc_offset_seconds);
  std::tm calendar{};
  gmtime_r(&local, &calendar);
  return calendar;
}

bool IsInWindow(const JobPolicy& policy, const Now& now) {
  const std::tm calendar = LocalTime(now);
  const int minute = calendar.tm_hour * 60 + calendar.tm_min;
  const int today = (calendar.tm_wday + 6) % 7, yesterday = (today + 6) % 7;
  for (const TimeWindow& window : policy.windows) {
    const bool begins_today = (window.weekdays & (1 << today)) != 0;
    const bool began_yesterday = (window.weekdays & (1 << yesterday)) != 0;
    const bool wraps = window.end_minute <= window.begin_minute;
    if (begins_today && minute >= window.begin_minute && (wraps || minute < window.end_minute)) {
      return true;
    }
    if (began_yesterday && wraps && minute < window.end_minute) return true;
  }
  return policy.windows.empty();
}

bool IsOverdue(const World& world, const WorldJob& job) {
  const std::int64_t since = job.finished >= 0 ? job.finished : job.seen;
  const double deadline = job.policy.deadline_seconds;
  return deadline > 0 && since >= 0 && static_cast<double>(world.true_time - since) >= deadline;
}

bool IsTooSoon(const World& world, const WorldJob& job) {
  if (!job.fresh() || job.finished < 0 || IsOverdue(world, job)) return false;
  return static_cast<double>(world.true_time - job.finished) < job.policy.min_interval_seconds;
}

bool AwaitsAnother(const World& world, const WorldJob& job) {
  if (!job.fresh()) return false;
  for (const std::string& name : job.policy.after) {
    for (const WorldJob& other : world.jobs) {
      if (other.policy.name == name && other.finished <= job.finished) return true;
    }
  }
  return false;
}

bool WantsExamples(const World& world, const WorldJob& job) {
  if (!job.fresh() || job.new_examples >= job.policy.min_new_examples) return false;
  return job.new_examples == 0 || !IsOverdue(world, job);
}

// Whether a limit may count as reached: with what kills may be charged, and a step.
bool MayBeSpent(const WorldJob& job, Budget used, const Budget& limit) {
  AddTo(used, Times({1, 1, job.watts}, 1 + 2 * kUnrecordedSeconds * job.kills));
  AddTo(used, Times(job.rates(), 290));  // Told after midnight, used before.
  return IsOver(used, limit, -1e-6);
}

// Conditions of the device that do not hold, for going on or for a start.
std::set<Reason> MissingConditions(const World& world, const WorldJob& job) {
  const Conditions& c = job.policy.conditions;
  const DeviceFacts& f = world.facts;
  const bool on = job.running;
  std::set<Reason> missing;
  const auto add = [&](bool is_missing, Reason reason) {
    if (is_missing) missing.insert(reason);
  };
  add(c.external_power && f.power != PowerSource::kExternal, Reason::kNotOnPower);
  add(f.battery >= 0 && f.battery < c.min_battery - (on ? 0.05 : 0.0), Reason::kBatteryLow);
  add(f.low_power_mode && !c.allow_low_power_mode, Reason::kLowPowerMode);
  add(f.thermal == ThermalState::kSerious || f.thermal == ThermalState::kCritical, Reason::kTooHot);
  add(f.memory_pressure == MemoryPressure::kCritical ||
          (!on && f.memory_pressure == MemoryPressure::kWarning),
      Reason::kMemoryPressure);
  add(c.user_idle && !f.user_idle, Reason::kUserActive);
  add(f.foreground && !c.allow_foreground, Reason::kForeground);
  add(!f.protected_data, Reason::kDeviceLocked);
  add(!on && f.memory_available >= 0 && f.memory_available < job.memory, Reason::kNoMemory);
  add(f.disk_free >= 0 && f.disk_free < c.min_disk_free / (on ? 2 : 1), Reason::kNoDisk);
  add(!f.cpu_usable && !f.ane_usable, Reason::kNoDevice);
  return missing;
}

// --- What is judged ---

bool IsForTime(Reason reason) {
  static const std::set<Reason> kReasons = {Reason::kOutsideWindow,  Reason::kTooSoon,
                                            Reason::kBackingOff,     Reason::kBudgetSpent,
                                            Reason::kRunBudgetSpent, Reason::kClockImplausible};
  return kReasons.contains(reason);
}

void CheckRun(const World& world, const WorldJob& job) {
  EXPECT_TRUE(job.policy.enabled);
  EXPECT_TRUE(IsInWindow(job.policy, world.now()));
  EXPECT_TRUE(MissingConditions(world, job).empty());
  const std::int64_t clock = world.now().unix_seconds, since = clock - world.set_back_at;
  const bool doubtful = clock < world.latest && since >= 0 && since < kClockDoubtSeconds;
  EXPECT_FALSE(doubtful && !job.policy.windows.empty());
  if (world.mode != ClockMode::kSteady) return;
  EXPECT_FALSE(IsTooSoon(world, job));
  EXPECT_NE(job.spent_day, world.LocalSeconds() / kDay);
  EXPECT_FALSE(WantsExamples(world, job));
  EXPECT_FALSE(AwaitsAnother(world, job));
  if (!job.running && job.failed >= 0 && job.failed >= job.started) {
    EXPECT_GE(world.true_time - job.failed, 0.79 * job.policy.backoff.first_seconds);
  }
}

bool IsReallyMissing(const World& world, const WorldJob& job, Reason reason) {
  const std::int64_t local = world.LocalSeconds();
  const auto used = [&](const auto& map, const auto& key) {
    const auto found = map.find(key);
    return found == map.end() ? Budget{} : found->second;
  };
  const bool steady = world.mode == ClockMode::kSteady;
  switch (reason) {
    case Reason::kDisabled:
      return !job.policy.enabled;
    case Reason::kOutsideWindow:
      return !IsInWindow(job.policy, world.now());
    case Reason::kTooSoon:
      return IsTooSoon(world, job) || !steady;
    case Reason::kBackingOff:
      return !job.running && (job.failed >= 0 || job.kills > kFreeKills);
    case Reason::kDependency:
      return AwaitsAnother(world, job) || !steady;
    case Reason::kFewExamples:
      return WantsExamples(world, job) || !steady;
    case Reason::kBudgetSpent:
      return MayBeSpent(job, used(job.by_day, local / kDay), job.policy.per_day) || !steady;
    case Reason::kRunBudgetSpent:
      return MayBeSpent(job,
                        used(job.by_run_and_night, std::pair{job.run, (local - kDay / 2) / kDay}),
                        job.policy.per_run) ||
             !steady;
    case Reason::kClockImplausible:
      return world.jumps > 0 && !job.policy.windows.empty();
    case Reason::kOtherJob:
      return world.jobs.size() > 1;
    default:
      return MissingConditions(world, job).contains(reason);
  }
}

// Gives the job exactly what `reason` says is missing.
void Supply(Reason reason, JobState& job, JobPolicy& policy, DeviceFacts& facts) {
  job.policy = &policy;
  JobHistory& h = job.history;
  switch (reason) {
    case Reason::kDisabled:
      policy.enabled = true;
      break;
    case Reason::kClockImplausible:
      h.clock_doubted_until = 0;
      break;
    case Reason::kOutsideWindow:
      policy.windows.clear();
      break;
    case Reason::kBackingOff:
      h.failures_in_a_row = 0;
      break;
    case Reason::kTooSoon:
      policy.min_interval_seconds = 0;
      break;
    case Reason::kBudgetSpent:
      policy.per_day = {};
      break;
    case Reason::kRunBudgetSpent:
      policy.per_run = {};
      break;
    case Reason::kDependency:
      policy.after.clear();
      break;
    case Reason::kFewExamples:
      h.new_examples = 1'000'000;
      break;
    case Reason::kNoDisk:
      facts.disk_free = std::int64_t{1} << 40;
      break;
    case Reason::kNoMemory:
      facts.memory_available = 1'000'000;
      break;
    case Reason::kNoDevice:
      facts.cpu_usable = true;
      break;
    case Reason::kDeviceLocked:
      facts.protected_data = true;
      break;
    case Reason::kNotOnPower:
      facts.power = PowerSource::kExternal;
      break;
    case Reason::kBatteryLow:
      facts.battery = 1;
      break;
    case Reason::kLowPowerMode:
      facts.low_power_mode = false;
      break;
    case Reason::kTooHot:
      facts.thermal = ThermalState::kNominal;
      break;
    case Reason::kMemoryPressure:
      facts.memory_pressure = MemoryPressure::kNormal;
      break;
    case Reason::kForeground:
      facts.foreground = false;
      break;
    case Reason::kUserActive:
      facts.user_idle = true;
      break;
    default:
      ADD_FAILURE() << ReasonName(reason) << " is nothing to wait for";
  }
}

void CheckSupplied(const World& world, std::vector<JobState> states, std::size_t index,
                   Reason reason) {
  JobPolicy policy = *states[index].policy;
  DeviceFacts facts = world.facts;
  if (reason == Reason::kOtherJob) {
    policy.after.clear();
    JobState alone = states[index];
    alone.policy = &policy;
    EXPECT_EQ(Decide({&alone, 1}, facts, world.now(), 1, kSeed)[0].kind, Kind::kRun);
    return;
  }
  Supply(reason, states[index], policy, facts);
  const Verdict next = Decide(states, facts, world.now(), world.concurrent, kSeed)[index];
  EXPECT_NE(next.reason, reason) << ReasonName(reason);
}

// Nothing changes before `until`, and something does then.
void CheckUntil(const World& world, std::vector<JobState> states, std::size_t index,
                const Verdict& verdict) {
  const Now now = world.now();
  EXPECT_EQ(IsForTime(verdict.reason) || verdict.until != 0, verdict.until > now.unix_seconds);
  EXPECT_LE(verdict.until, now.unix_seconds + kMaxWaitSeconds);
  if (verdict.until == 0 || states[index].running || world.mode != ClockMode::kSteady) return;
  const WorldJob& job = world.jobs[index];
  for (const std::int64_t at : {verdict.until - 1, verdict.until}) {
    JobHistory& history = states[index].history;
    const JobHistory then = job.ledger.At({at, now.utc_offset_seconds}, job.policy.weight);
    history = then;
    history.new_examples = job.new_examples;
    history.memory_needed = job.memory;
    const Reason reason =
        Decide(states, world.facts, {at, now.utc_offset_seconds}, world.concurrent, kSeed)[index]
            .reason;
    const bool for_time = IsForTime(reason) || reason == verdict.reason;
    const bool capped = verdict.until == now.unix_seconds + kMaxWaitSeconds;
    EXPECT_TRUE(capped || for_time == (at < verdict.until)) << ReasonName(reason);
  }
}

void CheckVerdicts(World& world, const std::vector<JobState>& states,
                   const std::vector<Verdict>& verdicts) {
  int runs = 0;
  std::int64_t memory = 0;
  ASSERT_EQ(verdicts.size(), states.size());
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const WorldJob& job = world.jobs[i];
    SCOPED_TRACE(job.policy.name + " " + std::string(ReasonName(verdicts[i].reason)));
    if (verdicts[i].kind == Kind::kRun) {
      ++runs;
      memory += job.running ? 0 : job.memory;
      CheckRun(world, job);
      continue;
    }
    EXPECT_EQ(verdicts[i].kind, job.running ? Kind::kStop : Kind::kWait);
    // Of those that would start together, the last may be short of what the others take.
    const bool crowded = verdicts[i].reason == Reason::kNoMemory && world.jobs.size() > 1;
    EXPECT_TRUE(IsReallyMissing(world, job, verdicts[i].reason) || crowded);
    CheckSupplied(world, states, i, verdicts[i].reason);
    CheckUntil(world, states, i, verdicts[i]);
  }
  EXPECT_LE(runs, world.concurrent);
  EXPECT_TRUE(world.facts.memory_available < 0 || memory <= world.facts.memory_available);
  for (const Verdict& verdict : verdicts) {
    EXPECT_TRUE(verdict.reason != Reason::kOtherJob || runs == world.concurrent);
  }
}

void CheckBudgets(const World& world) {
  for (const WorldJob& job : world.jobs) {
    SCOPED_TRACE(job.policy.name);
    for (const auto& [day, used] : job.by_day) {
      if (world.mode != ClockMode::kSteady) break;
      EXPECT_FALSE(IsOver(used, job.policy.per_day, 1e-6)) << "day " << day;
    }
    for (const auto& [run, used] : job.by_run_and_night) {
      if (world.mode != ClockMode::kSteady) break;
      EXPECT_FALSE(IsOver(used, job.policy.per_run, 1e-6)) << "run " << run.first;
    }
    // A jump ahead passes for a night, and may end just before another midnight.
    EXPECT_LE(job.early_starts, world.jumps_ahead);
    const std::int64_t days = world.LocalSeconds() / kDay - world.first_day + 1;
    const Budget most =
        Times(job.policy.per_day, static_cast<double>(days + 2 * world.jumps_ahead));
    EXPECT_FALSE(IsOver(job.total, most, 1e-6)) << days << " days";
  }
}

void CheckFold(const World& world) {
  for (const WorldJob& job : world.jobs) {
    const JobHistory a = job.ledger.At(world.now(), job.policy.weight);
    const JobHistory b = HistoryOf(world.records, job.policy, world.now());
    EXPECT_EQ(a.used_today, b.used_today);
    EXPECT_EQ(a.last_finished, b.last_finished);
    EXPECT_EQ(a.weighted_seconds, b.weighted_seconds);
  }
}

bool AnyRuns(const World& world) {
  return std::any_of(world.jobs.begin(), world.jobs.end(),
                     [](const WorldJob& job) { return job.running; });
}

void Live(World& world) {
  for (int round = 0; round < kRounds && !::testing::Test::HasFailure(); ++round) {
    SCOPED_TRACE(round);
    world.Disturb();
    EXPECT_TRUE(world.WakeUp());
    const std::vector<JobState> states = world.States();
    const std::vector<Verdict> verdicts =
        Decide(states, world.facts, world.now(), world.concurrent, kSeed);
    CheckVerdicts(world, states, verdicts);
    world.Apply(verdicts);
    const std::uint32_t seconds =
        AnyRuns(world) ? 1 + world.dice.Below(290) : 60 + world.dice.Below(20000);
    world.Pass(seconds, 0.04, 0.03);
  }
  CheckBudgets(world);
}

// Whether nothing that the owner decided keeps the job from running for ever.
bool CanRun(const World& world, const WorldJob& job) {
  if (!job.policy.enabled) return false;
  return std::all_of(job.policy.after.begin(), job.policy.after.end(), [&](const auto& name) {
    const auto other = std::find_if(world.jobs.begin(), world.jobs.end(),
                                    [&](const WorldJob& j) { return j.policy.name == name; });
    return CanRun(world, *other);
  });
}

// From any past, once the device is at rest and the clock steady, every job trains.
// Returns the true days that it took; more than `limit`: not all did.
double DaysUntilAllRan(World& world, double limit) {
  world.facts = GoodFacts();
  const std::int64_t begin = world.true_time;
  std::set<std::string> waiting;
  for (const WorldJob& job : world.jobs) {
    if (CanRun(world, job)) waiting.insert(job.policy.name);
  }
  double days = 0;
  while (!waiting.empty() && days <= limit) {
    for (WorldJob& job : world.jobs) job.new_examples = 100;
    EXPECT_TRUE(world.WakeUp());
    const auto verdicts = Decide(world.States(), world.facts, world.now(), world.concurrent, kSeed);
    world.Apply(verdicts);
    for (const WorldJob& job : world.jobs) {
      if (job.running) waiting.erase(job.policy.name);
    }
    world.Pass(AnyRuns(world) ? 280 : 1800, 0, 0);
    days = static_cast<double>(world.true_time - begin) / kDay;
  }
  return days;
}

TEST(PolicyModel, TheLawsHoldForRandomDevicesUsersAndClocks) {
  std::printf("seed %llu, %d sequences\n", static_cast<unsigned long long>(kSeed), kSequences);
  std::map<Reason, int> told;
  std::size_t runs = 0, kills = 0;
  double longest = 0;
  for (int sequence = 0; sequence < kSequences && !HasFailure(); ++sequence) {
    SCOPED_TRACE("sequence " + std::to_string(sequence));
    World world(kSeed, static_cast<std::uint64_t>(sequence));
    Live(world);
    CheckFold(world);
    for (const LedgerRecord& record : world.records) ++told[record.reason];
    for (const WorldJob& job : world.jobs) runs += static_cast<std::size_t>(job.run);
    for (const WorldJob& job : world.jobs) kills += static_cast<std::size_t>(job.kills);
    constexpr double kLimit = 60;
    const double days = DaysUntilAllRan(world, kLimit);
    EXPECT_LE(days, kLimit);
    CheckBudgets(world);
    longest = std::max(longest, days);
  }
  std::printf("%zu runs, %zu kills; the last job ran after at most %.1f days\n", runs, kills,
              longest);
  for (const auto& [reason, count] : told) {
    std::printf("  %-18s %d\n", std::string(ReasonName(reason)).c_str(), count);
  }
  // Every reason but the runner's own two was met.
  EXPECT_EQ(told.size(), 22u);
}

}  // namespace
}  // namespace attune::policy_world
