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
  // Seconds that local time is ahead of UTC at that instant.
  virtual std::int32_t UtcOffsetSeconds(std::int64_t unix_seconds) = 0;
  // CPU time of all threads of this process.
  virtual double ProcessCpuSeconds() = 0;
  // Does nothing for so long; nothing for 0 and less.
  virtual void Sleep(double seconds) = 0;
};

}  // namespace attune
