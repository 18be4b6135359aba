// What a sitting owes to the clock: rests that grow or are handed on, tests that are
// cut off, options that are no times.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "session/sitting.h"
#include "unit/session/sitting_world.h"

namespace attune {
namespace {

using testing::FakeWork;
using ::testing::HasSubstr;
using testing::SittingTest;

TEST_F(SittingTest, ARestThatGrowsDoesNotOutlastTheDeadline) {
  JobPolicy policy;
  policy.conditions.external_power = false;
  FakeWork& work = AddJob(policy);
  work.steps = 1000;
  options.max_loss_seconds = 100;
  options.deadline_seconds = 40;
  options.governor.duty_nominal = 0.5;
  options.governor.lines = {{60, 0.1}};  // Broken by far once it is in force.
  options.governor.lines_on_external_power = false;
  device.facts = [](double now) {
    return DeviceFacts{.power = now < 1015 ? PowerSource::kExternal : PowerSource::kBattery,
                       .battery = 1};
  };
  Run();
  EXPECT_LE(device.MonotonicSeconds(), 1040);
  EXPECT_GT(work.steps_done, 5);
  EXPECT_EQ(work.saved(), work.steps_done) << "lost though there was time";
  EXPECT_EQ(Last().reason, Reason::kOutOfTime);
}

// The last batch would fit its budget, its rest would not.
TEST_F(SittingTest, ACheckOfTheGateThatItsRestMakesTooLongIsCutOffOnce) {
  options.governor.duty_nominal = 0.5;
  for (double limit = 48; limit < 49; limit += 0.1) {
    SCOPED_TRACE(limit);
    JobPolicy policy;
    policy.per_run.wall_seconds = limit;
    FakeWork& work = AddJob(policy);
    work.conclude_batches = 50;
    const std::size_t told = ledger.records().size();
    Run();
    EXPECT_EQ(ledger.records().size(), told + 3) << Told();
    EXPECT_EQ(Last().reason, Reason::kRunBudgetSpent);
    EXPECT_EQ(work.begins, 1);
    jobs.clear();
    Restart(48 * 3600);
  }
}

// Whatever was before it, no step begins with more work behind it than the duty allows.
TEST_F(SittingTest, ARestIsOwedAfterAnOpeningAndAfterAnothersStop) {
  constexpr double kDuty = 0.5, kCredit = 0.5;
  options.governor.duty_nominal = kDuty;
  JobPolicy policy;
  policy.per_run.wall_seconds = 22;
  FakeWork& a = AddJob(policy);
  a.open_seconds = 4;
  a.step_seconds = [](std::int64_t) { return 10.0; };
  AddJob().steps = 3;
  on_step = [&](const SittingEvent& event) {
    const double step = *event.job == "a" ? 10 : 1;
    const double busy = device.ProcessCpuSeconds() - step;
    const double passed = device.MonotonicSeconds() - 1000 - step;
    EXPECT_LE(busy, kDuty * passed + kCredit) << *event.job << " at " << passed;
  };
  Run();
  EXPECT_EQ(turns, "abbb");
  EXPECT_THAT(Told(), HasSubstr("a:started a:paused(run budget spent) b:started"));
}

TEST_F(SittingTest, ALongTestDoesNotMakeStepsLong) {
  JobPolicy policy;
  policy.per_run.cpu_seconds = 80;
  FakeWork& work = AddJob(policy);
  work.test_every = 5;
  work.test_batches = 200;  // 40 s.
  options.deadline_seconds = 58;
  Run();
  EXPECT_EQ(work.steps_done, 10) << "the time after the first test was left unused";
  EXPECT_EQ(work.saved(), 10);
  EXPECT_LE(device.MonotonicSeconds(), 1058);
  EXPECT_EQ(Last().reason, Reason::kOutOfTime);
}

TEST_F(SittingTest, WhatALongTestToldIsSavedSoon) {
  FakeWork& work = AddJob();
  work.test_every = 5;
  work.test_batches = 200;
  on_step = [&](const SittingEvent& event) {
    if (event.progress.step == 5) {
      EXPECT_EQ(work.saved(), 5);
    }
    if (event.progress.step == 6) device.stop->Ask();
  };
  Run();
  EXPECT_EQ(turns, "aaaaaa");
}

// No sitting is long enough for it.
TEST_F(SittingTest, ACheckThatNeverFitsIsNotBegunEveryQuarterOfAnHour) {
  FakeWork& work = AddJob();
  work.conclude_batches = 1000;  // 200 s.
  options.deadline_seconds = 100;
  for (int wake = 0; wake < 4 * 24; ++wake) {
    Run();
    Restart(900);
  }
  // Some free ones; then after 10, 20, 40, … minutes.
  EXPECT_LE(work.begins, 12) << "in a day";
  EXPECT_GE(work.begins, 8);
  work.conclude_batches = 5;
  Restart(24 * 3600);
  Run();
  EXPECT_EQ(work.generations, 1u);
}

TEST_F(SittingTest, ABusyVaultIsWaitedForBeforeTheNextStep) {
  FakeWork& work = AddJob();
  work.saves_in_vain = 4;
  std::int64_t unsaved = 0;
  on_step = [&](const SittingEvent& event) {
    unsaved = std::max(unsaved, event.progress.step - work.saved());
  };
  Run();
  EXPECT_EQ(Told(), "a:started a:finished a:promoted");
  EXPECT_EQ(work.begins, 1);
  EXPECT_EQ(turns.size(), 20u) << "a step was told twice";
  EXPECT_LE(unsaved, 4) << "a kill would have cost more than is promised";
  EXPECT_LE(work.unsaved_seconds, options.max_loss_seconds);
}

TEST_F(SittingTest, AVaultThatStaysBusyIsAFailureAndNotALockedDevice) {
  FakeWork& work = AddJob();
  work.saves_in_vain = 1000;
  Run();
  EXPECT_EQ(Told(), "a:started a:failed");
  EXPECT_EQ(Last().code, StatusCode::kUnavailable);
  EXPECT_LE(device.MonotonicSeconds(), 1000 + 15) << "waited for ever";
  Restart(3600);
  work.begin_status = Unavailable("another process has it");
  Run();
  EXPECT_EQ(Last().event, LedgerEvent::kFailed);
  EXPECT_EQ(Last().code, StatusCode::kUnavailable);
}

TEST_F(SittingTest, ABusyVaultAtTheEndLosesNoRun) {
  FakeWork& work = AddJob();
  options.max_loss_seconds = 100;  // Its only save is the last one.
  work.saves_in_vain = 2;
  Run();
  EXPECT_EQ(Told(), "a:started a:finished a:promoted");
  // 0.5 to open, 20 steps, a second before each further save, and 5 batches.
  EXPECT_NEAR(device.MonotonicSeconds(), 1000 + 0.5 + 20 + 2 + work.save_seconds + 1, 0.06);
}

TEST_F(SittingTest, ABusyLedgerIsAskedTwice) {
  FakeWork& work = AddJob();
  ledger.unavailable = 1;
  Run();
  EXPECT_EQ(work.generations, 1u);
  EXPECT_EQ(Told(), "a:started a:finished a:promoted");
}

TEST_F(SittingTest, ABackoffWithoutEndIsAWeek) {
  JobPolicy policy;
  policy.backoff.first_seconds = policy.backoff.max_seconds = 1e300;
  FakeWork& work = AddJob(policy);
  work.step_status = FailedPrecondition("diverged");
  work.fails_at = 1;
  Run();
  EXPECT_EQ(Last().event, LedgerEvent::kFailed);
  EXPECT_EQ(Last().next_attempt, Last().when + kMaxWaitSeconds);
}

TEST_F(SittingTest, OptionsThatAreNoTimesAreRefused) {
  AddJob();
  const auto refused = [&](auto change) {
    SittingOptions bad = options;
    change(bad);
    Sitting sitting({&device, &device, &ledger}, bad, jobs, *device.stop);
    return sitting.Run([](const SittingEvent&) {}).status().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](SittingOptions&) {}));
  const std::size_t records = ledger.records().size();
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.facts_seconds = 0; }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.facts_seconds = std::nan(""); }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.deadline_seconds = -1; }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.deadline_seconds = std::nan(""); }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.max_loss_seconds = -1; }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.watts = -1; }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.concurrent = 0; }));
  EXPECT_TRUE(refused([](SittingOptions& bad) { bad.governor.margin = 2; }));
  EXPECT_EQ(ledger.records().size(), records);
}

}  // namespace
}  // namespace attune
