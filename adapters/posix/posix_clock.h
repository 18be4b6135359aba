// The system's monotonic clock.

#pragma once

#include "ports/clock.h"

namespace attune {

class PosixClock final : public Clock {
 public:
  double MonotonicSeconds() override;
};

}  // namespace attune
