#include "cpu/kernels/norm.h"

#include <cmath>

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/norm.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

struct RowStatistics {
  float mean = 0.0f;
  float rstd = 0.0f;
};

// Sum over i < n of op(inputs[i]...), in four accumulators to hide latency.
template <typename Op, typename... Inputs>
HWY_INLINE float Reduce(std::int64_t n, const Op& op, const Inputs*... inputs) {
  V s0 = Zero(), s1 = Zero(), s2 = Zero(), s3 = Zero();
  std::int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    s0 = op(s0, Load(inputs + i)...);
    s1 = op(s1, Load(inputs + i + kLanes)...);
    s2 = op(s2, Load(inputs + i + 2 * kLanes)...);
    s3 = op(s3, Load(inputs + i + 3 * kLanes)...);
  }
  for (; i + kLanes <= n; i += kLanes) s0 = op(s0, Load(inputs + i)...);
  if (i < n) s1 = op(s1, LoadN(inputs + i, n - i)...);
  return Sum(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)));
}

struct PlusOp {
  HWY_INLINE V operator()(V sum, V x) const { return hn::Add(sum, x); }
};
struct SquareOp {
  HWY_INLINE V operator()(V sum, V x) const { return hn::MulAdd(x, x, sum); }
};
struct DotOp {
  HWY_INLINE V operator()(V sum, V x, V y) const { return hn::MulAdd(x, y, sum); }
};
struct Dot3Op {
  HWY_INLINE V operator()(V sum, V x, V y, V z) const { return hn::MulAdd(hn::Mul(x, y), z, sum); }
};

float RmsRstd(const float* x, std::int64_t columns, float epsilon) {
  const float squares = Reduce(columns, SquareOp(), x);
  return 1.0f / std::sqrt(squares / static_cast<float>(columns) + epsilon);
}

// Two passes: the sum of squares about the mean does not cancel.
RowStatistics LayerStatistics(const float* x, std::int64_t columns, float epsilon) {
  const auto n = static_cast<float>(columns);
  const float mean = Reduce(columns, PlusOp(), x) / n;
  const V shift = Set(mean);
  V sum0 = Zero(), sum1 = Zero();
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= columns; c += 2 * kLanes) {
    const V d0 = hn::Sub(Load(x + c), shift);
    const V d1 = hn::Sub(Load(x + c + kLanes), shift);
    sum0 = hn::MulAdd(d0, d0, sum0);
    sum1 = hn::MulAdd(d1, d1, sum1);
  }
  float squares = Sum(hn::Add(sum0, sum1));
  for (; c < columns; ++c) squares += (x[c] - mean) * (x[c] - mean);
  return {mean, 1.0f / std::sqrt(squares / n + epsilon)};
}

struct ScaleByOp {
  V a;
  HWY_INLINE V operator()(V x, V w) const { return hn::Mul(hn::Mul(x, a), w); }
};
struct NormalizeOp {
  V mean, rstd;
  HWY_INLINE V operator()(V x, V w) const { return hn::Mul(hn::Mul(hn::Sub(x, mean), rstd), w); }
  HWY_INLINE V operator()(V x, V w, V b) const {
    return hn::MulAdd(hn::Mul(hn::Sub(x, mean), rstd), w, b);
  }
};

void RmsNormForwardImpl(const RmsNormArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.x + row * args.columns;
    const float rstd = RmsRstd(x, args.columns, args.epsilon);
    if (args.rstd != nullptr) args.rstd[row] = rstd;
    Map(0, args.columns, args.y + row * args.columns, ScaleByOp{Set(rstd)}, x, args.weight);
  }
}

void LayerNormForwardImpl(const LayerNormArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.x + row * args.columns;
    float* y = args.y + row * args.columns;
    const RowStatistics s = LayerStatistics(x, args.columns, args.epsilon);
    if (args.mean != nullptr) args.mean[row] = s.mean;
    if (args.rstd != nullptr) args.rstd[row] = s.rstd;
    const NormalizeOp op{Set(s.mean), Set(s.rstd)};
    if (args.bias != nullptr) {
      Map(0, args.columns, y, op, x, args.weight, args.bias);
    } else {
      Map(0, args.columns, y, op, x, args.weight);
    }
  }
}

// What both backward passes share. RMSNorm has mean 0 and no mean of g.
struct BackwardRow {
  V mean, rstd;
  V mean_g;   // mean(g), 0 for RMSNorm
  V mean_gx;  // mean(g * xh)

  HWY_INLINE V operator()(V x, V w, V dy) const {
    const V xh = hn::Mul(hn::Sub(x, mean), rstd);
    const V g = hn::Sub(hn::Mul(dy, w), mean_g);
    return hn::Mul(rstd, hn::NegMulAdd(xh, mean_gx, g));
  }
  HWY_INLINE V operator()(V x, V w, V dy, V add) const { return hn::Add((*this)(x, w, dy), add); }
};

// dweight and dbias for 2 vectors of columns over all rows.
template <typename Args>
void WeightGradient(const Args& args, const float* mean, const float* rstd, float* dweight,
                    float* dbias, std::int64_t column, std::int64_t n) {
  V dw = Zero(), db = Zero();
  const float* x = args.x + column;
  const float* dy = args.dy + column;
  for (std::int64_t row = 0; row < args.rows; ++row) {
    const V d = LoadN(dy + row * args.columns, n);
    const V shifted =
        hn::Sub(LoadN(x + row * args.columns, n), Set(mean == nullptr ? 0.0f : mean[row]));
    dw = hn::MulAdd(hn::Mul(shifted, Set(rstd[row])), d, dw);
    db = hn::Add(db, d);
  }
  const bool add = args.accumulate_dweight;
  if (dweight != nullptr) {
    StoreN(add ? hn::Add(dw, LoadN(dweight + column, n)) : dw, dweight + column, n);
  }
  if (dbias != nullptr) {
    StoreN(add ? hn::Add(db, LoadN(dbias + column, n)) : db, dbias + column, n);
  }
}

template <typename Args>
void WeightGradients(const Args& args, const float* mean, const float* rstd, float* dweight,
                     float* dbias, const Worker& worker) {
  const WorkRange range = worker.Range(args.columns, kLanes);
  for (std::int64_t c = range.begin; c < range.end; c += kLanes) {
    WeightGradient(args, mean, rstd, dweight, dbias, c, std::min(kLanes, range.end - c));
  }
}

template <typename Args>
void BackwardOneRow(const Args& args, const BackwardRow& op, std::int64_t row) {
  const std::int64_t at = row * args.columns;
  if (args.add != nullptr) {
    Map(0, args.columns, args.dx + at, op, args.x + at, args.weight, args.dy + at, args.add + at);
  } else {
    Map(0, args.columns, args.dx + at, op, args.x + at, args.weight, args.dy + at);
  }
}

void RmsNormBackwardImpl(const RmsNormBackwardArgs& args, const Worker& worker) {
  const auto n = static_cast<float>(args.columns);
  const float* all_rstd = args.rstd;
  if (all_rstd == nullptr && args.dweight != nullptr) {
    // The weight gradient needs every row's, this worker's rows or not.
    auto* computed = reinterpret_cast<float*>(worker.scratch.data());
    for (std::int64_t row = 0; row < args.rows; ++row) {
      computed[row] = RmsRstd(args.x + row * args.columns, args.columns, args.epsilon);
    }
    all_rstd = computed;
  }
  const WorkRange range = worker.Range(args.dx != nullptr ? args.rows : 0);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const std::int64_t at = row * args.columns;
    const float rstd =
        all_rstd != nullptr ? all_rstd[row] : RmsRstd(args.x + at, args.columns, args.epsilon);
    const float gx =
        Reduce(args.columns, Dot3Op(), args.x + at, args.weight, args.dy + at) * rstd / n;
    BackwardOneRow(args, {Zero(), Set(rstd), Zero(), Set(gx)}, row);
  }
  if (args.dweight != nullptr) {
    WeightGradients(args, nullptr, all_rstd, args.dweight, nullptr, worker);
  }
}

void LayerNormBackwardImpl(const LayerNormBackwardArgs& args, const Worker& worker) {
  const auto n = static_cast<float>(args.columns);
  const float* means = args.mean;
  const float* rstds = args.rstd;
  const bool wants_weight = args.dweight != nullptr || args.dbias != nullptr;
  if (rstds == nullptr && wants_weight) {
    auto* computed = reinterpret_cast<float*>(worker.scratch.data());
    for (std::int64_t row = 0; row < args.rows; ++row) {
      const RowStatistics s =
          LayerStatistics(args.x + row * args.columns, args.columns, args.epsilon);
      computed[row] = s.mean;
      computed[args.rows + row] = s.rstd;
    }
    means = computed;
    rstds = computed + args.rows;
  }
  const WorkRange range = worker.Range(args.dx != nullptr ? args.rows : 0);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const std::int64_t at = row * args.columns;
    const RowStatistics s = rstds != nullptr
                                ? RowStatistics{means[row], rstds[row]}
                                : LayerStatistics(args.x + at, args.columns, args.epsilon);
    const float g = Reduce(args.columns, DotOp(), args.weight, args.dy + at) / n;
    const float gx = Reduce(args.columns, Dot3Op(), args.x + at, args.weight, args.dy + at) / n;
    // mean(g * xh) = rstd * (mean(g x) - mean * mean(g)).
    const float mean_gx = s.rstd * (gx - s.mean * g);
    BackwardOneRow(args, {Set(s.mean), Set(s.rstd), Set(g), Set(mean_gx)}, row);
  }
  if (wants_weight) WeightGradients(args, means, rstds, args.dweight, args.dbias, worker);
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(RmsNormForward, RmsNormArgs);
ATTUNE_DISPATCH_KERNEL(RmsNormBackward, RmsNormBackwardArgs);
ATTUNE_DISPATCH_KERNEL(LayerNormForward, LayerNormArgs);
ATTUNE_DISPATCH_KERNEL(LayerNormBackward, LayerNormBackwardArgs);

std::size_t RmsNormBackwardScratchBytes(const RmsNormBackwardArgs& args) {
  const bool needed = args.rstd == nullptr && args.dweight != nullptr;
  return needed ? static_cast<std::size_t>(args.rows) * sizeof(float) : 0;
}

std::size_t LayerNormBackwardScratchBytes(const LayerNormBackwardArgs& args) {
  const bool needed = args.rstd == nullptr && (args.dweight != nullptr || args.dbias != nullptr);
  return needed ? static_cast<std::size_t>(args.rows) * 2 * sizeof(float) : 0;
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
