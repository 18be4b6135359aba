// Time, as a port so that tests can hold it still.

#pragma once

#include <cstdint>

namespace attune {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since an arbitrary point; never goes back.
  virtual double MonotonicSeconds() = 0;
  // Seconds since 1970-01-01 00:00 UTC; jumps when the user sets the clock.
  virtual std::int64_t UnixSeconds() = 0;
};

}  // namespace attune
