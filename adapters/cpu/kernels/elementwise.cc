#include "cpu/kernels/elementwise.h"

#include <cstring>

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/elementwise.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// Shares begin on a cache line of the output when the arrays do.
constexpr std::int64_t kGrain = 64;

struct AddOp {
  HWY_INLINE V operator()(V x, V y) const { return hn::Add(x, y); }
};
struct MulOp {
  HWY_INLINE V operator()(V x, V y) const { return hn::Mul(x, y); }
};
struct ScaleOp {
  V a;
  HWY_INLINE V operator()(V x) const { return hn::Mul(a, x); }
};
struct AxpyOp {
  V a;
  HWY_INLINE V operator()(V z, V x) const { return hn::MulAdd(a, x, z); }
};

void AddImpl(const BinaryArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  Map(range.begin, range.end, args.z, AddOp(), args.x, args.y);
}

void MulImpl(const BinaryArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  Map(range.begin, range.end, args.z, MulOp(), args.x, args.y);
}

float FactorOf(const ScaleArgs& args) {
  return args.a_pointer == nullptr ? args.a : args.a * *args.a_pointer;
}

void ScaleImpl(const ScaleArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  Map(range.begin, range.end, args.z, ScaleOp{Set(FactorOf(args))}, args.x);
}

void AxpyImpl(const ScaleArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  const float* z = args.z;
  Map(range.begin, range.end, args.z, AxpyOp{Set(FactorOf(args))}, z, args.x);
}

void FillImpl(const FillArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  std::fill(args.z + range.begin, args.z + range.end, args.value);
}

void AddBiasImpl(const AddBiasArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const std::int64_t at = row * args.columns;
    Map(0, args.columns, args.z + at, AddOp(), args.x + at, args.bias);
  }
}

// Four vectors of columns at a time: each row then gives whole cache lines.
void SumColumns(const ColumnSumArgs& args, std::int64_t column, std::int64_t n) {
  V sums[4] = {Zero(), Zero(), Zero(), Zero()};
  const float* x = args.x + column;
  for (std::int64_t row = 0; row < args.rows; ++row, x += args.x_stride) {
    ATTUNE_UNROLL
    for (int v = 0; v < 4; ++v) {
      const std::int64_t left = n - v * kLanes;
      if (left >= kLanes) {
        sums[v] = hn::Add(sums[v], Load(x + v * kLanes));
      } else if (left > 0) {
        sums[v] = hn::Add(sums[v], LoadN(x + v * kLanes, left));
      }
    }
  }
  float* sum = args.sum + column;
  ATTUNE_UNROLL
  for (int v = 0; v < 4; ++v) {
    const std::int64_t left = std::min(kLanes, n - v * kLanes);
    if (left <= 0) break;
    if (args.accumulate) sums[v] = hn::Add(sums[v], LoadN(sum + v * kLanes, left));
    StoreN(sums[v], sum + v * kLanes, left);
  }
}

void ColumnSumImpl(const ColumnSumArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.columns, 4 * kLanes);
  for (std::int64_t c = range.begin; c < range.end; c += 4 * kLanes) {
    SumColumns(args, c, std::min(4 * kLanes, range.end - c));
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(Add, BinaryArgs);
ATTUNE_DISPATCH_KERNEL(Mul, BinaryArgs);
ATTUNE_DISPATCH_KERNEL(Scale, ScaleArgs);
ATTUNE_DISPATCH_KERNEL(Axpy, ScaleArgs);
ATTUNE_DISPATCH_KERNEL(Fill, FillArgs);
ATTUNE_DISPATCH_KERNEL(AddBias, AddBiasArgs);
ATTUNE_DISPATCH_KERNEL(ColumnSum, ColumnSumArgs);

void Copy(const CopyArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  const auto bytes = static_cast<std::size_t>(args.columns) * sizeof(float);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    std::memmove(args.z + row * args.z_stride, args.x + row * args.x_stride, bytes);
  }
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
