#include "cli/calendar.h"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <initializer_list>

namespace attune {
namespace {

// Takes exactly `digits` digits from the front of `*text`.
bool TakeNumber(std::string_view* text, std::size_t digits, int* value) {
  if (text->size() < digits) return false;
  const char* const end = text->data() + digits;
  const auto parsed = std::from_chars(text->data(), end, *value);
  if (parsed.ec != std::errc() || parsed.ptr != end || *value < 0) return false;
  text->remove_prefix(digits);
  return true;
}

bool TakeSeparator(std::string_view* text, char separator) {
  if (!text->starts_with(separator)) return false;
  text->remove_prefix(1);
  return true;
}

bool TakeTime(std::string_view text, int* seconds) {
  int hour = 0, minute = 0, second = 0;
  if (!TakeNumber(&text, 2, &hour) || !TakeSeparator(&text, ':')) return false;
  if (!TakeNumber(&text, 2, &minute)) return false;
  if (!text.empty() && (!TakeSeparator(&text, ':') || !TakeNumber(&text, 2, &second))) return false;
  *seconds = (hour * 60 + minute) * 60 + second;
  return text.empty() && hour < 24 && minute < 60 && second < 60;
}

}  // namespace

Result<std::int64_t> ParseMoment(std::string_view text) {
  constexpr const char* kExpected = "not a date; expected YYYY-MM-DD, perhaps with HH:MM";
  int year = 0, month = 0, day = 0, seconds = 0;
  if (!TakeNumber(&text, 4, &year) || !TakeSeparator(&text, '-') || !TakeNumber(&text, 2, &month) ||
      !TakeSeparator(&text, '-') || !TakeNumber(&text, 2, &day)) {
    return InvalidArgument(kExpected);
  }
  if (!text.empty() && (!TakeSeparator(&text, ' ') || !TakeTime(text, &seconds))) {
    return InvalidArgument(kExpected);
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return InvalidArgument("no such day in the calendar");
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  return days * 86400 + seconds;
}

std::string MomentText(std::int64_t unix_seconds) {
  const std::chrono::sys_seconds moment{std::chrono::seconds(unix_seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date(day);
  const auto minutes = static_cast<int>(
      std::chrono::floor<std::chrono::minutes>(moment - std::chrono::sys_seconds(day)).count());
  char text[48];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                minutes / 60, minutes % 60);
  return text;
}

}  // namespace attune
