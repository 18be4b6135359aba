#include "posix/posix_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <optional>
#include <string>
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

// The zone of the environment, put back at the end.
class Zone {
 public:
  explicit Zone(const char* name) {
    const char* const before = std::getenv("TZ");
    if (before != nullptr) before_ = before;
    Set(name);
  }
  ~Zone() {
    if (before_) {
      Set(before_->c_str());
    } else {
      unsetenv("TZ");
    }
    tzset();
  }
  static void Set(const char* name) { setenv("TZ", name, 1); }

 private:
  std::optional<std::string> before_;
};

constexpr std::int64_t kJanuary = 1767268800;  // 2026-01-01 12:00 UTC
constexpr std::int64_t kJuly = 1782907200;     // 2026-07-01 12:00 UTC

TEST(PosixClock, KnowsTheZoneAndItsSummerTime) {
  PosixClock clock;
  const Zone zone("XXX-5:30");
  EXPECT_EQ(clock.UtcOffsetSeconds(kJanuary), 19800);
  EXPECT_EQ(clock.UtcOffsetSeconds(kJuly), 19800);
  // A traveller's: noticed at the next call.
  Zone::Set("XXX8YYY,M3.2.0,M11.1.0");
  EXPECT_EQ(clock.UtcOffsetSeconds(kJanuary), -8 * 3600);
  EXPECT_EQ(clock.UtcOffsetSeconds(kJuly), -7 * 3600);
}

TEST(PosixClock, HasNoOffsetWhereThereIsNoDate) {
  const Zone zone("XXX-5:30");
  EXPECT_EQ(PosixClock().UtcOffsetSeconds(std::numeric_limits<std::int64_t>::max()), 0);
}

TEST(PosixClock, CountsTheProcessorTimeOfAllThreads) {
  PosixClock clock;
  const double before = clock.ProcessCpuSeconds();
  std::thread worker([] {
    const std::clock_t end = std::clock() + CLOCKS_PER_SEC / 50;
    while (std::clock() < end) {
    }
  });
  worker.join();
  EXPECT_GE(clock.ProcessCpuSeconds() - before, 0.015);
}

TEST(PosixClock, SleepCostsTimeAndNoProcessor) {
  PosixClock clock;
  const double before = clock.MonotonicSeconds();
  const double cpu = clock.ProcessCpuSeconds();
  clock.Sleep(0.03);
  EXPECT_GE(clock.MonotonicSeconds() - before, 0.03);
  EXPECT_LT(clock.ProcessCpuSeconds() - cpu, 0.02);
}

TEST(PosixClock, DoesNotSleepForNoTime) {
  PosixClock clock;
  for (const double none : {0.0, -1.0, std::nan("")}) {
    const double before = clock.MonotonicSeconds();
    clock.Sleep(none);
    EXPECT_LT(clock.MonotonicSeconds() - before, 5.0);
  }
}

TEST(PosixClock, SleepsOnAfterASignal) {
  PosixClock clock;
  struct sigaction action = {}, old = {};
  action.sa_handler = [](int) {};
  sigaction(SIGUSR1, &action, &old);
  const pthread_t sleeper = pthread_self();
  std::thread disturber([sleeper] {
    for (int i = 0; i < 5; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(4));
      pthread_kill(sleeper, SIGUSR1);
    }
  });
  const double before = clock.MonotonicSeconds();
  clock.Sleep(0.05);
  EXPECT_GE(clock.MonotonicSeconds() - before, 0.05);
  disturber.join();
  sigaction(SIGUSR1, &old, nullptr);
}

}  // namespace
}  // namespace attune
