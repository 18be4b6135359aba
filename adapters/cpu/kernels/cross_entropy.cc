#include "cpu/kernels/cross_entropy.h"

#include <cmath>
#include <limits>

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/cross_entropy.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// Columns whose maximum is taken before their exponentials: 16 KiB, so the
// second look finds them in the L1 cache and the logits are read once.
constexpr std::int64_t kBlock = 4096;

struct Running {
  float maximum = -std::numeric_limits<float>::infinity();
  float sum = 0.0f;
};

// Folds x[n] into the running maximum and sum of exponentials.
HWY_INLINE Running Fold(Running state, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t left = std::min(kBlock, n - i);
    const float maximum = std::max(state.maximum, RowMax(x + i, left));
    // Nothing but -infinity yet: exp(-inf - -inf) would be NaN.
    if (maximum == -std::numeric_limits<float>::infinity()) continue;
    state.sum = state.sum * std::exp(state.maximum - maximum) + SumExp(x + i, maximum, left);
    state.maximum = maximum;
  }
  return state;
}

HWY_INLINE float WeightOf(const float* weights, std::int64_t row) {
  return weights == nullptr ? 1.0f : weights[row];
}

void CrossEntropyForwardImpl(const CrossEntropyArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.logits + row * args.stride;
    const Running state = Fold({}, x, args.vocab);
    const float lse = state.maximum + std::log(state.sum);
    const std::int32_t label = args.labels[row];
    args.lse[row] = lse;
    args.loss[row] = label < 0 ? 0.0f : WeightOf(args.weights, row) * (lse - x[label]);
  }
}

void CrossEntropyChunkImpl(const CrossEntropyChunkArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.logits + row * args.stride;
    Running state;
    if (!args.first_chunk) state = {args.maximum[row], args.sum[row]};
    state = Fold(state, x, args.columns);
    args.maximum[row] = state.maximum;
    args.sum[row] = state.sum;
    if (args.first_chunk) args.label_logit[row] = 0.0f;
    const std::int64_t at = args.labels[row] - args.first_column;
    if (args.labels[row] >= 0 && at >= 0 && at < args.columns) args.label_logit[row] = x[at];
  }
}

// logits = (exp(logits - lse)) * factor, then the label's share is taken off.
HWY_INLINE void GradientRow(float* x, std::int64_t n, float lse, float factor) {
  const V shift = Set(lse);
  const V scale = Set(factor);
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const std::int64_t left = std::min(kLanes, n - i);
    const V z = hn::Sub(LoadN(x + i, left), shift);
    StoreN(hn::Mul(ExpNonPositive(z), scale), x + i, left);
  }
}

void CrossEntropyGradientImpl(const CrossEntropyGradientArgs& args, const Worker& worker) {
  const float scale = args.scale_pointer == nullptr ? args.scale : args.scale * *args.scale_pointer;
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    float* x = args.logits + row * args.stride;
    if (args.labels[row] < 0) {
      std::fill(x, x + args.columns, 0.0f);
      continue;
    }
    const float factor = WeightOf(args.weights, row) * scale;
    GradientRow(x, args.columns, args.lse[row], factor);
    const std::int64_t at = args.labels[row] - args.first_column;
    if (at >= 0 && at < args.columns) x[at] -= factor;
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(CrossEntropyForward, CrossEntropyArgs);
ATTUNE_DISPATCH_KERNEL(CrossEntropyChunk, CrossEntropyChunkArgs);
ATTUNE_DISPATCH_KERNEL(CrossEntropyGradient, CrossEntropyGradientArgs);

void CrossEntropyFinish(const CrossEntropyFinishArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float lse = args.maximum[row] + std::log(args.sum[row]);
    const float weight = args.weights == nullptr ? 1.0f : args.weights[row];
    const float loss = args.labels[row] < 0 ? 0.0f : weight * (lse - args.label_logit[row]);
    args.lse[row] = lse;
    args.loss[row] = loss;
  }
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
