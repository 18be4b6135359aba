// The system's clocks.

#pragma once

#include <cstdint>

#include "ports/clock.h"

namespace attune {

class PosixClock final : public Clock {
 public:
  double MonotonicSeconds() override;
  std::int64_t UnixSeconds() override;
  // By the zone of the environment or the system, as it is at the call.
  std::int32_t UtcOffsetSeconds(std::int64_t unix_seconds) override;
  double ProcessCpuSeconds() override;
  // Goes on after a signal. At most about 31 years.
  void Sleep(double seconds) override;
};

}  // namespace attune
