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

TEST(PosixClock, TellsTheDate) {
  const std::int64_t before = std::chrono::duration_cast<std::chrono::seconds>(
                                  std::chrono::system_clock::now().time_since_epoch())
                                  .count();
  const std::int64_t now = PosixClock().UnixSeconds();
  EXPECT_GE(now, before);
  EXPECT_LE(now, before + 60);
}

}  // namespace
}  // namespace attune
