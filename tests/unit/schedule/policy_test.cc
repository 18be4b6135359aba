#include "schedule/policy.h"

#include <cmath>
#include <limits>
#include <set>

#include "gtest/gtest.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

using Kind = Verdict::Kind;

constexpr std::int64_t kHour = 3600;
constexpr std::uint64_t kSeed = 7;

DeviceFacts GoodFacts() {
  DeviceFacts facts;
  facts.power = PowerSource::kExternal;
  facts.battery = 0.8;
  facts.memory_available = std::int64_t{1} << 30;
  facts.disk_free = std::int64_t{8} << 30;
  return facts;
}

JobPolicy MakePolicy(const std::string& name) {
  JobPolicy policy;
  policy.name = name;
  return policy;
}

class Policy : public ::testing::Test {
 protected:
  Policy() {
    history_.new_examples = 100;
    history_.first_seen = now_.unix_seconds - kHour;
  }

  Verdict Ask() const { return Ask(now_.unix_seconds); }
  Verdict Ask(std::int64_t when) const {
    const JobState job{&policy_, history_, running_};
    return Decide({&job, 1}, facts_, {when, now_.utc_offset_seconds}, 1, kSeed)[0];
  }
  // Waits or stops, for that reason, until then.
  void Expect(Reason reason, std::int64_t until = 0) const {
    const Verdict verdict = Ask();
    EXPECT_EQ(verdict.kind, running_ ? Kind::kStop : Kind::kWait);
    EXPECT_EQ(verdict.reason, reason) << ReasonName(verdict.reason);
    EXPECT_EQ(verdict.until, until);
  }
  void ExpectRuns() const {
    const Verdict verdict = Ask();
    EXPECT_EQ(verdict.kind, Kind::kRun) << ReasonName(verdict.reason);
    EXPECT_EQ(verdict.reason, Reason::kNone);
  }

  JobPolicy policy_ = MakePolicy("keyboard");
  JobHistory history_;
  DeviceFacts facts_ = GoodFacts();
  // Mon 23 Nov 2026, 23:00 UTC.
  Now now_{MidnightOf(DayOf({2026, 11, 23}), 0) + 23 * kHour, 0};
  bool running_ = false;
};

TEST_F(Policy, RunsWhenNothingIsMissing) {
  ExpectRuns();
  EXPECT_EQ(Ask().device, Device::kCpu);
  facts_.ane_usable = true;
  EXPECT_EQ(Ask().device, Device::kAne);
}

TEST_F(Policy, AJobThatIsSwitchedOffWaitsForItsOwner) {
  policy_.enabled = false;
  Expect(Reason::kDisabled);
  running_ = true;
  Expect(Reason::kDisabled);
}

TEST_F(Policy, WaitsForItsWindow) {
  policy_.windows = {{60, 120}};
  Expect(Reason::kOutsideWindow, now_.unix_seconds + 2 * kHour);
  running_ = true;
  Expect(Reason::kOutsideWindow, now_.unix_seconds + 2 * kHour);
  now_.utc_offset_seconds = 2 * kHour;
  ExpectRuns();
}

TEST_F(Policy, PowerMustBeExternalUnlessTheJobSaysOtherwise) {
  for (const auto power : {PowerSource::kBattery, PowerSource::kUnknown}) {
    facts_.power = power;
    policy_.conditions.external_power = true;
    running_ = false;
    Expect(Reason::kNotOnPower);
    running_ = true;
    Expect(Reason::kNotOnPower);
    policy_.conditions.external_power = false;
    ExpectRuns();
  }
}

TEST_F(Policy, GoesOnALittleBelowTheBatteryThatItTakesToStart) {
  facts_.battery = 0.29;
  Expect(Reason::kBatteryLow);
  running_ = true;
  ExpectRuns();
  facts_.battery = 0.24;
  Expect(Reason::kBatteryLow);
  facts_.battery = -1;  // There is none.
  ExpectRuns();
}

TEST_F(Policy, RunsUpToFairHeatAndStopsAtSerious) {
  facts_.thermal = ThermalState::kFair;
  ExpectRuns();
  running_ = true;
  ExpectRuns();
  facts_.thermal = ThermalState::kSerious;
  Expect(Reason::kTooHot);
  running_ = false;
  Expect(Reason::kTooHot);
}

TEST_F(Policy, StartsWithoutMemoryPressureAndStopsWhenItIsCritical) {
  facts_.memory_pressure = MemoryPressure::kWarning;
  Expect(Reason::kMemoryPressure);
  running_ = true;
  ExpectRuns();
  facts_.memory_pressure = MemoryPressure::kCritical;
  Expect(Reason::kMemoryPressure);
}

TEST_F(Policy, StopsAtOnceForThePersonAndThePhone) {
  for (const bool running : {false, true}) {
    running_ = running;
    facts_ = GoodFacts();
    facts_.user_idle = false;
    Expect(Reason::kUserActive);
    facts_.foreground = true;
    Expect(Reason::kForeground);
    facts_.low_power_mode = true;
    Expect(Reason::kLowPowerMode);
    facts_.protected_data = false;
    Expect(Reason::kDeviceLocked);
    facts_.cpu_usable = false;
    Expect(Reason::kNoDevice);
  }
}

TEST_F(Policy, ConditionsThatAreAllowedDoNotStand) {
  facts_.user_idle = false;
  facts_.foreground = facts_.low_power_mode = true;
  policy_.conditions.user_idle = false;
  policy_.conditions.allow_foreground = policy_.conditions.allow_low_power_mode = true;
  ExpectRuns();
}

TEST_F(Policy, MemoryIsAskedForBeforeItIsTakenOnly) {
  history_.memory_needed = facts_.memory_available + 1;
  Expect(Reason::kNoMemory);
  running_ = true;
  ExpectRuns();
  running_ = false;
  facts_.memory_available = -1;
  ExpectRuns();
}

TEST_F(Policy, GoesOnWithHalfTheDiskThatItTakesToStart) {
  facts_.disk_free = policy_.conditions.min_disk_free - 1;
  Expect(Reason::kNoDisk);
  running_ = true;
  ExpectRuns();
  facts_.disk_free = policy_.conditions.min_disk_free / 2 - 1;
  Expect(Reason::kNoDisk);
  facts_.disk_free = -1;
  ExpectRuns();
}

TEST_F(Policy, ANewRunWantsNewExamplesAndAnUnfinishedOneDoesNot) {
  history_.new_examples = policy_.min_new_examples - 1;
  Expect(Reason::kFewExamples);
  history_.unfinished = true;
  ExpectRuns();
  history_.unfinished = false;
  running_ = true;
  ExpectRuns();
}

TEST_F(Policy, ANewRunKeepsItsDistanceAndAnUnfinishedOneDoesNot) {
  history_.last_finished = now_.unix_seconds - kHour;
  Expect(Reason::kTooSoon, now_.unix_seconds + 11 * kHour);
  history_.unfinished = true;
  ExpectRuns();
  history_.unfinished = false;
  history_.last_finished = now_.unix_seconds - 12 * kHour;
  ExpectRuns();
}

TEST_F(Policy, AnUnknownFutureIsTakenForNow) {
  history_.last_finished = now_.unix_seconds + 9000 * kHour;
  Expect(Reason::kTooSoon, now_.unix_seconds + 12 * kHour);
}

TEST_F(Policy, ADeadlineWaivesTheDistanceAndAllExamplesButOne) {
  policy_.deadline_seconds = 10.0 * 3600;
  policy_.min_interval_seconds = 24.0 * 3600;
  history_.last_finished = now_.unix_seconds - 10 * kHour;
  history_.new_examples = 1;
  ExpectRuns();
  history_.new_examples = 0;
  Expect(Reason::kFewExamples);
  history_.last_finished += 1;
  Expect(Reason::kTooSoon, now_.unix_seconds + 1);
}

TEST_F(Policy, ADeadlineOfAJobThatNeverRanCountsFromItsFirstRecord) {
  policy_.deadline_seconds = 1800;
  history_.new_examples = 1;
  ExpectRuns();
  history_.first_seen = 0;
  Expect(Reason::kFewExamples);
}

TEST_F(Policy, BacksOffFromTheLastFailureForOneThatIsUnfinishedToo) {
  policy_.backoff.jitter = 0;
  history_.unfinished = true;
  history_.failures_in_a_row = 3;
  history_.last_failed = now_.unix_seconds - 100;
  Expect(Reason::kBackingOff, now_.unix_seconds + 2300);
  running_ = true;
  ExpectRuns();
}

TEST_F(Policy, BackoffGrowsToItsLimitAndNotBeyond) {
  policy_.backoff.jitter = 0;
  EXPECT_EQ(BackoffSeconds(policy_, 0, kSeed), 0);
  EXPECT_EQ(BackoffSeconds(policy_, 1, kSeed), 600);
  EXPECT_EQ(BackoffSeconds(policy_, 4, kSeed), 4800);
  EXPECT_EQ(BackoffSeconds(policy_, 9, kSeed), 86400);
  EXPECT_EQ(BackoffSeconds(policy_, std::numeric_limits<int>::max(), kSeed), 86400);
  policy_.backoff.first_seconds = 0;  // Times infinity.
  EXPECT_EQ(BackoffSeconds(policy_, std::numeric_limits<int>::max(), kSeed), 86400);
}

TEST_F(Policy, JitterIsTheSameForTheSameFailureOnly) {
  std::set<double> waits;
  for (int failures = 1; failures <= 40; ++failures) {
    const double wait = BackoffSeconds(policy_, failures, kSeed);
    const double full = std::min(86400.0, 600 * std::pow(2, failures - 1));
    EXPECT_EQ(wait, BackoffSeconds(policy_, failures, kSeed));
    EXPECT_LE(wait, full);
    EXPECT_GE(wait, 0.8 * full);
    waits.insert(wait);
    waits.insert(BackoffSeconds(policy_, failures, kSeed + 1));
    waits.insert(BackoffSeconds(MakePolicy("other"), failures, kSeed));
  }
  EXPECT_EQ(waits.size(), 120u);
}

TEST_F(Policy, ASpentDayWaitsForLocalMidnight) {
  policy_.per_day.cpu_seconds = 100;
  history_.used_today.cpu_seconds = 100;
  Expect(Reason::kBudgetSpent, now_.unix_seconds + kHour);
  running_ = true;
  Expect(Reason::kBudgetSpent, now_.unix_seconds + kHour);
  now_.utc_offset_seconds = -3 * 3600;
  Expect(Reason::kBudgetSpent, now_.unix_seconds + 4 * kHour);
  history_.used_today.cpu_seconds = 99;
  ExpectRuns();
}

TEST_F(Policy, ASpentRunWaitsForLocalNoonAndANewRunDoesNot) {
  policy_.per_run.energy_joules = 10;
  history_.used_by_run.energy_joules = 10;
  ExpectRuns();
  history_.unfinished = true;
  Expect(Reason::kRunBudgetSpent, now_.unix_seconds + 13 * kHour);
  running_ = true;
  Expect(Reason::kRunBudgetSpent, now_.unix_seconds + 13 * kHour);
}

TEST_F(Policy, ABudgetIsSpentWhenTheRunnerSaysThatNoStepFits) {
  history_.unfinished = history_.day_spent = true;
  ExpectRuns();  // There is no budget.
  policy_.per_day.wall_seconds = 100;
  Expect(Reason::kBudgetSpent, now_.unix_seconds + kHour);
  history_.day_spent = false;
  policy_.per_run.wall_seconds = 100;
  history_.run_spent = true;
  Expect(Reason::kRunBudgetSpent, now_.unix_seconds + 13 * kHour);
}

TEST_F(Policy, WhatIsLeftIsTheSmallerOfBothBudgets) {
  policy_.per_run = {100, 50, 0};
  policy_.per_day = {300, 0, 0};
  history_.unfinished = true;
  history_.used_by_run = {60, 10, 5};
  history_.used_today = {270, 10, 5};
  EXPECT_EQ(Ask().budget, (Budget{30, 40, 0}));
  history_.unfinished = false;  // A new run has used nothing.
  EXPECT_EQ(Ask().budget, (Budget{30, 50, 0}));
}

TEST_F(Policy, WaitsForTimeEndTogether) {
  policy_.windows = {{22 * 60, 6 * 60}};
  history_.last_finished = now_.unix_seconds - kHour;  // Too soon until 10:00.
  Expect(Reason::kTooSoon, now_.unix_seconds + 23 * kHour);
  policy_.min_interval_seconds = 3.0 * 3600;
  Expect(Reason::kTooSoon, now_.unix_seconds + 2 * kHour);
}

TEST_F(Policy, AWaitEndsWithTheLastOfWhatItWaitsFor) {
  policy_.backoff = {.first_seconds = 7200, .jitter = 0};
  history_.failures_in_a_row = 1;
  history_.last_failed = now_.unix_seconds;
  history_.last_finished = now_.unix_seconds - 11 * kHour;  // Too soon for an hour.
  Expect(Reason::kBackingOff, now_.unix_seconds + 2 * kHour);
  history_.last_finished = now_.unix_seconds - 9 * kHour;
  Expect(Reason::kBackingOff, now_.unix_seconds + 3 * kHour);
}

TEST_F(Policy, AWaitEndsWhenTheJobBecomesOverdue) {
  policy_.deadline_seconds = 10.0 * 3600;
  history_.last_finished = now_.unix_seconds - kHour;
  Expect(Reason::kTooSoon, now_.unix_seconds + 9 * kHour);
  history_.last_finished = 0;
  history_.new_examples = 1;
  Expect(Reason::kFewExamples, now_.unix_seconds + 9 * kHour);
  history_.new_examples = 0;
  Expect(Reason::kFewExamples);
}

TEST_F(Policy, NoWaitIsLongerThanAWeek) {
  policy_.windows = {{0, 60, 0}};
  Expect(Reason::kOutsideWindow, now_.unix_seconds + 7 * 24 * kHour);
  policy_.windows.clear();
  policy_.min_interval_seconds = std::numeric_limits<double>::infinity();
  history_.last_finished = now_.unix_seconds;
  Expect(Reason::kTooSoon, now_.unix_seconds + 7 * 24 * kHour);
}

TEST_F(Policy, ADoubtfulClockStopsOnlyWhoDependsOnTheHour) {
  history_.clock_doubted_until = now_.unix_seconds + 600;
  ExpectRuns();
  policy_.windows = {{22 * 60, 6 * 60}};
  Expect(Reason::kClockImplausible, now_.unix_seconds + 600);
  running_ = true;
  Expect(Reason::kClockImplausible, now_.unix_seconds + 600);
}

TEST_F(Policy, NamesWhatIsMissingInOneFixedOrder) {
  policy_.enabled = false;
  policy_.windows = {{60, 120}};
  policy_.after = {"another"};
  policy_.per_day.wall_seconds = 1;
  history_ = {};
  history_.clock_doubted_until = now_.unix_seconds + 1;
  history_.failures_in_a_row = 1;
  history_.last_failed = history_.last_finished = now_.unix_seconds;
  history_.used_today.wall_seconds = 1;
  history_.memory_needed = 1;
  facts_ = {PowerSource::kBattery,
            0,
            true,
            ThermalState::kCritical,
            MemoryPressure::kCritical,
            false,
            true,
            false,
            0,
            0,
            false,
            false};
  std::vector<Reason> told;
  const auto next = [&] { told.push_back(Ask().reason); };
  next(), policy_.enabled = true;
  next(), history_.clock_doubted_until = 0;
  next(), policy_.windows.clear();
  next(), history_.failures_in_a_row = 0;
  next(), policy_.min_interval_seconds = 0;
  next(), policy_.per_day = {};
  next(), policy_.after.clear();
  next(), history_.new_examples = 100;
  next(), facts_.disk_free = std::int64_t{1} << 40;
  next(), facts_.memory_available = 1;
  next(), facts_.cpu_usable = true;
  next(), facts_.protected_data = true;
  next(), facts_.power = PowerSource::kExternal;
  next(), facts_.battery = 1;
  next(), facts_.low_power_mode = false;
  next(), facts_.thermal = ThermalState::kFair;
  next(), facts_.memory_pressure = MemoryPressure::kNormal;
  next(), facts_.foreground = false;
  next(), facts_.user_idle = true;
  next();
  const std::vector<Reason> order = {Reason::kDisabled,       Reason::kClockImplausible,
                                     Reason::kOutsideWindow,  Reason::kBackingOff,
                                     Reason::kTooSoon,        Reason::kBudgetSpent,
                                     Reason::kDependency,     Reason::kFewExamples,
                                     Reason::kNoDisk,         Reason::kNoMemory,
                                     Reason::kNoDevice,       Reason::kDeviceLocked,
                                     Reason::kNotOnPower,     Reason::kBatteryLow,
                                     Reason::kLowPowerMode,   Reason::kTooHot,
                                     Reason::kMemoryPressure, Reason::kForeground,
                                     Reason::kUserActive,     Reason::kNone};
  EXPECT_EQ(told, order);
}

TEST(Reasons, EachHasANameAndASentenceOfItsOwn) {
  std::set<std::string_view> names, sentences;
  for (int i = 0; i <= 23; ++i) {
    names.insert(ReasonName(static_cast<Reason>(i)));
    sentences.insert(ReasonSentence(static_cast<Reason>(i)));
  }
  EXPECT_EQ(names.size(), 24u);
  EXPECT_EQ(sentences.size(), 24u);
  EXPECT_FALSE(names.contains(ReasonName(static_cast<Reason>(24))));
  EXPECT_FALSE(sentences.contains(ReasonSentence(static_cast<Reason>(24))));
}

}  // namespace
}  // namespace attune
