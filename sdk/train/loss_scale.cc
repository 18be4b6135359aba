#include "train/loss_scale.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace attune {
namespace {

bool IsPowerOfTwo(double x) {
  int exponent = 0;
  return std::isfinite(x) && x > 0 && std::frexp(x, &exponent) == 0.5;
}

}  // namespace

Status LossScale::Check(const LossScaleConfig& config) {
  for (double scale : {config.initial, config.minimum, config.maximum}) {
    if (!IsPowerOfTwo(scale) || scale > 0x1p127 || scale < 0x1p-126) {
      return InvalidArgument(StrCat("loss scale ", scale, " is not a power of two an f32 holds"));
    }
  }
  if (config.minimum > config.initial || config.initial > config.maximum) {
    return InvalidArgument(StrCat("loss scale ", config.initial, ", must be from ", config.minimum,
                                  " to ", config.maximum));
  }
  if (config.growth_interval < 0) {
    return InvalidArgument(StrCat("loss scale grows after ", config.growth_interval, " steps"));
  }
  return OkStatus();
}

void LossScale::OnFinite() {
  ++finite_steps_;
  if (config_.growth_interval == 0 || finite_steps_ < config_.growth_interval) return;
  scale_ = std::min(scale_ * 2, config_.maximum);
  finite_steps_ = 0;
}

void LossScale::OnNonFinite() {
  scale_ = std::max(scale_ / 2, config_.minimum);
  finite_steps_ = 0;
}

Status LossScale::Restore(double scale, std::int64_t finite_steps) {
  if (!IsPowerOfTwo(scale) || scale < config_.minimum || scale > config_.maximum) {
    return InvalidArgument(StrCat("saved loss scale ", scale, ", must be a power of two from ",
                                  config_.minimum, " to ", config_.maximum));
  }
  if (finite_steps < 0) return InvalidArgument(StrCat("saved count of ", finite_steps, " steps"));
  scale_ = scale;
  finite_steps_ = finite_steps;
  return OkStatus();
}

}  // namespace attune
