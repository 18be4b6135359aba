#include "schedule/windows.h"

#include "gtest/gtest.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

constexpr std::int32_t kHour = 3600;
// Mon 23 Nov 2026, 00:00 UTC.
const std::int64_t kMonday = MidnightOf(DayOf({2026, 11, 23}), 0);

TEST(Windows, NoneMeansAlways) {
  EXPECT_TRUE(InWindows({}, kMonday, 0));
  EXPECT_EQ(NextOpen({}, kMonday, 0), kMonday);
}

TEST(Windows, OpenAtTheBeginAndShutAtTheEnd) {
  const TimeWindow windows[] = {{60, 120}};
  EXPECT_FALSE(InWindows(windows, kMonday + kHour - 1, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + kHour, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + 2 * kHour - 1, 0));
  EXPECT_FALSE(InWindows(windows, kMonday + 2 * kHour, 0));
}

TEST(Windows, ReachPastMidnightIntoADayThatIsNotTheirs) {
  const TimeWindow windows[] = {{22 * 60, 6 * 60, 1}};  // Monday's evening.
  EXPECT_FALSE(InWindows(windows, kMonday + 5 * kHour, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + 22 * kHour, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + 30 * kHour - 1, 0));
  EXPECT_FALSE(InWindows(windows, kMonday + 30 * kHour, 0));
  EXPECT_FALSE(InWindows(windows, kMonday + 46 * kHour, 0));
}

TEST(Windows, ReachFromSundayIntoMonday) {
  const TimeWindow windows[] = {{23 * 60, 60, 1 << 6}};
  EXPECT_TRUE(InWindows(windows, kMonday + 1800, 0));
  EXPECT_TRUE(InWindows(windows, kMonday - 1800, 0));
  EXPECT_FALSE(InWindows(windows, kMonday + kHour, 0));
  EXPECT_EQ(NextOpen(windows, kMonday + kHour, 0), kMonday + 6 * kSecondsPerDay + 23 * kHour);
}

TEST(Windows, EndingWhereTheyBeginLastADay) {
  const TimeWindow windows[] = {{600, 600, 1}};
  EXPECT_FALSE(InWindows(windows, kMonday + 599 * 60, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + 600 * 60, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + kSecondsPerDay + 599 * 60, 0));
  EXPECT_FALSE(InWindows(windows, kMonday + kSecondsPerDay + 600 * 60, 0));
  const TimeWindow whole_day[] = {{0, 1440, 2}};
  EXPECT_TRUE(InWindows(whole_day, kMonday + kSecondsPerDay, 0));
  EXPECT_FALSE(InWindows(whole_day, kMonday + 2 * kSecondsPerDay, 0));
}

TEST(Windows, FollowTheOffsetOfLocalTime) {
  const TimeWindow windows[] = {{120, 180}};
  // The same instant, before and after clocks were put forward.
  EXPECT_FALSE(InWindows(windows, kMonday + kHour, 0));
  EXPECT_TRUE(InWindows(windows, kMonday + kHour, kHour));
  EXPECT_EQ(NextOpen(windows, kMonday, -5 * kHour), kMonday + 7 * kHour);
}

TEST(Windows, TheNextOpeningIsTheFirstOfAll) {
  const TimeWindow windows[] = {{1200, 1260, 1 << 2}, {300, 360, 1 << 1}, {900, 960, 1 << 4}};
  EXPECT_EQ(NextOpen(windows, kMonday, 0), kMonday + kSecondsPerDay + 5 * kHour);
  const std::int64_t wednesday = kMonday + 2 * kSecondsPerDay;
  EXPECT_EQ(NextOpen(windows, wednesday, 0), wednesday + 20 * kHour);
  EXPECT_EQ(NextOpen(windows, wednesday + 20 * kHour + 5, 0), wednesday + 20 * kHour + 5);
}

TEST(Windows, ThatNeverOpenAreAWeekAway) {
  const TimeWindow windows[] = {{0, 600, 0}};
  EXPECT_EQ(NextOpen(windows, kMonday, 0), kMonday + 7 * kSecondsPerDay);
}

}  // namespace
}  // namespace attune
