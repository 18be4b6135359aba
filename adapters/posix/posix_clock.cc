#include "posix/posix_clock.h"

#include <algorithm>
#include <cerrno>
#include <ctime>

namespace attune {
namespace {

constexpr double kLongestSleep = 1e9;

double Seconds(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace

double PosixClock::MonotonicSeconds() { return Seconds(CLOCK_MONOTONIC); }

std::int64_t PosixClock::UnixSeconds() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec};
}

std::int32_t PosixClock::UtcOffsetSeconds(std::int64_t unix_seconds) {
  // localtime_r() alone need not notice that the device has travelled.
  tzset();
  const std::time_t instant = unix_seconds;
  std::tm local{};
  if (localtime_r(&instant, &local) == nullptr) return 0;  // A year beyond an int.
  return static_cast<std::int32_t>(local.tm_gmtoff);
}

double PosixClock::ProcessCpuSeconds() { return Seconds(CLOCK_PROCESS_CPUTIME_ID); }

void PosixClock::Sleep(double seconds) {
  if (!(seconds > 0)) return;
  seconds = std::min(seconds, kLongestSleep);
  timespec left{};
  left.tv_sec = static_cast<std::time_t>(seconds);
  left.tv_nsec = static_cast<long>((seconds - static_cast<double>(left.tv_sec)) * 1e9);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

}  // namespace attune
