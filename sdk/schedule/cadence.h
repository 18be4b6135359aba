// When to save: as seldom as the promise allows. A kill may cost `max_loss_seconds`
// of work; a save costs what saves have cost so far. It also says when to stop so
// that a last save still fits before a deadline.
//
// Threads: one at a time. No clock: times are given, in monotonic seconds.

#pragma once

namespace attune {

class Cadence {
 public:
  explicit Cadence(double max_loss_seconds);

  void Began(double now);                    // Nothing unsaved.
  void Stepped(double now, double seconds);  // A step that took so long ended.
  void Saved(double now, double seconds);    // A save that took so long ended.

  // Whether one more step and a save would leave more than the promise unsaved.
  bool IsDue(double now) const;
  // Whether one more step and a save may end after `deadline`.
  bool MustStop(double now, double deadline) const;

  // Upper estimates from what was measured: the slowest of late.
  double step_seconds() const;
  double save_seconds() const;

 private:
  double max_loss_seconds_;
};

}  // namespace attune
