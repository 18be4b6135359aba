#include "posix/posix_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace attune {
namespace {

TEST(PosixClock, CountsSecondsAndNeverGoesBack) {
  PosixClock clock;
  double before = clock.MonotonicSeconds();
  for (int i = 0; i < 1000; ++i) {
    const double now = clock.MonotonicSeconds();
    ASSERT_GE(now, before);
    before = now;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  const double slept = clock.MonotonicSeconds() - before;
  EXPECT_GE(slept, 0.004);
  EXPECT_LT(slept, 60.0);  // Seconds, whatever else the machine is doing.
}

}  // namespace
}  // namespace attune
