#include "config/quantity.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "support/status_matchers.h"

namespace attune {
namespace {

TEST(ParseNumber, IsTheNearestDouble) {
  const struct {
    std::string_view text;
    double value;
  } kCases[] = {{"0", 0},
                {"-0.25", -0.25},
                {"5e-4", 5e-4},
                {"5E+3", 5000},
                {"0.1", 0.1},
                {"0.30", 0.3},
                {"0.3", 0.3},
                {"1e22", 1e22},
                {"123456789.123", 123456789.123},
                {"1e-22", 1e-22},
                {"007", 7},
                {"999999999999999", 999999999999999.0},
                {"0.000000000000000123", 0.000000000000000123}};
  for (const auto& [text, value] : kCases) {
    const auto parsed = ParseNumber(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, value) << text;
  }
}

TEST(ParseNumber, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"",    "-",     ".5",  "5.", "+5", "1e",  "e5",   "1e5x",  "0x10",   "inf",
        "nan", "1_000", "1,5", " 1", "1 ", "--1", "1e23", "1e-23", "1e9999", "1.234567890123456"}) {
    EXPECT_FALSE(ParseNumber(text).ok()) << text;
  }
}

TEST(ParseFraction, TakesPercent) {
  for (const std::string_view text : {"0.3", "30%", "30.0%", "3e1%", "3e-1"}) {
    const auto parsed = ParseFraction(text);
    ASSERT_TRUE(parsed.ok()) << text;
    EXPECT_EQ(*parsed, 0.3) << text;
  }
  for (const std::string_view text : {"30 %", "%", "30%%", "a%", ""}) {
    EXPECT_FALSE(ParseFraction(text).ok()) << text;
  }
}

TEST(ParseQuantity, TakesItsUnitsOnly) {
  const auto seconds = [](std::string_view text) { return *ParseQuantity(text, kDurationUnits); };
  EXPECT_EQ(seconds("30s"), 30);
  EXPECT_EQ(seconds("1.5h"), 5400);
  EXPECT_EQ(seconds("90 min"), 5400);
  EXPECT_EQ(seconds("7d"), 7 * 86400);
  EXPECT_EQ(seconds("0"), 0);
  EXPECT_EQ(*ParseQuantity("256MiB", kSizeUnits), 256 << 20);
  EXPECT_EQ(*ParseQuantity("2Wh", kEnergyUnits), 7200);
  for (const std::string_view text :
       {"", "h", "30", "30m", "30S", "1h30min", "30s ", "30  s", "0x"}) {
    EXPECT_FALSE(ParseQuantity(text, kDurationUnits).ok()) << text;
  }
}

TEST(ParseWindow, CountsMinutesAndDays) {
  EXPECT_EQ(*ParseWindow("22:00-06:30"), (TimeWindow{1320, 390, 127}));
  EXPECT_EQ(*ParseWindow("00:00-24:00"), (TimeWindow{0, 1440, 127}));
  EXPECT_EQ(*ParseWindow("22:00-00:00"), (TimeWindow{1320, 0, 127}));
  EXPECT_EQ(ParseWindow("mon-fri 01:00-02:00")->weekdays, 0b0011111);
  EXPECT_EQ(ParseWindow("sat,sun 01:00-02:00")->weekdays, 0b1100000);
  EXPECT_EQ(ParseWindow("fri-mon 01:00-02:00")->weekdays, 0b1110001);
  EXPECT_EQ(ParseWindow("wed 01:00-02:00")->weekdays, 0b0000100);
  EXPECT_EQ(ParseWindow("mon-tue,thu 01:00-02:00")->weekdays, 0b0001011);
}

TEST(ParseWindow, RefusesWhatIsNone) {
  for (const std::string_view text :
       {"", "22:00", "22:00-", "22-06",
        "22:00\xe2\x80\x93"
        "06:00",
        "22:00 - 06:00", "24:01-06:00", "22:00-06:00 ", "22:00-06:00 mon", "Mon 22:00-06:00",
        "mon- 22:00-06:00", "mon,,tue 22:00-06:00", "222:00-06:00", "22:0-06:00", "-22:00-06:00"}) {
    EXPECT_FALSE(ParseWindow(text).ok()) << text;
  }
}

TEST(ParseInteger, IsWholeAndFits) {
  EXPECT_EQ(*ParseInteger("-12"), -12);
  EXPECT_EQ(*ParseInteger("9223372036854775807"), 9223372036854775807);
  for (const std::string_view text : {"", "-", "+1", "1.0", "1e3", "9223372036854775808", "1 "}) {
    EXPECT_FALSE(ParseInteger(text).ok()) << text;
  }
}

}  // namespace
}  // namespace attune
