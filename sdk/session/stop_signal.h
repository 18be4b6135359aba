// How a run is told to stop: a flag that work looks at after every step and inside
// long evaluations.
//
// Threads: any; the setters may be called from a signal handler.

#pragma once

#include <atomic>

namespace attune {

class StopSignal {
 public:
  // Soft: finish the step, save, stop.
  void Ask() { soft_.store(true, std::memory_order_relaxed); }
  // Hard: finish the step and stop; what was not saved is lost.
  void Insist() {
    hard_.store(true, std::memory_order_relaxed);
    Ask();
  }
  bool asked() const { return soft_.load(std::memory_order_relaxed); }
  bool insisted() const { return hard_.load(std::memory_order_relaxed); }

  // For the next run. Not while something may ask.
  void Reset() {
    soft_.store(false, std::memory_order_relaxed);
    hard_.store(false, std::memory_order_relaxed);
  }

 private:
  std::atomic<bool> soft_{false}, hard_{false};
};

}  // namespace attune
