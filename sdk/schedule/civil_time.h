// The local calendar: days, weekdays and dates, from Unix seconds and the offset of
// local time at that instant. A day has 24 hours here; where an offset changes, the
// day in which it does is an hour shorter or longer for whoever counts Unix seconds.
//
// Threads: pure functions. Any input is safe; beyond 30,000 years it saturates.

#pragma once

#include <cstdint>

namespace attune {

inline constexpr std::int64_t kSecondsPerDay = 86400;

struct CivilDate {
  int year = 1970, month = 1, day = 1;  // Month and day from 1.
  bool operator==(const CivilDate&) const = default;
};

// Days since 1970-01-01, local time.
std::int64_t LocalDay(std::int64_t unix_seconds, std::int32_t utc_offset_seconds);
// Seconds since local midnight, 0 to 86399.
std::int32_t SecondOfDay(std::int64_t unix_seconds, std::int32_t utc_offset_seconds);
// Unix seconds at which that day begins under that offset.
std::int64_t MidnightOf(std::int64_t day, std::int32_t utc_offset_seconds);

// 0: Monday, 6: Sunday.
int WeekdayOf(std::int64_t day);
CivilDate DateOf(std::int64_t day);
// REQUIRES: a date that exists.
std::int64_t DayOf(const CivilDate& date);

}  // namespace attune
