// When to save: as seldom as the promise allows. A kill may cost `max_loss_seconds`
// of work, the save it interrupts included; rests between steps are no work. It also
// says when to stop so that a last save still fits before a deadline.
//
// The next step and save are taken to be at most 1.25 times as long as the slowest of
// the last 16; one that is longer than that may break the promise by what it is longer.
// Threads: one at a time. No clock: times are given.

#pragma once

#include <array>
#include <cstddef>

namespace attune {

class Cadence {
 public:
  // Seconds. 0: save after every step.
  explicit Cadence(double max_loss_seconds);

  void Began();  // Nothing unsaved. What was measured is kept.
  // A step that took so long ended, and its test, if any: work that a kill costs too,
  // but that ends when asked to.
  void Stepped(double seconds, double tested_seconds = 0);
  void Saved(double seconds);  // A save that took so long ended.

  // Whether one more step and a save might leave more than the promise unsaved. Never
  // when nothing is.
  bool IsDue() const;
  // Whether one more step and a save might end after `deadline`, monotonic seconds;
  // infinity: none.
  bool MustStop(double now, double deadline) const;

  // Upper estimates from what was measured; a second each until then.
  double step_seconds() const { return steps_.Estimate(); }
  double save_seconds() const { return saves_.Estimate(); }
  double unsaved_seconds() const { return unsaved_seconds_; }

 private:
  class Slowest {
   public:
    void Add(double seconds);
    double Estimate() const;

   private:
    static constexpr std::size_t kOfLate = 16;
    std::array<double, kOfLate> seconds_{};
    std::size_t count_ = 0;
  };

  double max_loss_seconds_;
  double unsaved_seconds_ = 0;
  Slowest steps_, saves_;
};

}  // namespace attune
