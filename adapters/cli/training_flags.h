// How training goes: the options that `train` and `run` share, and what both
// show while it goes and when it ends.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attune/training.h"
#include "cli/json_line.h"
#include "cli/options.h"
#include "cli/progress_bar.h"

namespace CLI {
class App;
}

namespace attune {

// As written on the command line; Finished() turns it into what the SDK takes.
struct TrainingFlags {
  TrainingOptions training;
  ComputeOptions compute{};
  std::vector<std::string> targets{};
  std::string decay = "cosine";
  double memory_budget_mib = 0;
  bool one_message_a_row = false;

  TrainingOptions Finished() const;
};

// --rank, --alpha, --rslora, --dropout, --targets, --target-regex.
void AddLoraFlags(CLI::App* app, TrainingFlags* flags);
// --steps to --seed, --evaluate-every, --memory-budget, and the ComputeOptions.
void AddScheduleFlags(CLI::App* app, TrainingFlags* flags);

// Shows every step, on the bar or as JSON, until Ctrl-C.
class TrainingDisplay {
 public:
  explicit TrainingDisplay(bool json) : json_(json), bar_(stderr) {}
  // False to stop.
  bool Show(const TrainingEvent& event);
  // Leaves the bar standing.
  void Finish() { bar_.Finish(); }

 private:
  const bool json_;
  ProgressBar bar_;
};

// The members of the last object of --json, without `event`.
void AddReport(const TrainingReport& report, JsonLine* line);
// Lines for a person, without the last one, which says where the result is.
void PrintReport(const TrainingReport& report);

}  // namespace attune
