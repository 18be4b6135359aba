#include "cpu/kernels/softmax.h"

#include <limits>

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/softmax.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/row-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

struct TimesOp {
  V a;
  HWY_INLINE V operator()(V x) const { return hn::Mul(a, x); }
};
struct GradientOp {
  V dot;
  HWY_INLINE V operator()(V y, V dy) const { return hn::Mul(y, hn::Sub(dy, dot)); }
};

void SoftmaxImpl(const SoftmaxArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.x + row * args.x_stride;
    float* y = args.y + row * args.y_stride;
    const float sum = ExpRow(x, RowMax(x, args.columns), args.columns, y);
    const float* e = y;
    Map(0, args.columns, y, TimesOp{Set(1.0f / sum)}, e);
  }
}

void SoftmaxBackwardImpl(const SoftmaxBackwardArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* y = args.y + row * args.y_stride;
    const float* dy = args.dy + row * args.dy_stride;
    V sum = Zero();
    for (std::int64_t c = 0; c < args.columns; c += kLanes) {
      const std::int64_t n = std::min(kLanes, args.columns - c);
      sum = hn::MulAdd(LoadN(y + c, n), LoadN(dy + c, n), sum);
    }
    Map(0, args.columns, args.dx + row * args.dx_stride, GradientOp{Set(Sum(sum))}, y, dy);
  }
}

// The maximum by vectors, then the first place that holds it.
void ArgmaxImpl(const ArgmaxArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* x = args.x + row * args.x_stride;
    const float maximum = RowMax(x, args.columns);
    const float* at = std::find(x, x + args.columns, maximum);
    // Only NaNs are equal to nothing: compare one by one, skipping them.
    std::int64_t best = at - x;
    if (best == args.columns) {
      best = 0;
      for (std::int64_t c = 1; c < args.columns; ++c) {
        if (x[c] > x[best]) best = c;
      }
    }
    args.index[row] = static_cast<std::int32_t>(best);
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(Softmax, SoftmaxArgs);
ATTUNE_DISPATCH_KERNEL(SoftmaxBackward, SoftmaxBackwardArgs);
ATTUNE_DISPATCH_KERNEL(Argmax, ArgmaxArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
