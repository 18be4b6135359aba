#include "train/schedule.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace attune {

Status CheckSchedule(const ScheduleConfig& config) {
  if (!std::isfinite(config.peak) || config.peak <= 0) {
    return InvalidArgument(StrCat("learning rate ", config.peak, ", must be above 0"));
  }
  if (!(config.final_fraction >= 0 && config.final_fraction <= 1)) {
    return InvalidArgument(StrCat("final fraction of the learning rate ", config.final_fraction,
                                  ", must be from 0 to 1"));
  }
  if (config.total_steps < 1) {
    return InvalidArgument(StrCat(config.total_steps, " training steps, at least 1 needed"));
  }
  if (config.warmup_steps < 0 || config.warmup_steps > config.total_steps) {
    return InvalidArgument(
        StrCat(config.warmup_steps, " warm-up steps, must be from 0 to ", config.total_steps));
  }
  return OkStatus();
}

double LearningRate(const ScheduleConfig& config, std::int64_t step) {
  if (step < config.warmup_steps) {
    return config.peak * static_cast<double>(step + 1) / static_cast<double>(config.warmup_steps);
  }
  if (config.decay == Decay::kConstant) return config.peak;
  const std::int64_t span = std::max<std::int64_t>(config.total_steps - config.warmup_steps - 1, 1);
  const double progress =
      std::min(1.0, static_cast<double>(step - config.warmup_steps) / static_cast<double>(span));
  const double falling =
      config.decay == Decay::kLinear ? 1.0 - progress : 0.5 * (1.0 + std::cos(M_PI * progress));
  return config.peak * (config.final_fraction + (1.0 - config.final_fraction) * falling);
}

}  // namespace attune
