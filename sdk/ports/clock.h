// Time, as a port so that tests can hold it still.

#pragma once

namespace attune {

class Clock {
 public:
  virtual ~Clock() = default;
  // Seconds since an arbitrary point; never goes back.
  virtual double MonotonicSeconds() = 0;
};

}  // namespace attune
