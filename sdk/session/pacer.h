// A Pacer rests between pieces of work as the governor demands, and sleeps in
// pieces short enough that whoever wants it to stop is heard.
//
// Threads: one at a time.

#pragma once

#include "base/function_ref.h"
#include "ports/clock.h"
#include "schedule/governor.h"

namespace attune {

// The longest sleep without a look at who wants to stop.
inline constexpr double kRestPieceSeconds = 0.05;

class Pacer {
 public:
  // `clock` is not owned. From here on everything but sleep counts as work.
  Pacer(Clock& clock, const GovernorOptions& options);

  void SetFacts(const DeviceFacts& facts) { governor_.SetFacts(facts); }

  // Ends a piece of work. Returns how long to rest before the next, at least.
  double EndPiece();
  // What is left of a rest, for facts may have changed.
  double RestLeft();

  // Sleeps until then, monotonic seconds, or until `go_on`, asked before every piece,
  // says no.
  void SleepUntil(double until, FunctionRef<bool()> go_on);

  double Now() { return clock_.MonotonicSeconds(); }
  // Slept so far, in all.
  double rested_seconds() const { return rested_; }

 private:
  Clock& clock_;
  Governor governor_;
  double worked_from_;
  double rested_ = 0;
};

}  // namespace attune
