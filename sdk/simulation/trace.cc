#include "simulation/trace.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "base/strings.h"
#include "schedule/civil_time.h"
#include "simulation/trace_facts.h"

namespace attune {
namespace {

std::string TwoDigits(std::int64_t number) {
  return number < 10 ? StrCat("0", number) : StrCat(number);
}

// "22:10", "22:10:05", "22:10:05.250".
std::string TimeOfDay(std::int64_t milliseconds) {
  const std::int64_t seconds = milliseconds / 1000;
  std::string out = StrCat(TwoDigits(seconds / 3600), ":", TwoDigits(seconds / 60 % 60));
  if (milliseconds % 60000 == 0) return out;
  out += StrCat(":", TwoDigits(seconds % 60));
  if (milliseconds % 1000 == 0) return out;
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03d", static_cast<int>(milliseconds % 1000));
  return out + fraction;
}

// "+01:00", "-09:30".
std::string Offset(std::int64_t seconds) {
  const std::int64_t minutes = std::llabs(seconds) / 60;
  return StrCat(seconds < 0 ? "-" : "+", TwoDigits(minutes / 60), ":", TwoDigits(minutes % 60));
}

// "90s", "15m", "2h", "1d".
std::string Duration(std::int64_t seconds) {
  for (const auto& [unit, length] : {std::pair('d', 86400), {'h', 3600}, {'m', 60}}) {
    if (seconds != 0 && seconds % length == 0) return StrCat(seconds / length, unit);
  }
  return StrCat(seconds, "s");
}

std::string Moment(const Trace& trace, double at) {
  const std::int64_t from_midnight =
      SecondOfDay(trace.begin, trace.utc_offset_seconds) * std::int64_t{1000} +
      std::llround(at * 1000);
  constexpr std::int64_t kDay = kSecondsPerDay * 1000;
  return StrCat("+", from_midnight / kDay, "d ", TimeOfDay(from_midnight % kDay));
}

std::string FactsChanged(const DeviceFacts& before, const DeviceFacts& after) {
  std::string out;
  for (const FactWord& word : FactWords()) {
    const std::string value = word.format(after);
    if (value != word.format(before)) out += StrCat(" ", word.key, "=", value);
  }
  return out;
}

std::string EventWords(const TracePoint& point) {
  switch (point.event) {
    case TraceEvent::kFacts:
      break;
    case TraceEvent::kKill:
      return " kill";
    case TraceEvent::kReboot:
      return StrCat(" reboot=", Duration(point.seconds));
    case TraceEvent::kClockJump:
      return StrCat(" clock=", point.seconds < 0 ? "" : "+", Duration(point.seconds));
    case TraceEvent::kZone:
      return StrCat(" utc=", Offset(point.seconds));
    case TraceEvent::kExamples:
      return StrCat(" examples=", point.count, point.job.empty() ? "" : " job=", point.job);
  }
  return "";
}

}  // namespace

std::string FormatTrace(const Trace& trace) {
  const CivilDate date = DateOf(LocalDay(trace.begin, trace.utc_offset_seconds));
  char year[8];
  std::snprintf(year, sizeof year, "%04d", date.year % 10000);
  std::string out = StrCat(
      "attune-trace 1\nbegin ", year, "-", TwoDigits(date.month), "-", TwoDigits(date.day), " ",
      TimeOfDay(SecondOfDay(trace.begin, trace.utc_offset_seconds) * std::int64_t{1000}), " utc",
      Offset(trace.utc_offset_seconds), "\n");
  DeviceFacts facts;
  for (const TracePoint& point : trace.points) {
    const std::string changed = FactsChanged(facts, point.facts);
    facts = point.facts;
    const std::string words = EventWords(point);
    if (!changed.empty()) out += StrCat(Moment(trace, point.at), changed, "\n");
    if (!words.empty()) out += StrCat(Moment(trace, point.at), words, "\n");
  }
  return out + StrCat(Moment(trace, trace.seconds), " end\n");
}

std::string_view UserKindName(UserKind kind) {
  switch (kind) {
    case UserKind::kEveryNight:
      return "every-night";
    case UserKind::kErratic:
      return "erratic";
    case UserKind::kNeverIdle:
      return "never-idle";
    case UserKind::kPowerSaver:
      return "power-saver";
    case UserKind::kShiftWorker:
      return "shift-worker";
  }
  return "unknown";
}

std::optional<UserKind> UserKindOf(std::string_view name) {
  for (const UserKind kind : kUserKinds) {
    if (UserKindName(kind) == name) return kind;
  }
  return std::nullopt;
}

}  // namespace attune
