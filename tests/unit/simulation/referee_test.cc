// That the referee whistles: each violation, played by hand.

#include "simulation/referee.h"

#include <string>

#include "gtest/gtest.h"
#include "simulation/simulated_work.h"
#include "simulation/virtual_device.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

Trace TraceOf(const std::string& lines) {
  const auto trace = ParseTrace(
      "attune-trace 1\nbegin 2025-01-06 22:00 utc+00:00\n"
      "+0d 22:00 power=external battery=90%\n" +
          lines,
      "match");
  EXPECT_OK(trace);
  return *trace;
}

struct Court {
  explicit Court(const std::string& lines, JobPolicy policy = {})
      : trace(TraceOf(lines)),
        jobs(1),
        device(trace, [this](const TracePoint& point) { referee.Happened(point); }),
        referee(device, jobs, options) {
    policy.name = "job";
    jobs[0].policy = policy;
    jobs[0].processors = 2;
    device.AdvanceTo(0);
    device.StartProcess(&stop);
    referee.ProcessStarted();
    referee.Opened(0, 1, 0);
  }
  void Step(double seconds) {
    referee.StepBegins(0);
    device.Work(seconds, seconds);
    referee.Used(0, seconds);
    referee.StepEnded(0, ++step, seconds);
  }
  Simulated Finish() { return std::move(referee).Finish(); }

  Trace trace;
  std::vector<SimulatedJob> jobs;
  SittingOptions options;
  StopSignal stop;
  std::int64_t step = 0;
  VirtualDevice device;
  Referee referee;
};

TEST(Referee, AllowsWhatIsAllowed) {
  Court court("");
  for (int i = 0; i < 20; ++i) court.Step(1);
  court.referee.SaveAcknowledged(0, 20, 0.1);
  court.referee.Opened(0, 1, 20);
  const Simulated counts = court.Finish();
  EXPECT_EQ(counts.steps_done, 20);
  EXPECT_EQ(counts.violations.size(), 0u);
}

TEST(Referee, SeesAStepUnderBrokenConditions) {
  for (const char* broken : {"power=battery", "idle=no", "battery=10%", "saver=yes", "heat=serious",
                             "pressure=critical", "unlocked=no", "disk=1M", "foreground=yes"}) {
    SCOPED_TRACE(broken);
    Court court(std::string("+0d 22:00:03 ") + broken + "\n");
    court.Step(3.9);  // Ends 0.9 s after it broke: younger than facts may be old.
    court.Step(0.3);
    EXPECT_EQ(court.referee.counts().condition_violations, 0);
    court.Step(0.3);
    EXPECT_EQ(court.referee.counts().condition_violations, 1);
  }
}

TEST(Referee, SeesAStepAfterItsWindow) {
  JobPolicy policy;
  policy.windows = {{21 * 60, 22 * 60 + 1}};
  Court court("", policy);
  court.Step(59);
  court.Step(1.9);  // Begins at 22:00:59, ends at 22:01:00.9.
  court.Step(0.2);
  EXPECT_EQ(court.referee.counts().condition_violations, 0);
  court.Step(0.2);
  EXPECT_EQ(court.referee.counts().condition_violations, 1);
}

TEST(Referee, SeesAProcessThatNeverAsked) {
  Court court("+0d 22:10 power=battery\n");
  court.referee.ProcessEnded(court.device.EndProcess());
  court.device.AdvanceTo(660);
  court.device.StartProcess(&court.stop);
  court.referee.ProcessStarted();
  court.Step(0.1);
  EXPECT_EQ(court.referee.counts().condition_violations, 1);
}

TEST(Referee, SeesSavedStepsThatAreGone) {
  Court court("");
  court.Step(1);
  court.Step(1);
  court.referee.SaveAcknowledged(0, 2, 0.1);
  court.referee.Opened(0, 1, 1);
  EXPECT_EQ(court.referee.counts().saved_steps_lost, 1);
}

TEST(Referee, SeesALedgerThatSaysTooMuch) {
  Court court("");
  court.Step(1);
  LedgerRecord record;
  record.job = "job";
  record.event = LedgerEvent::kPaused;
  record.run = 1;
  record.step = 1;
  court.referee.Recorded(record);
  court.referee.Opened(0, 1, 0);
  EXPECT_EQ(court.referee.counts().saved_steps_lost, 1);
}

TEST(Referee, SeesADayAndARunThatCostTooMuch) {
  JobPolicy policy;
  policy.per_day.wall_seconds = 10;
  policy.per_run.cpu_seconds = 20;  // Of two processors: 10 s.
  Court fair("", policy);
  for (int i = 0; i < 11; ++i) fair.Step(1);  // One step over is what it may be.
  EXPECT_EQ(fair.Finish().budget_violations, 0);
  Court court("", policy);
  for (int i = 0; i < 12; ++i) court.Step(1);
  EXPECT_EQ(court.Finish().budget_violations, 2);
}

TEST(Referee, GrantsASetClockTwoDaysBudgetsAndNoMore) {
  JobPolicy policy;
  policy.per_day.wall_seconds = 10;
  Court court("+0d 22:00 clock=-1h\n", policy);
  for (int i = 0; i < 21; ++i) court.Step(1);
  EXPECT_EQ(court.Finish().budget_violations, 0);
  Court other("+0d 22:00 clock=-1h\n", policy);
  for (int i = 0; i < 22; ++i) other.Step(1);
  EXPECT_EQ(other.Finish().budget_violations, 1);
}

TEST(Referee, SeesAKillThatCostTooMuch) {
  Court court("+0d 22:01 kill\n");
  for (int i = 0; i < 50; ++i) court.Step(1);
  court.referee.SaveAcknowledged(0, 50, 0.1);
  for (int i = 0; i < 9; ++i) court.Step(1);
  court.device.Work(2, 2);
  EXPECT_TRUE(court.stop.insisted());
  court.referee.ProcessEnded(court.device.EndProcess());
  EXPECT_EQ(court.referee.counts().kills_at_work, 1);
  EXPECT_EQ(court.referee.counts().loss_violations, 0);

  Court late("+0d 22:01 kill\n");
  for (int i = 0; i < 59; ++i) late.Step(1);
  late.device.Work(2, 2);
  late.referee.ProcessEnded(late.device.EndProcess());
  EXPECT_EQ(late.referee.counts().loss_violations, 1);
  EXPECT_EQ(late.referee.counts().worst_loss_seconds, 59);
}

TEST(VirtualDevice, NothingHappensToAProcessAfterItsKill) {
  const Trace trace = TraceOf("+0d 22:00:05 kill\n+0d 22:00:06 power=battery\n");
  VirtualDevice device(trace, [](const TracePoint&) {});
  StopSignal stop;
  device.AdvanceTo(0);
  device.StartProcess(&stop);
  EXPECT_TRUE(device.Work(4, 8));
  EXPECT_FALSE(device.Work(4, 8));
  EXPECT_EQ(device.now(), 5);
  EXPECT_EQ(device.ProcessCpuSeconds(), 8);
  device.Sleep(100);
  EXPECT_EQ(device.now(), 5);
  EXPECT_EQ(device.Read().power, PowerSource::kExternal);
  EXPECT_FALSE(device.EndProcess());
  device.AdvanceTo(7);
  EXPECT_EQ(device.Read().power, PowerSource::kBattery);
}

TEST(SimulatedWork, WhatWasSavedOutlivesAKillAndNothingElseDoes) {
  Court court("+0d 22:00 examples=30\n+0d 22:00:20 kill\n");
  SimulatedWork work(0, court.jobs[0], 1, court.device, court.referee);
  std::int64_t needed = 0;
  const auto always = [] { return true; };
  ASSERT_OK(work.Begin(-1, &needed));
  for (int i = 0; i < 3; ++i) ASSERT_OK(work.Step(always));
  ASSERT_OK(work.Save());
  Result<WorkProgress> last = work.Step(always);
  while (last.ok()) last = work.Step(always);
  EXPECT_EQ(last.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(work.Save().code(), StatusCode::kCancelled);
  work.End();
  court.referee.ProcessEnded(court.device.EndProcess());
  court.device.StartProcess(&court.stop);
  const auto again = work.Begin(-1, &needed);
  ASSERT_OK(again);
  EXPECT_TRUE(again->resumed);
  EXPECT_EQ(again->step, 3);
  EXPECT_EQ(court.referee.counts().saved_steps_lost, 0);
}

}  // namespace
}  // namespace attune
