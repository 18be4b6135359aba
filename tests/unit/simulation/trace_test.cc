#include "simulation/trace.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "simulation/trace_monitor.h"
#include "simulation/trace_player.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHead = "attune-trace 1\nbegin 2025-03-01 12:00 utc+01:00\n";

Result<Trace> Parse(const std::string& lines) { return ParseTrace(kHead + lines, "t.trace"); }

TEST(Trace, ReadsWhatAHandWrites) {
  const auto trace = Parse(
      "# An evening.\n"
      "\n"
      "+0d 22:10 power=external battery=80%  idle=yes   # laid down\r\n"
      "+0d 23:00:05.250 kill\n"
      "+1d 02:00 utc=+02:00\n"
      "+1d 03:00 clock=-2h\n"
      "+1d 04:00 reboot=90s\n"
      "+1d 05:00 examples=12 job=keyboard\n"
      "+1d 06:00 disk=300M memory=unknown battery=none\n"
      "+2d 12:00 end\n");
  ASSERT_OK(trace);
  EXPECT_EQ(trace->begin, 1740826800);
  EXPECT_EQ(trace->utc_offset_seconds, 3600);
  EXPECT_EQ(trace->seconds, 2 * 86400.0);
  ASSERT_EQ(trace->points.size(), 7u);
  EXPECT_EQ(trace->points[0].at, 36600.0);
  EXPECT_EQ(trace->points[0].facts.power, PowerSource::kExternal);
  EXPECT_EQ(trace->points[0].facts.battery, 0.8);
  EXPECT_EQ(trace->points[1].event, TraceEvent::kKill);
  EXPECT_EQ(trace->points[1].at, 39605.25);
  EXPECT_EQ(trace->points[1].facts, trace->points[0].facts);
  EXPECT_EQ(trace->points[2].seconds, 7200);
  EXPECT_EQ(trace->points[3].seconds, -7200);
  EXPECT_EQ(trace->points[4].seconds, 90);
  EXPECT_EQ(trace->points[5].count, 12);
  EXPECT_EQ(trace->points[5].job, "keyboard");
  EXPECT_EQ(trace->points[6].facts.disk_free, std::int64_t{300} << 20);
  EXPECT_EQ(trace->points[6].facts.battery, -1);
}

struct BadLine {
  const char* lines;
  const char* message;
};

class TraceErrors : public ::testing::TestWithParam<BadLine> {};

TEST_P(TraceErrors, AreFoundWhereTheyAre) {
  const auto trace = Parse(GetParam().lines);
  ASSERT_FALSE(trace.ok());
  EXPECT_EQ(trace.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(trace.status().message(), HasSubstr(GetParam().message));
  EXPECT_EQ(trace.status().message().find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    All, TraceErrors,
    ::testing::Values(
        BadLine{"+0d 22:10 batery=80%\n", "t.trace:3:11: unknown word"},
        BadLine{"+0d 22:10 idle=yes battery=101%\n", "t.trace:3:20: 'battery' is 0% to 100%"},
        BadLine{"+0d 22:10 battery=80\n", "t.trace:3:11: 'battery' is"},
        BadLine{"+0d 22:10 battery=-1%\n", "t.trace:3:11: 'battery' is"},
        BadLine{"+0d 22:10 idle=yes idle=no\n", "t.trace:3:20: 'idle' twice"},
        BadLine{"+0d 22:10 heat=hot\n", "nominal, fair, serious or critical"},
        BadLine{"+0d 22:10 disk=9999999999999G\n", "t.trace:3:11: 'disk' is bytes"},
        BadLine{"+0d 22:10\n", "t.trace:3:10: a change is"},
        BadLine{"0d 22:10 kill\n", "t.trace:3:1: a day from +0d"},
        BadLine{"+99999d 22:10 kill\n", "t.trace:3:1: a day from +0d to +10000d"},
        BadLine{"+0d 24:00 kill\n", "t.trace:3:5: a time such as"},
        BadLine{"+0d 22:10:5 kill\n", "t.trace:3:5: a time such as"},
        BadLine{"+0d 11:59 kill\n", "t.trace:3:1: before the begin"},
        BadLine{"+1d 10:00 kill\n+1d 09:59 kill\n", "t.trace:4:1: before the line above"},
        BadLine{"+1d 10:00 kill kill\n", "t.trace:3:16: one such change a line"},
        BadLine{"+1d 10:00 reboot=90\n", "t.trace:3:11: a duration"},
        BadLine{"+1d 10:00 clock=2h\n", "t.trace:3:11: 'clock' is +15m"},
        BadLine{"+1d 10:00 clock=+99999999999999999999s\n", "t.trace:3:11: a duration"},
        BadLine{"+1d 10:00 utc=2\n", "t.trace:3:11: 'utc' is an offset"},
        BadLine{"+1d 10:00 examples=many\n", "t.trace:3:11: 'examples' is a count"},
        BadLine{"+1d 10:00 examples=1 job=A\n", "t.trace:3:22: 'job=NAME' alone"},
        BadLine{"+1d 10:00 end\n+1d 11:00 kill\n", "t.trace:4:1: a line after the end"},
        BadLine{"+1d 10:00 end now\n", "t.trace:3:15: nothing follows"}));

TEST(Trace, TheHeadIsNeeded) {
  const auto message = [](const char* text) { return ParseTrace(text, "t").status().message(); };
  EXPECT_THAT(message(""), HasSubstr("t:1:1: no trace"));
  EXPECT_THAT(message("hello\n"), HasSubstr("t:1:1: no trace"));
  EXPECT_THAT(message("attune-trace 2\n"), HasSubstr("version 1"));
  EXPECT_THAT(message("attune-trace 1\n"), HasSubstr("is missing"));
  EXPECT_THAT(message("attune-trace 1\n# Nothing.\n"), HasSubstr("t:2:1: 'begin"));
  EXPECT_THAT(message("attune-trace 1\nbegin 2025-02-30 12:00 utc+01:00\n"),
              HasSubstr("t:2:7: a date"));
  EXPECT_THAT(message("attune-trace 1\nbegin 2025-02-28 12:00 gmt\n"),
              HasSubstr("t:2:24: an offset"));
}

TEST(Trace, TooLongATextIsRefusedUnread) {
  const auto trace = ParseTrace(std::string(kMaxTraceBytes + 1, '#'), "t");
  ASSERT_FALSE(trace.ok());
  EXPECT_THAT(trace.status().message(), HasSubstr("4194305 bytes"));
}

TEST(Trace, WhatIsWrittenIsReadBack) {
  for (const UserKind kind : kUserKinds) {
    const Trace trace = MakeTrace(kind, 200, 7);
    const auto back = ParseTrace(FormatTrace(trace), "made");
    ASSERT_OK(back);
    EXPECT_EQ(back->begin, trace.begin);
    EXPECT_EQ(back->seconds, trace.seconds);
    ASSERT_EQ(back->points.size(), trace.points.size());
    for (std::size_t i = 0; i < trace.points.size(); ++i) {
      ASSERT_EQ(back->points[i], trace.points[i]) << UserKindName(kind) << ", point " << i;
    }
  }
}

TEST(MakeTrace, IsTheSameForTheSameSeedOnly) {
  EXPECT_EQ(MakeTrace(UserKind::kErratic, 30, 3), MakeTrace(UserKind::kErratic, 30, 3));
  EXPECT_NE(MakeTrace(UserKind::kErratic, 30, 3), MakeTrace(UserKind::kErratic, 30, 4));
}

// The kinds of trouble that a year must hold, or the simulations show nothing.
TEST(MakeTrace, AYearHoldsEveryKindOfTrouble) {
  for (const UserKind kind : kUserKinds) {
    SCOPED_TRACE(UserKindName(kind));
    const Trace trace = MakeTrace(kind, 365, 1);
    int kills = 0, reboots = 0, jumps = 0, zones = 0, examples = 0;
    bool hot = false, pressure = false, full = false, locked = false, saver = false;
    for (const TracePoint& point : trace.points) {
      kills += point.event == TraceEvent::kKill;
      reboots += point.event == TraceEvent::kReboot;
      jumps += point.event == TraceEvent::kClockJump;
      zones += point.event == TraceEvent::kZone;
      examples += point.event == TraceEvent::kExamples;
      hot = hot || point.facts.thermal == ThermalState::kSerious;
      pressure = pressure || point.facts.memory_pressure == MemoryPressure::kCritical;
      full = full || point.facts.disk_free < std::int64_t{256} << 20;
      locked = locked || !point.facts.protected_data;
      saver = saver || point.facts.low_power_mode;
    }
    EXPECT_GE(kills, 100);
    EXPECT_GE(reboots, 5);
    EXPECT_GE(jumps, 10);
    EXPECT_EQ(zones, 2);
    EXPECT_GE(examples, 1000);
    EXPECT_TRUE(hot && pressure && full && locked && saver);
  }
}

TEST(TracePlayer, TellsTheTimeThatTheUserSees) {
  const auto trace = Parse("+0d 13:00 clock=+1h\n+0d 14:00 utc=+02:00\n+0d 15:00 clock=-1d\n");
  ASSERT_OK(trace);
  TracePlayer player(*trace);
  const auto none = [](const TracePoint&) {};
  EXPECT_EQ(player.UnixSeconds(0), trace->begin);
  player.AdvanceTo(3600, none);
  EXPECT_EQ(player.UnixSeconds(3600), trace->begin + 7200);
  EXPECT_EQ(player.utc_offset_seconds(), 3600);
  player.AdvanceTo(3 * 3600, none);
  EXPECT_EQ(player.utc_offset_seconds(), 7200);
  EXPECT_EQ(player.UnixSeconds(3 * 3600), trace->begin + 4 * 3600 - 86400);
}

class ManualClock : public Clock {
 public:
  double now = 100;
  double MonotonicSeconds() override { return now; }
  std::int64_t UnixSeconds() override { return 0; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double seconds) override { now += seconds; }
};

TEST(TraceMonitor, PlaysFromTheInstantItIsMade) {
  const auto trace = Parse("+0d 12:01 power=external\n+0d 12:02 power=battery idle=no\n");
  ASSERT_OK(trace);
  ManualClock clock;
  TraceMonitor monitor(*trace, clock);
  EXPECT_EQ(monitor.Read(), DeviceFacts());
  clock.Sleep(59.9);
  EXPECT_EQ(monitor.Read().power, PowerSource::kUnknown);
  clock.Sleep(0.2);
  EXPECT_EQ(monitor.Read().power, PowerSource::kExternal);
  clock.Sleep(600);
  EXPECT_FALSE(monitor.Read().user_idle);
}

}  // namespace
}  // namespace attune
