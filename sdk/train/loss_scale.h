// Dynamic loss scaling: the loss is multiplied by a power of two so that small
// gradients do not vanish in a narrow format; a step whose gradients overflow is
// skipped and the scale halved. Values are never coerced.

#pragma once

#include <cstdint>

#include "attune/status.h"

namespace attune {

struct LossScaleConfig {
  // A power of two. 1 is right for f32 and bf16, whose exponents are wide.
  double initial = 1.0;
  // Finite steps in a row after which the scale doubles; 0 never grows it.
  std::int64_t growth_interval = 0;
  double maximum = 0x1p24;
  double minimum = 0x1p-24;
};

class LossScale {
 public:
  explicit LossScale(const LossScaleConfig& config) : config_(config), scale_(config.initial) {}

  // kInvalidArgument  a scale that is not a power of two, or limits that cross
  static Status Check(const LossScaleConfig& config);

  float scale() const { return static_cast<float>(scale_); }
  std::int64_t finite_steps() const { return finite_steps_; }

  void OnFinite();
  void OnNonFinite();

  // For resuming.
  Status Restore(double scale, std::int64_t finite_steps);

 private:
  LossScaleConfig config_;
  double scale_;
  std::int64_t finite_steps_ = 0;  // Since the scale last changed.
};

}  // namespace attune
