// Maximum and exponentials of one row, for softmax and cross-entropy.

#if defined(ATTUNE_CPU_KERNELS_ROW_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_CPU_KERNELS_ROW_INL_H
#undef ATTUNE_CPU_KERNELS_ROW_INL_H
#else
#define ATTUNE_CPU_KERNELS_ROW_INL_H
#endif

#include <limits>

#include "cpu/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// REQUIRES: n >= 1.
HWY_INLINE float RowMax(const float* x, std::int64_t n) {
  float scalar = x[0];
  std::int64_t i = 0;
  if (n >= 2 * kLanes) {
    V m0 = Load(x), m1 = Load(x + kLanes);
    for (i = 2 * kLanes; i + 2 * kLanes <= n; i += 2 * kLanes) {
      m0 = hn::Max(m0, Load(x + i));
      m1 = hn::Max(m1, Load(x + i + kLanes));
    }
    scalar = Max(hn::Max(m0, m1));
  }
  for (; i < n; ++i) scalar = std::max(scalar, x[i]);
  return scalar;
}

// Sum of exp(x - maximum), without keeping the terms.
HWY_INLINE float SumExp(const float* x, float maximum, std::int64_t n) {
  const V shift = Set(maximum);
  V s0 = Zero(), s1 = Zero();
  std::int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    s0 = hn::Add(s0, ExpNonPositive(hn::Sub(Load(x + i), shift)));
    s1 = hn::Add(s1, ExpNonPositive(hn::Sub(Load(x + i + kLanes), shift)));
  }
  HWY_ALIGN float tail[kLanes];
  float sum = Sum(hn::Add(s0, s1));
  for (; i < n; i += kLanes) {
    const std::int64_t left = std::min(kLanes, n - i);
    hn::Store(ExpNonPositive(hn::Sub(LoadN(x + i, left), shift)), D(), tail);
    for (std::int64_t k = 0; k < left; ++k) sum += tail[k];
  }
  return sum;
}

// y = exp(x - maximum); returns the sum of y. y may be x.
HWY_INLINE float ExpRow(const float* x, float maximum, std::int64_t n, float* y) {
  const V shift = Set(maximum);
  V s0 = Zero();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const V e = ExpNonPositive(hn::Sub(Load(x + i), shift));
    Store(e, y + i);
    s0 = hn::Add(s0, e);
  }
  float sum = Sum(s0);
  if (i < n) {
    StoreN(ExpNonPositive(hn::Sub(LoadN(x + i, n - i), shift)), y + i, n - i);
    for (; i < n; ++i) sum += y[i];
  }
  return sum;
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
