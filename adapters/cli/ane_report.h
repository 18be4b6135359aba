// The report of `attune ane compile`: what a plan consists of and what it takes.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ane/compiler/compile.h"
#include "ane/compiler/predict.h"
#include "ane/device/target.h"

namespace attune {

// A program as it was written down.
struct AneWritten {
  std::string directory;  // "0007".
  std::string digest;     // Of text and weights.
  std::int64_t mil_bytes = 0, weight_file_bytes = 0;
  std::int64_t weight_tensors = 0, inputs = 0, outputs = 0;
  std::int64_t violations = 0;  // That the validator found in the text.
};

struct AneReport {
  std::string model;  // "stories110m", or a base name.
  std::string run;    // "LoRA step, rank 8, 1 x 256 tokens".
  ane::Target target;
  std::int64_t parameters = 0;
  ane::Plan plan;
  ane::PlanCost cost;
  double optimizer_seconds = 0;     // AdamW on the host after a training step.
  std::vector<AneWritten> written;  // By program.

  double seconds() const { return cost.seconds() + optimizer_seconds; }
  // Different ones among the programs: what a device loads.
  std::int64_t distinct() const;
  std::int64_t violations() const;
};

// For a person; and as JSON, with all programs and placements.
std::string ReportText(const AneReport& report);
std::string ReportJson(const AneReport& report);

}  // namespace attune
