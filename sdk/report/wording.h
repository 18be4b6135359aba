// Figures as people read them, and text as HTML takes it.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "report/reported_sitting.h"

namespace attune {

// Text between tags or in quotes: markup is escaped, and what XML does not allow
// (control characters, bytes that are no UTF-8) becomes '?'.
std::string Escaped(std::string_view text);

// "2.50", "2.5".
std::string Fixed(double number, int digits);
// "0.4 s", "38 s", "4 min 10 s", "2 h 5 min".
std::string DurationText(double seconds);
// "850 J", "1.2 kJ (0.33 Wh)".
std::string EnergyText(double joules);
// "512 bytes", "300 MiB".
std::string BytesText(std::int64_t bytes);
// "+3.1 %".
std::string PercentText(double part);
// "1 step", "2 steps".
std::string Counted(std::int64_t count, std::string_view noun);

// "22:10", "22:10:05".
std::string ClockText(const LocalTime& time, bool with_seconds);
// "21 Nov 2026", of days since 1970-01-01.
std::string DateText(std::int64_t day);
std::string_view MonthName(int month);  // From 1: "November".

}  // namespace attune
