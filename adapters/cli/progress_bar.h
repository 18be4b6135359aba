// A ProgressBar shows how training goes: on a terminal one line that is drawn
// over itself, elsewhere a line for each test on held-out messages.
// Threads: one thread.

#pragma once

#include <cstdio>
#include <string>

#include "attune/personalize.h"

namespace attune {

class ProgressBar {
 public:
  // Draws on `out`, which is not owned; `name` stands before the figures.
  explicit ProgressBar(std::FILE* out, const std::string& name = "");

  void Show(const TrainingEvent& event);
  // Leaves the last state of the bar standing.
  void Finish();

 private:
  void Draw(const TrainingEvent& event);

  std::FILE* const out_;
  const std::string name_;
  const bool terminal_;
  std::int64_t first_step_ = 0;  // Of this run, which may be a resumed one.
  double start_ = 0;
  double last_drawn_ = 0;
  double smoothed_loss_ = 0;
  double held_out_loss_ = 0;
  bool has_held_out_loss_ = false;
};

// "1:05" or "2:03:09".
std::string ClockText(double seconds);

}  // namespace attune
