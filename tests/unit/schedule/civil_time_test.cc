#include "schedule/civil_time.h"

#include <limits>

#include "gtest/gtest.h"

namespace attune {
namespace {

constexpr std::int32_t kHour = 3600;

TEST(CivilTime, ADayBeginsAtLocalMidnight) {
  EXPECT_EQ(LocalDay(0, 0), 0);
  EXPECT_EQ(LocalDay(-1, 0), -1);
  EXPECT_EQ(LocalDay(kSecondsPerDay - 1, 0), 0);
  EXPECT_EQ(LocalDay(kSecondsPerDay - kHour, kHour), 1);
  EXPECT_EQ(LocalDay(3 * kHour, -4 * kHour), -1);
}

TEST(CivilTime, TheSecondOfADayIsNeverNegative) {
  EXPECT_EQ(SecondOfDay(0, 0), 0);
  EXPECT_EQ(SecondOfDay(-1, 0), kSecondsPerDay - 1);
  EXPECT_EQ(SecondOfDay(0, -kHour), 23 * kHour);
  EXPECT_EQ(SecondOfDay(5, 5 * kHour + 1800), 5 * kHour + 1805);
}

TEST(CivilTime, MidnightIsWhereItsDayBegins) {
  for (const std::int32_t offset : {-12 * kHour, -kHour, 0, 19800, 14 * kHour}) {
    for (std::int64_t day = -800; day < 800; ++day) {
      EXPECT_EQ(LocalDay(MidnightOf(day, offset), offset), day);
      EXPECT_EQ(LocalDay(MidnightOf(day, offset) - 1, offset), day - 1);
      EXPECT_EQ(SecondOfDay(MidnightOf(day, offset), offset), 0);
    }
  }
}

TEST(CivilTime, WeekdaysAreThoseOfKnownDates) {
  EXPECT_EQ(WeekdayOf(0), 3);                     // Thu 1970-01-01.
  EXPECT_EQ(WeekdayOf(-1), 2);                    // Wed 1969-12-31.
  EXPECT_EQ(WeekdayOf(DayOf({2000, 2, 29})), 1);  // Tue.
  EXPECT_EQ(WeekdayOf(DayOf({2026, 11, 21})), 5);
  EXPECT_EQ(WeekdayOf(-4), 6);
}

TEST(CivilTime, DatesGoThereAndBack) {
  EXPECT_EQ(DayOf({1970, 1, 1}), 0);
  EXPECT_EQ(DayOf({2000, 3, 1}), 11017);
  EXPECT_EQ(DateOf(11016), (CivilDate{2000, 2, 29}));
  EXPECT_EQ(DateOf(-1), (CivilDate{1969, 12, 31}));
  for (std::int64_t day = -200000; day < 200000; day += 17) EXPECT_EQ(DayOf(DateOf(day)), day);
}

TEST(CivilTime, AnyInputIsSafe) {
  for (const std::int64_t seconds :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    const std::int64_t day = LocalDay(seconds, std::numeric_limits<std::int32_t>::max());
    EXPECT_LE(WeekdayOf(day), 6);
    EXPECT_LE(DateOf(seconds).month, 12);
    EXPECT_LT(SecondOfDay(seconds, std::numeric_limits<std::int32_t>::min()), kSecondsPerDay);
    EXPECT_LE(SecondOfDay(MidnightOf(seconds, 0), 0), 0);
  }
}

}  // namespace
}  // namespace attune
