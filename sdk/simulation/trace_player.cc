#include "simulation/trace_player.h"

#include <cmath>
#include <limits>

namespace attune {

double TracePlayer::NextAt() const {
  return next_ < trace_.points.size() ? trace_.points[next_].at
                                      : std::numeric_limits<double>::infinity();
}

void TracePlayer::AdvanceTo(double at, FunctionRef<void(const TracePoint&)> visit) {
  while (NextAt() <= at) {
    const TracePoint& point = trace_.points[next_++];
    facts_ = point.facts;
    if (point.event == TraceEvent::kClockJump) jumped_ += point.seconds;
    if (point.event == TraceEvent::kZone) {
      utc_offset_seconds_ = static_cast<std::int32_t>(point.seconds);
    }
    visit(point);
  }
}

std::int64_t TracePlayer::UnixSeconds(double at) const {
  return trace_.begin + jumped_ + static_cast<std::int64_t>(std::floor(at));
}

}  // namespace attune
