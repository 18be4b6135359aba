#include "cpu/kernels/rope.h"

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/rope.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// x0, x1 -> y0, y1, each [half], sines multiplied by `sign`.
HWY_INLINE void RotateHalf(const float* x0, const float* x1, const float* table, float sign,
                           std::int64_t half, float* y0, float* y1) {
  for (std::int64_t i = 0; i < half; i += kLanes) {
    const std::int64_t n = std::min(kLanes, half - i);
    const V cosine = LoadN(table + i, n);
    const V sine = hn::Mul(Set(sign), LoadN(table + half + i, n));
    const V a = LoadN(x0 + i, n);
    const V b = LoadN(x1 + i, n);
    StoreN(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)), y0 + i, n);
    StoreN(hn::MulAdd(a, sine, hn::Mul(b, cosine)), y1 + i, n);
  }
}

HWY_INLINE void RotateInterleaved(const float* x, const float* table, float sign, std::int64_t half,
                                  float* y) {
  std::int64_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; i + kLanes <= half; i += kLanes) {
    V a, b;
    hn::LoadInterleaved2(D(), x + 2 * i, a, b);
    const V cosine = Load(table + i);
    const V sine = hn::Mul(Set(sign), Load(table + half + i));
    hn::StoreInterleaved2(hn::NegMulAdd(b, sine, hn::Mul(a, cosine)),
                          hn::MulAdd(a, sine, hn::Mul(b, cosine)), D(), y + 2 * i);
  }
#endif
  for (; i < half; ++i) {
    const float cosine = table[i];
    const float sine = sign * table[half + i];
    const float a = x[2 * i];
    const float b = x[2 * i + 1];
    y[2 * i] = a * cosine - b * sine;
    y[2 * i + 1] = a * sine + b * cosine;
  }
}

void RopeImpl(const RopeArgs& args, const Worker& worker) {
  const std::int64_t half = args.head_dim / 2;
  const float sign = args.inverse ? -1.0f : 1.0f;
  const WorkRange range = worker.Range(args.tokens);
  for (std::int64_t t = range.begin; t < range.end; ++t) {
    const float* table = args.table + args.positions[t] * args.head_dim;
    for (std::int64_t head = 0; head < args.heads; ++head) {
      const float* x = args.x + t * args.x_stride + head * args.head_dim;
      float* y = args.y + t * args.y_stride + head * args.head_dim;
      if (args.mode == RopeMode::kRotateHalf) {
        RotateHalf(x, x + half, table, sign, half, y, y + half);
      } else {
        RotateInterleaved(x, table, sign, half, y);
      }
    }
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(Rope, RopeArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
