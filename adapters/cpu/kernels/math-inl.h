// exp, expm1, tanh, erf and sigmoid on f32 vectors. Relative errors over all
// floats, as bounded by activation_test: exp 2e-7, tanh 5e-7, erf 5e-7,
// sigmoid 4e-7. NaN stays NaN.

#if defined(ATTUNE_CPU_KERNELS_MATH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_CPU_KERNELS_MATH_INL_H
#undef ATTUNE_CPU_KERNELS_MATH_INL_H
#else
#define ATTUNE_CPU_KERNELS_MATH_INL_H
#endif

#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// max(bound, x) and min(bound, x) that keep a NaN in x. x86 returns the second
// operand when either is a NaN; Highway's NEON and scalar maxima drop NaNs.
HWY_INLINE V AtLeast(float bound, V x) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Max(Set(bound), x);
#else
  return hn::IfThenElse(hn::Lt(x, Set(bound)), Set(bound), x);
#endif
}
HWY_INLINE V AtMost(float bound, V x) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  return hn::Min(Set(bound), x);
#else
  return hn::IfThenElse(hn::Lt(Set(bound), x), Set(bound), x);
#endif
}

// x = n ln 2 + r with |r| <= ln 2 / 2. The two constants are ln 2 in two
// pieces, the first with 9 trailing zero bits, so n * first is exact.
struct ExpReduction {
  V n;
  V r;
};
HWY_INLINE ExpReduction ReduceExp(V x) {
  const V n = hn::Round(hn::Mul(x, Set(1.44269504f)));
  V r = hn::NegMulAdd(n, Set(0.693145752f), x);
  r = hn::NegMulAdd(n, Set(1.42860677e-06f), r);
  return {n, r};
}

// exp(r) - 1 on |r| <= ln 2 / 2: r + r^2 p(r), p fitted by minimax to 4e-9.
HWY_INLINE V ReducedExpm1(V r) {
  V p = Set(1.39517173e-03f);
  p = hn::MulAdd(p, r, Set(8.36959841e-03f));
  p = hn::MulAdd(p, r, Set(4.16661873e-02f));
  p = hn::MulAdd(p, r, Set(1.66665129e-01f));
  p = hn::MulAdd(p, r, Set(5.00000010e-01f));
  return hn::MulAdd(hn::Mul(r, r), p, r);
}

// 2^n for integral n in [-127, 128]; 2^-127 comes out as 0, 2^128 as infinity.
HWY_INLINE V PowerOfTwo(V n) {
  const auto bits = hn::Add(hn::ConvertTo(DI(), n), hn::Set(DI(), 127));
  return hn::BitCast(D(), hn::ShiftLeft<23>(bits));
}

// For x <= 88 (or NaN), such as the x - max of a softmax; below -87.3 it is 0.
HWY_INLINE V ExpNonPositive(V x) {
  const ExpReduction e = ReduceExp(AtLeast(-88.0f, x));
  const V scale = PowerOfTwo(e.n);
  return hn::MulAdd(ReducedExpm1(e.r), scale, scale);
}

// For any x; results below about 2^-125 are flushed to 0.
HWY_INLINE V Exp(V x) {
  const ExpReduction e = ReduceExp(AtMost(89.0f, AtLeast(-87.0f, x)));
  // 2^128 has no float: double after scaling by half of it.
  const V scale = PowerOfTwo(hn::Sub(e.n, Set(1.0f)));
  const V half = hn::MulAdd(ReducedExpm1(e.r), scale, scale);
  return hn::Add(half, half);
}

// For x >= 0 (or NaN).
HWY_INLINE V Expm1NonNegative(V x) {
  const ExpReduction e = ReduceExp(AtMost(88.0f, x));
  const V scale = PowerOfTwo(e.n);
  return hn::MulAdd(ReducedExpm1(e.r), scale, hn::Sub(scale, Set(1.0f)));
}

HWY_INLINE V Tanh(V x) {
  // From 10 on it is 1 in f32.
  const V em1 = Expm1NonNegative(AtMost(20.0f, hn::Abs(hn::Add(x, x))));
  return hn::CopySign(hn::Div(em1, hn::Add(em1, Set(2.0f))), x);
}

HWY_INLINE V Sigmoid(V x) {
  const V one = Set(1.0f);
  return hn::Div(one, hn::Add(one, Exp(hn::Neg(x))));
}

// |x| < 1: x times a polynomial in x^2; else 1 - exp(-q(|x|)), q fitted to
// -log(erfc) on [1, 4], where erf reaches 1 in f32.
HWY_INLINE V Erf(V x) {
  const V a = AtMost(4.0f, hn::Abs(x));
  const V t = hn::Mul(a, a);
  V small = Set(7.88911954e-05f);
  small = hn::MulAdd(small, t, Set(-8.02084128e-04f));
  small = hn::MulAdd(small, t, Set(5.18953534e-03f));
  small = hn::MulAdd(small, t, Set(-2.68544446e-02f));
  small = hn::MulAdd(small, t, Set(1.12836002e-01f));
  small = hn::MulAdd(small, t, Set(-3.76126271e-01f));
  small = hn::MulAdd(small, t, Set(1.12837917f));
  small = hn::Mul(small, a);
  V q = Set(2.16868500e-05f);
  q = hn::MulAdd(q, a, Set(-4.41336377e-04f));
  q = hn::MulAdd(q, a, Set(4.20456188e-03f));
  q = hn::MulAdd(q, a, Set(-2.52082567e-02f));
  q = hn::MulAdd(q, a, Set(1.08418577e-01f));
  q = hn::MulAdd(q, a, Set(6.33219893e-01f));
  q = hn::MulAdd(q, a, Set(1.12957842f));
  q = hn::MulAdd(q, a, Set(-1.88040231e-04f));
  const V large = hn::Sub(Set(1.0f), ExpNonPositive(hn::Neg(q)));
  return hn::CopySign(hn::IfThenElse(hn::Lt(a, Set(1.0f)), small, large), x);
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
