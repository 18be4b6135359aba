#include "train/optimizer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune {
namespace {

// Elements whose squares one worker sums in one go.
constexpr std::int64_t kBlock = 1 << 14;
// Elements by which work is divided: a cache line.
constexpr std::int64_t kGrain = 16;

// Eight sums in turn, so that the compiler makes vectors of them.
double SumOfSquares(const float* x, std::int64_t n) {
  double sums[8] = {};
  std::int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int k = 0; k < 8; ++k) sums[k] += static_cast<double>(x[i + k]) * x[i + k];
  }
  for (; i < n; ++i) sums[0] += static_cast<double>(x[i]) * x[i];
  return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
}

struct AdamWCoefficients {
  float keep;           // 1 - rate * decay
  float beta1, rest1;   // beta1, 1 - beta1
  float beta2, rest2;   // beta2, 1 - beta2
  float inverse_root2;  // 1 / sqrt(1 - beta2^t)
  float epsilon;
  float step_size;  // rate / (1 - beta1^t)
  float gradient_scale;
};

// p = keep p; m = beta1 m + rest1 g; v = beta2 v + rest2 g^2;
// p -= step_size * m / (sqrt(v) * inverse_root2 + epsilon)
void AdamW(const AdamWCoefficients& c, std::int64_t n, float* __restrict p,
           const float* __restrict gradient, float* __restrict m, float* __restrict v) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float g = gradient[i] * c.gradient_scale;
    m[i] = c.beta1 * m[i] + c.rest1 * g;
    v[i] = c.beta2 * v[i] + c.rest2 * (g * g);
    const float denominator = __builtin_sqrtf(v[i]) * c.inverse_root2 + c.epsilon;
    p[i] = c.keep * p[i] - c.step_size * (m[i] / denominator);
  }
}

struct SgdCoefficients {
  float rate;
  float decay;
  float momentum;
  float gradient_scale;
};

// g += decay p; m = momentum m + g; p -= rate m
void SgdMomentum(const SgdCoefficients& c, std::int64_t n, float* __restrict p,
                 const float* __restrict gradient, float* __restrict m) {
  for (std::int64_t i = 0; i < n; ++i) {
    m[i] = c.momentum * m[i] + (gradient[i] * c.gradient_scale + c.decay * p[i]);
    p[i] -= c.rate * m[i];
  }
}

void SgdPlain(const SgdCoefficients& c, std::int64_t n, float* __restrict p,
              const float* __restrict gradient) {
  for (std::int64_t i = 0; i < n; ++i) {
    p[i] -= c.rate * (gradient[i] * c.gradient_scale + c.decay * p[i]);
  }
}

// The part [begin, end) of one tensor.
void UpdateRange(const OptimizerConfig& config, const ParameterSpan& t, std::int64_t update,
                 double learning_rate, double gradient_scale, std::int64_t begin,
                 std::int64_t end) {
  const double rate = learning_rate * t.rate_factor;
  const double decay = config.weight_decay * t.decay_factor;
  const std::int64_t n = end - begin;
  float* const p = t.parameter + begin;
  const float* const g = t.gradient + begin;
  const auto f32 = [](double x) { return static_cast<float>(x); };
  if (config.kind == OptimizerKind::kAdamW) {
    const double steps = static_cast<double>(update);
    const double correction1 = 1 - std::pow(config.beta1, steps);
    const double correction2 = 1 - std::pow(config.beta2, steps);
    const AdamWCoefficients c{
        f32(1 - rate * decay), f32(config.beta1),       f32(1 - config.beta1),
        f32(config.beta2),     f32(1 - config.beta2),   f32(1 / std::sqrt(correction2)),
        f32(config.epsilon),   f32(rate / correction1), f32(gradient_scale)};
    AdamW(c, n, p, g, t.first_moment + begin, t.second_moment + begin);
    return;
  }
  const SgdCoefficients c{f32(rate), f32(decay), f32(config.momentum), f32(gradient_scale)};
  if (t.first_moment != nullptr) {
    SgdMomentum(c, n, p, g, t.first_moment + begin);
  } else {
    SgdPlain(c, n, p, g);
  }
}

Status CheckFraction(const char* name, double value) {
  if (value >= 0 && value < 1) return OkStatus();
  return InvalidArgument(StrCat(name, " ", value, ", must be at least 0 and below 1"));
}

}  // namespace

Status CheckOptimizer(const OptimizerConfig& config) {
  ATTUNE_RETURN_IF_ERROR(CheckFraction("beta1", config.beta1));
  ATTUNE_RETURN_IF_ERROR(CheckFraction("beta2", config.beta2));
  ATTUNE_RETURN_IF_ERROR(CheckFraction("momentum", config.momentum));
  if (!(config.epsilon > 0 && std::isfinite(config.epsilon))) {
    return InvalidArgument(StrCat("epsilon ", config.epsilon, ", must be above 0"));
  }
  if (!(config.weight_decay >= 0 && std::isfinite(config.weight_decay))) {
    return InvalidArgument(StrCat("weight decay ", config.weight_decay, ", must not be negative"));
  }
  return OkStatus();
}

Optimizer::Optimizer(const OptimizerConfig& config, Parallel& parallel,
                     std::span<const std::int64_t> sizes)
    : config_(config), parallel_(parallel) {
  std::int64_t blocks = 0;
  for (std::int64_t size : sizes) blocks += CeilDiv(size, kBlock);
  partials_.resize(static_cast<std::size_t>(blocks));
}

double Optimizer::GradientNorm(std::span<const ParameterSpan> tensors) {
  const auto blocks = static_cast<std::int64_t>(partials_.size());
  parallel_.Run([&](int worker) {
    const WorkRange mine = RangeOf(worker, parallel_.workers(), blocks);
    std::int64_t block = 0;
    for (const ParameterSpan& tensor : tensors) {
      for (std::int64_t at = 0; at < tensor.size; at += kBlock, ++block) {
        if (block < mine.begin || block >= mine.end) continue;
        partials_[static_cast<std::size_t>(block)] =
            SumOfSquares(tensor.gradient + at, std::min(kBlock, tensor.size - at));
      }
    }
    ATTUNE_CHECK(block == blocks);
  });
  double sum = 0;
  for (double partial : partials_) sum += partial;
  return std::sqrt(sum);
}

void Optimizer::Update(std::span<const ParameterSpan> tensors, std::int64_t update,
                       double learning_rate, double gradient_scale) {
  std::int64_t total = 0;
  for (const ParameterSpan& tensor : tensors) total += RoundUp(tensor.size, kGrain);
  parallel_.Run([&](int worker) {
    // Each worker takes one contiguous part of all tensors laid end to end.
    const WorkRange mine = RangeOf(worker, parallel_.workers(), total, kGrain);
    std::int64_t start = 0;
    for (const ParameterSpan& tensor : tensors) {
      const std::int64_t begin = std::max<std::int64_t>(mine.begin - start, 0);
      const std::int64_t end = std::min(mine.end - start, tensor.size);
      if (begin < end) {
        UpdateRange(config_, tensor, update, learning_rate, gradient_scale, begin, end);
      }
      start += RoundUp(tensor.size, kGrain);
    }
  });
}

void AccumulateGradient(Parallel& parallel, std::span<const float> x, bool replace,
                        std::span<float> sum) {
  ATTUNE_CHECK(x.size() == sum.size());
  parallel.Run([&](int worker) {
    const WorkRange mine =
        RangeOf(worker, parallel.workers(), static_cast<std::int64_t>(x.size()), kGrain);
    const float* __restrict from = x.data();
    float* __restrict to = sum.data();
    if (replace) {
      std::copy(from + mine.begin, from + mine.end, to + mine.begin);
    } else {
      for (std::int64_t i = mine.begin; i < mine.end; ++i) to[i] += from[i];
    }
  });
}

}  // namespace attune
