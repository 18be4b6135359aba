// One wake-up, on a virtual clock: what runs, when it stops, what is told.

#include "session/sitting.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "session/pacer.h"
#include "unit/session/sitting_world.h"

namespace attune {
namespace {

using testing::FakeWork;
using ::testing::HasSubstr;
using testing::kNever;
using testing::SittingTest;

TEST_F(SittingTest, TrainsToTheEndAndTellsTheVerdict) {
  FakeWork& work = AddJob();
  const SittingReport report = Run();
  EXPECT_EQ(Told(), "a:started a:finished a:promoted");
  EXPECT_EQ(work.steps_done, 20);
  EXPECT_EQ(Last().generation, 1u);
  EXPECT_EQ(Last().steps_here, 20);
  EXPECT_EQ(report.records, ledger.records());
  // 0.5 to open, 20 steps, saves, 5 batches.
  EXPECT_NEAR(Last().used.wall_seconds, 0.5 + 20 + 0.1 * work.saves + 1, 1e-6);
  EXPECT_NEAR(Last().used.cpu_seconds, Last().used.wall_seconds, 1e-6);
  EXPECT_NEAR(Last().used.energy_joules, options.watts * Last().used.cpu_seconds, 1e-6);
  EXPECT_EQ(report.verdicts[0].reason, Reason::kTooSoon);
  EXPECT_EQ(report.next_attempt, Last().when + 12 * 3600);
}

TEST_F(SittingTest, ASoftStopFinishesTheStepAndSaves) {
  for (const double after : {0.2, 0.6, 3.0, 7.7, 15.3}) {
    SCOPED_TRACE(after);
    FakeWork& work = AddJob();
    device.stop_at = device.MonotonicSeconds() + after;
    Run();
    EXPECT_LE(device.MonotonicSeconds() - device.stop_at, 1 + work.save_seconds + 1e-9);
    EXPECT_EQ(work.saved(), work.steps_done);
    EXPECT_EQ(Last().event, LedgerEvent::kPaused);
    EXPECT_EQ(Last().reason, Reason::kCancelled);
    EXPECT_EQ(Last().step, work.saved());
    jobs.clear();
    Restart(3600);
  }
}

TEST_F(SittingTest, AHardStopFinishesTheStepAndDoesNotSave) {
  FakeWork& work = AddJob();
  options.max_loss_seconds = 100;
  device.insist_at = device.MonotonicSeconds() + 7.7;
  Run();
  EXPECT_LE(device.MonotonicSeconds() - device.insist_at, 1);
  EXPECT_EQ(work.steps_done, 8);
  EXPECT_EQ(work.saves, 0);
  EXPECT_EQ(Last().steps_here, 0) << "of what is lost nothing is left";
  Restart();
  Run();
  EXPECT_EQ(work.steps_done, 8 + 20);
}

TEST_F(SittingTest, NeverEndsAfterItsDeadline) {
  for (double deadline = 3; deadline < 22; deadline += 0.37) {
    SCOPED_TRACE(deadline);
    FakeWork& work = AddJob();
    work.test_every = 4;
    work.test_batches = 6;
    options.deadline_seconds = deadline;
    const double begin = device.MonotonicSeconds();
    Run();
    EXPECT_LE(device.MonotonicSeconds() - begin, deadline);
    // A step with its test takes 2.2 s, and a quarter more is expected of the next.
    EXPECT_GE(device.MonotonicSeconds() - begin, deadline - 4) << "time was left unused";
    EXPECT_EQ(Last().event, LedgerEvent::kExpired);
    EXPECT_EQ(Last().reason, Reason::kOutOfTime);
    EXPECT_EQ(work.saved(), work.steps_done);
    jobs.clear();
    Restart(3600);
  }
}

TEST_F(SittingTest, WithTwoOpenBothAreSavedBeforeTheDeadline) {
  options.concurrent = 2;
  options.max_loss_seconds = 60;
  for (double deadline = 12; deadline < 22; deadline += 0.37) {
    SCOPED_TRACE(deadline);
    FakeWork& a = AddJob();
    FakeWork& b = AddJob();
    for (FakeWork* work : {&a, &b}) {
      work->steps = 100;
      work->step_seconds = [](std::int64_t) { return 0.1; };
      work->save_seconds = 0.95;  // A second is what is expected of the first.
    }
    options.deadline_seconds = deadline;
    const double begin = device.MonotonicSeconds();
    Run();
    EXPECT_LE(device.MonotonicSeconds() - begin, deadline);
    EXPECT_EQ(a.saved(), a.steps_done);
    EXPECT_EQ(b.saved(), b.steps_done);
    EXPECT_GT(b.saved(), 0);
    jobs.clear();
    Restart(48 * 3600);
  }
}

// A step longer than any before has eaten the time for it.
TEST_F(SittingTest, AStopThatLeavesNoTimeForASaveSkipsIt) {
  FakeWork& work = AddJob();
  work.step_seconds = [&](std::int64_t) { return device.MonotonicSeconds() > 1014 ? 4.0 : 0.1; };
  work.steps = 1000;
  work.save_seconds = 3;
  options.deadline_seconds = 20;
  Run();
  EXPECT_LE(device.MonotonicSeconds(), 1000 + 20);
  EXPECT_LT(work.saved(), work.steps_done);
  EXPECT_GT(work.saves, 0);
  EXPECT_EQ(Last().event, LedgerEvent::kExpired);
  EXPECT_EQ(Last().step, work.saved());
}

// At any instant, whatever the steps and saves take, within what was measured.
TEST_F(SittingTest, AKillCostsNoMoreThanThePromise) {
  std::int64_t kept = 0;
  for (int round = 0; round < 300; ++round) {
    SCOPED_TRACE(round);
    FakeWork& work = AddJob();
    work.steps = 60;
    work.step_seconds = [round](std::int64_t step) {
      return 0.8 + 0.02 * static_cast<double>((step * 7 + round) % 10);
    };
    device.kill_at = device.MonotonicSeconds() + 0.21 * (round + 1);
    Run();
    EXPECT_LE(work.unsaved_seconds, options.max_loss_seconds);
    kept += work.saved();
    jobs.clear();
    Restart();
  }
  EXPECT_GT(kept, 0);
}

TEST_F(SittingTest, AKilledRunIsToldAndGoneOnWith) {
  FakeWork& work = AddJob();
  std::int64_t steps_here = 0;
  int kills = 0;
  for (const double after : {0.3, 7.0, 9.5, 5.0, kNever}) {
    device.kill_at = device.MonotonicSeconds() + after;
    Run();
    kills += !device.alive();
    Restart();
  }
  EXPECT_EQ(kills, 4);
  int told = 0;
  for (const LedgerRecord& record : ledger.records()) {
    told += record.event == LedgerEvent::kKilled;
    if (record.event == LedgerEvent::kKilled || record.event == LedgerEvent::kPromoted) {
      steps_here += record.steps_here;
    }
    if (record.event == LedgerEvent::kKilled) {
      EXPECT_NEAR(record.used.wall_seconds, 60, 30) << "charged for what nobody recorded";
    }
  }
  EXPECT_EQ(told, kills) << Told();
  EXPECT_EQ(steps_here, 20);
  EXPECT_EQ(work.generations, 1u);
  EXPECT_LE(work.steps_done, 20 + 4 * 6);
  EXPECT_THAT(Told(), HasSubstr("a:killed a:resumed"));
}

// A kill between the last act of the work and the verdict's record.
TEST_F(SittingTest, WhatWasConcludedBeforeAKillIsNotBegunAnew) {
  FakeWork& work = AddJob();
  work.conclude_batches = 1;
  std::int64_t kill = 0;
  while (work.generations == 0) {
    device.kill_at = device.MonotonicSeconds() + 20.5 + 0.01 * static_cast<double>(++kill);
    Run();
    if (work.generations == 0) Restart(24 * 3600);
  }
  ASSERT_EQ(Last().event, LedgerEvent::kPromoted) << "the kill came too late";
}

TEST_F(SittingTest, TurnsAreByTimeAndWeight) {
  JobPolicy heavy;
  heavy.weight = 3;
  FakeWork& a = AddJob(heavy);
  FakeWork& b = AddJob();
  b.step_seconds = [](std::int64_t) { return 2.5; };
  a.steps = b.steps = 1000;
  options.concurrent = 2;
  options.deadline_seconds = 400;
  Run();
  const double of_a = 1.0 * static_cast<double>(a.steps_done);
  const double of_b = 2.5 * static_cast<double>(b.steps_done);
  EXPECT_NEAR(of_a / of_b, 3, 0.2);
  EXPECT_THAT(turns, HasSubstr("ab"));
  EXPECT_EQ(turns.find("bb"), std::string::npos) << turns;
}

TEST_F(SittingTest, OneAfterTheOtherUnlessTheOptionsSayOtherwise) {
  FakeWork& a = AddJob();
  FakeWork& b = AddJob();
  Run();
  EXPECT_EQ(turns, std::string(20, 'a') + std::string(20, 'b'));
  EXPECT_EQ(Told(), "a:started a:finished a:promoted b:started b:finished b:promoted");
  EXPECT_EQ(a.begins + b.begins, 2);
}

TEST_F(SittingTest, FactsThatTurnBadInsideALongTestCutItOff) {
  FakeWork& work = AddJob();
  work.test_every = 5;
  work.test_batches = 1000;
  const double back = device.MonotonicSeconds() + 30;
  device.facts = [back](double now) {
    return DeviceFacts{.power = PowerSource::kExternal, .user_idle = now < back};
  };
  Run();
  EXPECT_EQ(Told(), "a:started a:paused(user active)");
  EXPECT_EQ(work.saved(), 5);
  EXPECT_LE(device.MonotonicSeconds(),
            back + options.facts_seconds + work.batch_seconds + work.save_seconds + 1e-9);
}

TEST_F(SittingTest, ACheckOfTheGateThatIsCutOffIsMadeAgain) {
  FakeWork& work = AddJob();
  work.conclude_batches = 50;
  device.stop_at = 1000 + 25;
  Run();
  EXPECT_EQ(Told(), "a:started a:finished a:paused(cancelled)");
  EXPECT_LE(device.MonotonicSeconds(), device.stop_at + work.batch_seconds + 1e-9);
  Restart();
  Run();
  EXPECT_THAT(Told(), HasSubstr("a:resumed a:finished a:promoted"));
  EXPECT_EQ(work.steps_done, 20);
}

TEST_F(SittingTest, AnErrorEndsOneJobAndNotTheOthers) {
  FakeWork& a = AddJob();
  FakeWork& b = AddJob();
  a.step_status = FailedPrecondition("diverged");
  a.fails_at = 7;
  Run();
  EXPECT_EQ(b.generations, 1u);
  EXPECT_THAT(Told(), HasSubstr("a:started a:failed b:started"));
  EXPECT_EQ(ledger.records()[1].code, StatusCode::kFailedPrecondition);
  EXPECT_GT(ledger.records()[1].next_attempt, ledger.records()[1].when);
  EXPECT_EQ(a.begins, 1) << "tried again at once";
}

TEST_F(SittingTest, ALockedDeviceIsNoFailure) {
  FakeWork& work = AddJob();
  work.begin_status = Unavailable("locked");
  // Since the facts were read.
  device.facts = [&](double) {
    return DeviceFacts{.power = PowerSource::kExternal, .protected_data = work.begin_tries == 0};
  };
  Run();
  EXPECT_EQ(Told(), "a:started a:paused(device locked)");
  work.begin_status = OkStatus();
  work.begin_tries = 0;
  Restart();
  device.facts = [](double) { return DeviceFacts{.power = PowerSource::kExternal}; };
  Run();
  EXPECT_EQ(work.generations, 1u);
}

TEST_F(SittingTest, AJobThatDoesNotFitIsRefusedWithBothNumbers) {
  FakeWork& a = AddJob();
  FakeWork& b = AddJob();
  a.memory = 500;
  device.facts = [](double) {
    return DeviceFacts{.power = PowerSource::kExternal, .memory_available = 400};
  };
  Run();
  EXPECT_THAT(Told(), HasSubstr("a:started a:refused(no memory) b:started"));
  EXPECT_EQ(ledger.records()[1].bytes_needed, 500);
  EXPECT_EQ(ledger.records()[1].bytes_available, 400);
  EXPECT_EQ(b.generations, 1u);
  EXPECT_EQ(a.begins, 0);
}

TEST_F(SittingTest, WhatKeepsAJobFromRunningIsToldOnceANight) {
  AddJob();
  AddJob();
  device.facts = [](double) { return DeviceFacts{.power = PowerSource::kBattery}; };
  for (int wake = 0; wake < 5; ++wake) {
    Run();
    Restart(900);
  }
  EXPECT_EQ(Told(), "a:skipped(not on power) b:skipped(not on power)");
  Restart(24 * 3600);
  Run();
  EXPECT_EQ(ledger.records().size(), 4u);
}

TEST_F(SittingTest, ABudgetIsNotExceeded) {
  JobPolicy policy;
  policy.per_run.wall_seconds = 8;
  FakeWork& work = AddJob(policy);
  Run();
  EXPECT_EQ(Told(), "a:started a:paused(run budget spent)");
  EXPECT_LE(Last().used.wall_seconds, 8);
  EXPECT_GE(Last().used.wall_seconds, 6);
  EXPECT_EQ(work.saved(), work.steps_done);
  Restart(900);
  Run();
  EXPECT_EQ(work.begins, 1) << "not again in this night: " << Told();
  Restart(24 * 3600);
  Run();
  EXPECT_EQ(work.begins, 2) << Told();
}

TEST_F(SittingTest, RestsAreShortSleepsAndCountForTheJob) {
  FakeWork& work = AddJob();
  options.governor.duty_nominal = 0.5;
  device.stop_at = 1000 + 9.8;
  Run();
  EXPECT_LE(device.longest_sleep, kRestPieceSeconds);
  EXPECT_NEAR(Last().used.wall_seconds, 10, 1.2);
  EXPECT_NEAR(Last().used.cpu_seconds, 5, 1.2);
  EXPECT_GE(work.steps_done, 4);
  EXPECT_LE(work.steps_done, 6);
}

TEST_F(SittingTest, AStopInARestIsHeardAtOnce) {
  FakeWork& work = AddJob();
  options.governor.duty_nominal = 0.1;
  device.stop_at = 1000 + 8.21;  // Some two seconds into the first rest after a step.
  Run();
  EXPECT_EQ(work.steps_done, 1);
  EXPECT_LE(device.MonotonicSeconds(), device.stop_at + kRestPieceSeconds + work.save_seconds);
  EXPECT_EQ(work.saved(), 1);
}

TEST_F(SittingTest, ALongRunSaysThatItIsThere) {
  FakeWork& work = AddJob();
  work.steps = 2000;
  options.deadline_seconds = 1500;
  Run();
  double longest = 0;
  std::int64_t before = ledger.records().front().when;
  for (const LedgerRecord& record : ledger.records()) {
    longest = std::max(longest, static_cast<double>(record.when - before));
    before = record.when;
  }
  EXPECT_LE(longest, 300);
  EXPECT_GE(longest, 290) << "told more often than is needed";
}

TEST_F(SittingTest, AskedToWaitItStaysUntilFactsChange) {
  FakeWork& work = AddJob();
  options.wait = true;
  options.deadline_seconds = 400;
  device.facts = [](double now) {
    return DeviceFacts{.power = now < 1200 ? PowerSource::kBattery : PowerSource::kExternal};
  };
  Run();
  EXPECT_EQ(work.generations, 1u);
  EXPECT_LE(device.MonotonicSeconds(), 1400 + 1e-6);
  EXPECT_GE(device.MonotonicSeconds(), 1399);
  EXPECT_EQ(Told().find("a:skipped(not on power) a:started a:finished a:promoted"), 0u) << Told();
  EXPECT_LE(device.longest_sleep, kRestPieceSeconds);
}

TEST_F(SittingTest, WithoutALedgerWhatWasLearnedIsSaved) {
  FakeWork& work = AddJob();
  Sitting sitting({&device, &device, &ledger}, options, jobs, *device.stop);
  const auto failed = sitting.Run([&](const SittingEvent& event) {
    if (event.progress.step == 7) {
      ledger.fails = true;
      device.stop->Ask();
    }
  });
  EXPECT_EQ(failed.status().code(), StatusCode::kIoError);
  EXPECT_EQ(work.saved(), 7);
}

}  // namespace
}  // namespace attune
