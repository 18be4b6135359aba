// Plays a trace forwards: what holds at an instant, and what happens until then.
//
// Threads: one at a time.

#pragma once

#include <cstddef>

#include "base/function_ref.h"
#include "simulation/trace.h"

namespace attune {

class TracePlayer {
 public:
  // `trace` is not owned.
  explicit TracePlayer(const Trace& trace)
      : trace_(trace), utc_offset_seconds_(trace.utc_offset_seconds) {}

  // Of the next point; infinity: there is none.
  double NextAt() const;
  // Applies every point up to and at `at`; `visit` sees each one when it is in force.
  void AdvanceTo(double at, FunctionRef<void(const TracePoint&)> visit);

  const DeviceFacts& facts() const { return facts_; }
  // What the wall clock says when it truly is `at`, and its zone.
  std::int64_t UnixSeconds(double at) const;
  std::int32_t utc_offset_seconds() const { return utc_offset_seconds_; }

 private:
  const Trace& trace_;
  std::size_t next_ = 0;
  DeviceFacts facts_;
  std::int64_t jumped_ = 0;
  std::int32_t utc_offset_seconds_;
};

}  // namespace attune
