// The learning rate as a function of the step.

#pragma once

#include <cstdint>

#include "attune/status.h"

namespace attune {

// NOTE: values are part of a checkpoint's configuration. Append, never renumber.
enum class Decay : std::uint8_t { kConstant = 0, kLinear = 1, kCosine = 2 };

struct ScheduleConfig {
  double peak = 1e-3;
  // Steps over which the rate rises linearly; the first one already learns.
  std::int64_t warmup_steps = 0;
  // Steps in all. The rate reaches `peak * final_fraction` at the last one.
  std::int64_t total_steps = 0;
  double final_fraction = 0.0;
  Decay decay = Decay::kCosine;
};

Status CheckSchedule(const ScheduleConfig& config);

// The rate of step `step`, counted from 0. Beyond the last step it stays.
double LearningRate(const ScheduleConfig& config, std::int64_t step);

}  // namespace attune
