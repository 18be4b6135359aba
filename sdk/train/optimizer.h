// Optimizers over flat spans: AdamW (Loshchilov and Hutter, 2019) and SGD with
// momentum, by PyTorch's formulas. All storage is the caller's.
//
// Determinism: updates are elementwise and norms are summed over blocks of a
// fixed size in a fixed order, so no bit depends on the worker count.
// Threads: one call at a time; the work is shared over the Parallel port.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "ports/parallel.h"

namespace attune {

// NOTE: values are part of a checkpoint's configuration. Append, never renumber.
enum class OptimizerKind : std::uint8_t { kAdamW = 0, kSgd = 1 };

struct OptimizerConfig {
  OptimizerKind kind = OptimizerKind::kAdamW;

  // --- AdamW ---
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;

  // --- SGD ---
  double momentum = 0.9;

  // --- Both ---
  // Decoupled for AdamW (the parameter shrinks by rate * decay), part of the
  // gradient for SGD.
  double weight_decay = 0.0;

  // Moments kept for each parameter: 2 for AdamW, 1 or 0 for SGD.
  int moments() const {
    if (kind == OptimizerKind::kAdamW) return 2;
    return momentum > 0 ? 1 : 0;
  }
};

Status CheckOptimizer(const OptimizerConfig& config);

// One parameter tensor, with what the update reads and writes.
struct ParameterSpan {
  float* parameter = nullptr;
  const float* gradient = nullptr;
  float* first_moment = nullptr;   // Null if the optimizer keeps none.
  float* second_moment = nullptr;  // Null if the optimizer keeps one or none.
  std::int64_t size = 0;
  double rate_factor = 1.0;   // Multiplies the learning rate.
  double decay_factor = 1.0;  // Multiplies the weight decay.
};

class Optimizer {
 public:
  // `parallel` is not owned and must outlive this object. `sizes` are those of
  // the tensors that GradientNorm() will be given.
  Optimizer(const OptimizerConfig& config, Parallel& parallel, std::span<const std::int64_t> sizes);

  // sqrt of the sum of squares of all gradients; not finite exactly if one of
  // them is not.
  double GradientNorm(std::span<const ParameterSpan> tensors);

  // One update with gradient * gradient_scale. `update` counts from 1.
  void Update(std::span<const ParameterSpan> tensors, std::int64_t update, double learning_rate,
              double gradient_scale);

 private:
  OptimizerConfig config_;
  Parallel& parallel_;
  std::vector<double> partials_;  // Sums of squares, one a block.
};

// sum[i] = (replace ? 0 : sum[i]) + x[i], shared over `parallel`.
void AccumulateGradient(Parallel& parallel, std::span<const float> x, bool replace,
                        std::span<float> sum);

}  // namespace attune
