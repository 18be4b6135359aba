// The governor spreads work over time: after each step it says how long to rest,
// so that the process stays below the platform's limits on CPU use, and cool.
//
// iOS ends a background process that uses more than 80 % of a processor over 60 s or
// 50 % over 180 s, unless its task requires external power.
// Pacing is even: time that was not used is not saved up, beyond a second or so, so
// there are no bursts.
// Threads: one at a time. No clock: times are given.

#pragma once

#include <vector>

#include "ports/device_monitor.h"

namespace attune {

struct CpuLine {
  double window_seconds = 0;
  double share = 0;  // CPU seconds of all threads, a second.
  bool operator==(const CpuLine&) const = default;
};

struct GovernorOptions {
  // What the platform allows in the background; empty: anything.
  std::vector<CpuLine> lines = {{60, 0.80}, {180, 0.50}};
  // Whether they hold on external power too: not for a task that requires it.
  bool lines_on_external_power = true;
  // Stay this part of each line below it.
  double margin = 0.05;
  // Part of the time at work, by thermal state and memory pressure.
  double duty_nominal = 1.0;
  double duty_fair = 0.5;
  double duty_memory_warning = 0.5;
  bool operator==(const GovernorOptions&) const = default;
};

class Governor {
 public:
  explicit Governor(GovernorOptions options);

  // At any time; in force with the next step.
  void SetOptions(GovernorOptions options);
  void SetFacts(const DeviceFacts& facts);

  // At `now` (monotonic seconds), with so much CPU used by the process since it
  // began, after work of `wall` seconds. Returns how long to rest before the next.
  double AfterWork(double now, double cpu_seconds, double wall);

  // The CPU seconds a second that are aimed at; infinity: no limit.
  double target_share() const;
  // The part of the time at work that heat and memory allow.
  double duty() const;

 private:
  GovernorOptions options_;
  DeviceFacts facts_;
};

}  // namespace attune
