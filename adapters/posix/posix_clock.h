// The system's clocks.

#pragma once

#include <cstdint>

#include "ports/clock.h"

namespace attune {

class PosixClock final : public Clock {
 public:
  double MonotonicSeconds() override;
  std::int64_t UnixSeconds() override;
};

}  // namespace attune
