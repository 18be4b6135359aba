#include "schedule/windows.h"

#include <algorithm>

#include "schedule/civil_time.h"

namespace attune {
namespace {

constexpr std::int64_t kWeek = 7 * kSecondsPerDay;
constexpr int kDayMinutes = 24 * 60;

std::int64_t SecondOfWeek(std::int64_t unix_seconds, std::int32_t offset) {
  return WeekdayOf(LocalDay(unix_seconds, offset)) * kSecondsPerDay +
         SecondOfDay(unix_seconds, offset);
}

std::int64_t LengthOf(const TimeWindow& window) {
  const int minutes = window.end_minute - window.begin_minute;
  return std::int64_t{60} * (minutes > 0 ? minutes : minutes + kDayMinutes);
}

// Seconds since the window began on that weekday, 0 to a week less one.
std::int64_t SinceBegin(const TimeWindow& window, int weekday, std::int64_t second_of_week) {
  const std::int64_t begin = weekday * kSecondsPerDay + std::int64_t{60} * window.begin_minute;
  return ((second_of_week - begin) % kWeek + kWeek) % kWeek;
}

}  // namespace

bool InWindows(std::span<const TimeWindow> windows, std::int64_t unix_seconds,
               std::int32_t utc_offset_seconds) {
  return NextOpen(windows, unix_seconds, utc_offset_seconds) == unix_seconds;
}

std::int64_t NextOpen(std::span<const TimeWindow> windows, std::int64_t unix_seconds,
                      std::int32_t utc_offset_seconds) {
  if (windows.empty()) return unix_seconds;
  const std::int64_t second = SecondOfWeek(unix_seconds, utc_offset_seconds);
  std::int64_t wait = kWeek;
  for (const TimeWindow& window : windows) {
    for (int weekday = 0; weekday < 7; ++weekday) {
      if ((window.weekdays >> weekday & 1) == 0) continue;
      const std::int64_t since = SinceBegin(window, weekday, second);
      if (since < LengthOf(window)) return unix_seconds;
      wait = std::min(wait, kWeek - since);
    }
  }
  return unix_seconds + wait;
}

}  // namespace attune
