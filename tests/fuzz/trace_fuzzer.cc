// Any bytes as a trace. What is accepted is in order and in bounds, and is the same
// when it is written and read again.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "simulation/trace.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto trace = attune::ParseTrace(bytes, "fuzzed");
  if (!trace.ok()) {
    ATTUNE_CHECK(trace.status().message().find('\n') == std::string::npos);
    ATTUNE_CHECK(trace.status().message().starts_with("fuzzed:"));
    return 0;
  }
  double latest = 0;
  for (const attune::TracePoint& point : trace->points) {
    ATTUNE_CHECK(point.at >= latest && point.at <= trace->seconds);
    latest = point.at;
  }
  const auto again = attune::ParseTrace(attune::FormatTrace(*trace), "again");
  ATTUNE_CHECK(again.ok());
  // A line that changes nothing is not written.
  ATTUNE_CHECK(again->points.size() <= trace->points.size());
  ATTUNE_CHECK(again->begin == trace->begin && again->seconds == trace->seconds);
  return 0;
}
