// What a device and its user do over days, as a list of changes: the input of the
// simulator of nights, and what a recording DeviceMonitor plays back.
// Text form: docs/formats/trace.md.
//
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/device_monitor.h"

namespace attune {

enum class TraceEvent : std::uint8_t {
  kFacts,      // `facts` hold from here on.
  kKill,       // The process is killed, if it runs.
  kReboot,     // Off for `seconds`; facts hold on.
  kClockJump,  // The wall clock is set, by `seconds`.
  kExamples,   // `count` new examples for `job` (empty: for every job).
};

struct TracePoint {
  double at = 0;  // Seconds of true time since the begin of the trace.
  TraceEvent event = TraceEvent::kFacts;
  DeviceFacts facts;
  double seconds = 0;
  std::int64_t count = 0;
  std::string job;
  bool operator==(const TracePoint&) const = default;
};

struct Trace {
  std::int64_t begin = 0;  // Unix seconds.
  std::int32_t utc_offset_seconds = 0;
  std::vector<TracePoint> points;  // By time.
  double seconds = 0;              // Length.
};

//   kInvalidArgument  line and column, what is wrong
Result<Trace> ParseTrace(std::string_view text, const std::string& name);
std::string FormatTrace(const Trace& trace);

// Five kinds of user. All but the seed decides nothing else.
enum class UserKind : std::uint8_t { kEveryNight, kErratic, kNeverIdle, kPowerSaver, kShiftWorker };
std::string_view UserKindName(UserKind kind);  // "every-night"
Trace MakeTrace(UserKind kind, int days, std::uint64_t seed);

}  // namespace attune
