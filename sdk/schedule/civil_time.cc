#include "schedule/civil_time.h"

#include <algorithm>
#include <chrono>

namespace attune {
namespace {

// std::chrono's years end at 32,767.
constexpr std::int64_t kMaxDay = std::int64_t{30000} * 365;

std::int64_t LocalSeconds(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  constexpr std::int64_t kMax = kMaxDay * kSecondsPerDay;
  return std::clamp(unix_seconds, -kMax, kMax) + utc_offset_seconds;
}

std::int64_t FloorDivide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

std::int64_t LocalDay(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  return FloorDivide(LocalSeconds(unix_seconds, utc_offset_seconds), kSecondsPerDay);
}

std::int32_t SecondOfDay(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  const std::int64_t local = LocalSeconds(unix_seconds, utc_offset_seconds);
  return static_cast<std::int32_t>(local - FloorDivide(local, kSecondsPerDay) * kSecondsPerDay);
}

std::int64_t MidnightOf(std::int64_t day, std::int32_t utc_offset_seconds) {
  return std::clamp(day, -kMaxDay, kMaxDay) * kSecondsPerDay - utc_offset_seconds;
}

int WeekdayOf(std::int64_t day) {
  // 1970-01-01 was a Thursday.
  const std::int64_t since_monday = std::clamp(day, -kMaxDay, kMaxDay) + 3;
  return static_cast<int>(since_monday - FloorDivide(since_monday, 7) * 7);
}

CivilDate DateOf(std::int64_t day) {
  const std::chrono::year_month_day date{
      std::chrono::sys_days{std::chrono::days{std::clamp(day, -kMaxDay, kMaxDay)}}};
  return {static_cast<int>(date.year()), static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day()))};
}

std::int64_t DayOf(const CivilDate& date) {
  return std::chrono::sys_days{std::chrono::year{date.year} /
                               std::chrono::month{static_cast<unsigned>(date.month)} /
                               std::chrono::day{static_cast<unsigned>(date.day)}}
      .time_since_epoch()
      .count();
}

}  // namespace attune
