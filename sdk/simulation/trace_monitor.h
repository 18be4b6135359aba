// A DeviceMonitor that plays a recorded trace back: for tests of whatever asks one.
//
// Threads: Read() from any, if the clock may be asked from any.

#pragma once

#include <algorithm>

#include "ports/clock.h"
#include "ports/device_monitor.h"
#include "simulation/trace.h"

namespace attune {

class TraceMonitor : public DeviceMonitor {
 public:
  // The trace begins now. Neither is owned.
  TraceMonitor(const Trace& trace, Clock& clock)
      : trace_(trace), clock_(clock), began_(clock.MonotonicSeconds()) {}

  DeviceFacts Read() override {
    const double at = clock_.MonotonicSeconds() - began_;
    const auto after =
        std::upper_bound(trace_.points.begin(), trace_.points.end(), at,
                         [](double time, const TracePoint& point) { return time < point.at; });
    return after == trace_.points.begin() ? DeviceFacts() : std::prev(after)->facts;
  }

 private:
  const Trace& trace_;
  Clock& clock_;
  double began_;
};

}  // namespace attune
