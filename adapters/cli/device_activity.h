// What a Neural Engine did for a command: programs, evaluations, and what the cost model
// predicts that they take. Nothing on the CPU.

#pragma once

#include <cstdint>

#include "ane/runtime/ane_backend.h"
#include "cli/json_line.h"
#include "platform/platform.h"

namespace attune {

class DeviceActivity {
 public:
  // Counts from now on; the platform must outlive it.
  explicit DeviceActivity(const DefaultPlatform& platform);

  // Two lines, and members of an object. Predictions are of one run of the model: a batch
  // learned from or tested on, a prompt, a token. Where the CPU took over, a line on
  // stderr says why.
  void Print() const;
  void Add(JsonLine* line) const;

 private:
  struct Since {
    ane::AneActivity now;
    std::int64_t runs, evaluations, compiles, loads, fallbacks;
    double milliseconds, joules;  // Of one run.
  };
  Since Measure() const;
  // On stderr, whatever form the results take.
  void WarnOfFallbacks(const Since& since) const;

  const DefaultPlatform& platform_;
  ane::AneActivity before_;
};

}  // namespace attune
