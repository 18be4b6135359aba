// The governor spreads work over time: after each step it says how long to rest,
// so that the process stays below the platform's limits on CPU use, and cool.
//
// iOS ends a background process that uses more than 80 % of a processor over 60 s or
// 50 % over 180 s, unless its task requires external power.
//
// Promise: while the rests are kept, no window that ends in work holds more CPU time
// than a line in force allows, use before the line came into force included; as long
// as no piece of work (from one AfterWork() to the next) takes more CPU time than
// LongestStep(), or than the longest one in the window before it. One that does can
// break a line once; from then on every piece is given that much room, and one that
// exceeds a whole line gets a window of its own, where it breaks the line all the same.
// Pacing is even: time that was not used is not saved up, beyond a second or so, so
// there are no bursts.
// Threads: one at a time. No clock: times are given.

#pragma once

#include <deque>
#include <vector>

#include "attune/status.h"
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
  // Aim this part of the lowest line below it. It is what LongestStep() is made of.
  double margin = 0.04;
  // Part of the time at work, by thermal state and memory pressure. What is worse than
  // these is for the policy to stop at; until it does they hold too.
  double duty_nominal = 1.0;
  double duty_fair = 0.5;
  double duty_memory_warning = 0.5;
  bool operator==(const GovernorOptions&) const = default;
};

//   kInvalidArgument  a window or a share that is not above 0 or not finite, a window
//                     over an hour, a margin outside 0 to 0.9, a duty outside 0.01 to 1
Status CheckGovernorOptions(const GovernorOptions& options);

class Governor {
 public:
  // REQUIRES: options that pass the check, here and below.
  explicit Governor(GovernorOptions options);

  // At any time; in force with the next AfterWork().
  void SetOptions(GovernorOptions options);
  void SetFacts(const DeviceFacts& facts);

  // CPU used before `now` is not counted: the process's, since it began. Without this
  // call the first work is taken to have used one processor.
  void Begin(double now, double cpu_seconds);

  // At `now` (monotonic seconds), with so much CPU used by the process since it
  // began, after work of `wall` seconds. Returns how long to rest before the next.
  // With `wall` 0: how much of the rest is left, and of what has changed since.
  double AfterWork(double now, double cpu_seconds, double wall);

  // The CPU seconds a second that are aimed at; infinity: no limit.
  double target_share() const;
  // The part of the time at work that heat and memory allow.
  double duty() const;
  // CPU seconds, see above; infinity: no limit.
  double LongestStep() const;

 private:
  // CPU used in (begin, end], the most by one piece of work.
  struct Span {
    double begin = 0, end = 0, cpu = 0, longest = 0;
  };

  bool LinesInForce() const;
  double LongestWindow() const;
  void Remember(double begin, double end, double cpu);
  // Until a further piece of work as long as those of late fits below the line.
  double RestBelow(const CpuLine& line) const;

  GovernorOptions options_;
  DeviceFacts facts_;
  bool begun_ = false;
  double now_ = 0, cpu_seconds_ = 0;
  double cpu_debt_ = 0;   // CPU seconds used above the target; negative: credit.
  double wall_debt_ = 0;  // Seconds at work above the duty.
  std::deque<Span> spans_;
};

}  // namespace attune
