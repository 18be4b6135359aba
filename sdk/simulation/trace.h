// What a device and its user do over days, as a list of changes: the input of the
// simulator of nights, and what a TraceMonitor plays back in a test.
// Text form: docs/formats/trace.md.
//
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/device_monitor.h"

namespace attune {

inline constexpr std::size_t kMaxTraceBytes = std::size_t{4} << 20;
inline constexpr std::int64_t kMaxTraceDays = 10000;

enum class TraceEvent : std::uint8_t {
  kFacts,      // `facts` hold from here on.
  kKill,       // The process is killed, if it runs.
  kReboot,     // Off for `seconds`; a running process is killed; facts hold on.
  kClockJump,  // The wall clock is set, ahead by `seconds`, or back.
  kZone,       // Local time is ahead of UTC by `seconds` from here on.
  kExamples,   // `count` new examples for `job` (empty: for every job).
};

struct TracePoint {
  double at = 0;  // Seconds of true time since the begin of the trace, whole milliseconds.
  TraceEvent event = TraceEvent::kFacts;
  DeviceFacts facts;  // All of them, of whatever event.
  std::int64_t seconds = 0;
  std::int64_t count = 0;
  std::string job;
  bool operator==(const TracePoint&) const = default;
};

struct Trace {
  std::int64_t begin = 0;               // Unix seconds.
  std::int32_t utc_offset_seconds = 0;  // At the begin.
  std::vector<TracePoint> points;       // By time.
  double seconds = 0;                   // Length.
  bool operator==(const Trace&) const = default;
};

// `name` is for messages.
//
//   kInvalidArgument  "name:line:column: what is wrong"; over kMaxTraceBytes
Result<Trace> ParseTrace(std::string_view text, const std::string& name);
// What ParseTrace() reads to an equal trace, where battery is a whole percentage.
std::string FormatTrace(const Trace& trace);

enum class UserKind : std::uint8_t { kEveryNight, kErratic, kNeverIdle, kPowerSaver, kShiftWorker };
inline constexpr UserKind kUserKinds[] = {UserKind::kEveryNight, UserKind::kErratic,
                                          UserKind::kNeverIdle, UserKind::kPowerSaver,
                                          UserKind::kShiftWorker};
std::string_view UserKindName(UserKind kind);  // "every-night"
std::optional<UserKind> UserKindOf(std::string_view name);

// Days, from noon to noon, of such a user with a telephone: charging, use, heat,
// memory pressure, full disks, kills, reboots, a clock that is set, and daylight
// saving time as in Berlin. The same for the same arguments.
// REQUIRES: 1 to kMaxTraceDays days.
Trace MakeTrace(UserKind kind, int days, std::uint64_t seed);

}  // namespace attune
