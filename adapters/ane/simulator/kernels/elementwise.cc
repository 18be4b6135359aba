#include "ane/simulator/kernels/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ane/simulator/kernels/scalar_math.h"
#include "ane/simulator/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ane/simulator/kernels/elementwise.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "ane/simulator/kernels/half-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::ane::HWY_NAMESPACE {
namespace {

// --- Two operands ---

HWY_INLINE V Truth(M m) { return Or0(m, Splat(1)); }

template <BinaryOp kOp>
HWY_INLINE V Apply(V a, V b) {
  if constexpr (kOp == BinaryOp::kAdd) return hn::Add(a, b);
  if constexpr (kOp == BinaryOp::kSub) return hn::Sub(a, b);
  if constexpr (kOp == BinaryOp::kMul) return hn::Mul(a, b);
  if constexpr (kOp == BinaryOp::kDiv) return hn::Div(a, b);
  if constexpr (kOp == BinaryOp::kMaximum) return hn::Max(a, b);
  if constexpr (kOp == BinaryOp::kMinimum) return hn::Min(a, b);
  if constexpr (kOp == BinaryOp::kFloorDiv) return hn::Floor(hn::Div(a, b));
  if constexpr (kOp == BinaryOp::kMod) {
    return hn::Sub(a, hn::Mul(b, hn::Floor(hn::Div(a, b))));
  }
  if constexpr (kOp == BinaryOp::kLess) return Truth(hn::Lt(a, b));
  if constexpr (kOp == BinaryOp::kLessEqual) return Truth(hn::Le(a, b));
  if constexpr (kOp == BinaryOp::kGreater) return Truth(hn::Gt(a, b));
  if constexpr (kOp == BinaryOp::kGreaterEqual) return Truth(hn::Ge(a, b));
  if constexpr (kOp == BinaryOp::kEqual) return Truth(hn::Eq(a, b));
  if constexpr (kOp == BinaryOp::kNotEqual) return Truth(hn::Ne(a, b));
  const V zero = hn::Zero(D());
  if constexpr (kOp == BinaryOp::kAnd) {
    return Truth(hn::And(hn::Ne(a, zero), hn::Ne(b, zero)));
  }
  if constexpr (kOp == BinaryOp::kOr) return Truth(hn::Or(hn::Ne(a, zero), hn::Ne(b, zero)));
  if constexpr (kOp == BinaryOp::kXor) return Truth(hn::Xor(hn::Ne(a, zero), hn::Ne(b, zero)));
}

template <BinaryOp kOp, bool kHalf, bool kNoNan, RowSpread kSpread>
HWY_NOINLINE void BinaryLoop(const float* a, const float* b, float* z, std::int64_t n) {
  const auto read = [](const float* p, bool spread, std::int64_t i) {
    return spread ? Splat(*p) : Read(p + i);
  };
  std::int64_t i = 0;
  const V a0 = Splat(*a), b0 = Splat(*b);
  for (; i + kLanes <= n; i += kLanes) {
    const V x = kSpread == RowSpread::kLeft ? a0 : read(a, false, i);
    const V y = kSpread == RowSpread::kRight ? b0 : read(b, false, i);
    Write(Kept<kHalf, kNoNan>(Apply<kOp>(x, y)), z + i);
  }
  if (i == n) return;
  const V x = kSpread == RowSpread::kLeft ? a0 : ReadPart(a + i, n - i, 1);
  const V y = kSpread == RowSpread::kRight ? b0 : ReadPart(b + i, n - i, 1);
  WritePart(Kept<kHalf, kNoNan>(Apply<kOp>(x, y)), z + i, n - i);
}

template <BinaryOp kOp, bool kHalf, bool kNoNan>
void BinarySpread(RowSpread spread, const float* a, const float* b, float* z, std::int64_t n) {
  switch (spread) {
    case RowSpread::kNone:
      return BinaryLoop<kOp, kHalf, kNoNan, RowSpread::kNone>(a, b, z, n);
    case RowSpread::kLeft:
      return BinaryLoop<kOp, kHalf, kNoNan, RowSpread::kLeft>(a, b, z, n);
    case RowSpread::kRight:
      return BinaryLoop<kOp, kHalf, kNoNan, RowSpread::kRight>(a, b, z, n);
  }
}

template <BinaryOp kOp>
void BinaryRounded(RowSpread spread, const float* a, const float* b, float* z, std::int64_t n,
                   const Rounding& rounding) {
  if (!rounding.half) return BinarySpread<kOp, false, false>(spread, a, b, z, n);
  if (!rounding.no_nan) return BinarySpread<kOp, true, false>(spread, a, b, z, n);
  BinarySpread<kOp, true, true>(spread, a, b, z, n);
}

// Results that are 0 or 1 need no rounding.
template <BinaryOp kOp>
void BinaryTruth(RowSpread spread, const float* a, const float* b, float* z, std::int64_t n) {
  BinarySpread<kOp, false, false>(spread, a, b, z, n);
}

void PowRow(RowSpread spread, const float* a, const float* b, float* z, std::int64_t n,
            const Rounding& rounding) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float x = spread == RowSpread::kLeft ? *a : a[i];
    const float y = spread == RowSpread::kRight ? *b : b[i];
    z[i] = Power(x, y);
  }
  UnaryArgs copy;
  copy.rounding = rounding;
  UnaryRow(copy, z, z, n);
}

void BinaryRowImpl(BinaryOp op, RowSpread spread, const float* a, const float* b, float* z,
                   std::int64_t n, const Rounding& rounding) {
  if (n <= 0) return;
  switch (op) {
#define ATTUNE_ANE_ROUNDED(Op) \
  case BinaryOp::Op:           \
    return BinaryRounded<BinaryOp::Op>(spread, a, b, z, n, rounding)
#define ATTUNE_ANE_TRUTH(Op) \
  case BinaryOp::Op:         \
    return BinaryTruth<BinaryOp::Op>(spread, a, b, z, n)
    ATTUNE_ANE_ROUNDED(kAdd);
    ATTUNE_ANE_ROUNDED(kSub);
    ATTUNE_ANE_ROUNDED(kMul);
    ATTUNE_ANE_ROUNDED(kDiv);
    ATTUNE_ANE_ROUNDED(kMaximum);
    ATTUNE_ANE_ROUNDED(kMinimum);
    ATTUNE_ANE_ROUNDED(kFloorDiv);
    ATTUNE_ANE_ROUNDED(kMod);
    ATTUNE_ANE_TRUTH(kLess);
    ATTUNE_ANE_TRUTH(kLessEqual);
    ATTUNE_ANE_TRUTH(kGreater);
    ATTUNE_ANE_TRUTH(kGreaterEqual);
    ATTUNE_ANE_TRUTH(kEqual);
    ATTUNE_ANE_TRUTH(kNotEqual);
    ATTUNE_ANE_TRUTH(kAnd);
    ATTUNE_ANE_TRUTH(kOr);
    ATTUNE_ANE_TRUTH(kXor);
#undef ATTUNE_ANE_ROUNDED
#undef ATTUNE_ANE_TRUTH
    case BinaryOp::kPow:
      return PowRow(spread, a, b, z, n, rounding);
  }
}

// --- One operand ---

template <UnaryOp kOp>
HWY_INLINE V Apply(V x, V alpha, V beta) {
  const V zero = hn::Zero(D());
  if constexpr (kOp == UnaryOp::kCopy) return x;
  if constexpr (kOp == UnaryOp::kAbs) return hn::Abs(x);
  if constexpr (kOp == UnaryOp::kSquare) return hn::Mul(x, x);
  if constexpr (kOp == UnaryOp::kSqrt) return hn::Sqrt(x);
  if constexpr (kOp == UnaryOp::kExp) {
    // The polynomial's scaling wraps around far outside.
    return hn::IfThenElse(hn::Gt(x, Splat(88.7f)), Splat(std::numeric_limits<float>::infinity()),
                          hn::Exp(D(), hn::Max(x, Splat(-100.0f))));
  }
  if constexpr (kOp == UnaryOp::kInverse) return hn::Div(Splat(1), hn::Add(x, alpha));
  if constexpr (kOp == UnaryOp::kRelu) return hn::Max(x, zero);
  if constexpr (kOp == UnaryOp::kClip) return hn::Min(hn::Max(x, alpha), beta);
  if constexpr (kOp == UnaryOp::kLinear) return hn::Add(hn::Mul(x, alpha), beta);
  if constexpr (kOp == UnaryOp::kThreshold) return hn::Max(x, alpha);
  if constexpr (kOp == UnaryOp::kLeakyRelu) {
    return hn::IfThenElse(hn::Lt(x, zero), hn::Mul(x, alpha), x);
  }
}

template <UnaryOp kOp, bool kHalf, bool kNoNan>
HWY_NOINLINE void UnaryLoop(const UnaryArgs& args, const float* x, float* z, std::int64_t n) {
  const V alpha = Splat(args.alpha), beta = Splat(args.beta);
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Write(Kept<kHalf, kNoNan>(Apply<kOp>(Read(x + i), alpha, beta)), z + i);
  }
  if (i == n) return;
  const V v = Apply<kOp>(ReadPart(x + i, n - i), alpha, beta);
  WritePart(Kept<kHalf, kNoNan>(v), z + i, n - i);
}

template <UnaryOp kOp>
void UnaryRounded(const UnaryArgs& args, const float* x, float* z, std::int64_t n) {
  if (!args.rounding.half) return UnaryLoop<kOp, false, false>(args, x, z, n);
  if (!args.rounding.no_nan) return UnaryLoop<kOp, true, false>(args, x, z, n);
  UnaryLoop<kOp, true, true>(args, x, z, n);
}

void UnaryRowImpl(const UnaryArgs& args, const float* x, float* z, std::int64_t n) {
  if (n <= 0) return;
  switch (args.op) {
#define ATTUNE_ANE_UNARY(Op) \
  case UnaryOp::Op:          \
    return UnaryRounded<UnaryOp::Op>(args, x, z, n)
    ATTUNE_ANE_UNARY(kCopy);
    ATTUNE_ANE_UNARY(kAbs);
    ATTUNE_ANE_UNARY(kSquare);
    ATTUNE_ANE_UNARY(kSqrt);
    ATTUNE_ANE_UNARY(kExp);
    ATTUNE_ANE_UNARY(kInverse);
    ATTUNE_ANE_UNARY(kRelu);
    ATTUNE_ANE_UNARY(kClip);
    ATTUNE_ANE_UNARY(kLinear);
    ATTUNE_ANE_UNARY(kThreshold);
    ATTUNE_ANE_UNARY(kLeakyRelu);
#undef ATTUNE_ANE_UNARY
    default:
      break;
  }
  for (std::int64_t i = 0; i < n; ++i) z[i] = ScalarUnary(args, x[i]);
  UnaryRounded<UnaryOp::kCopy>(args, z, z, n);
}

void EnterRowImpl(const Rounding& rounding, const float* x, float* z, std::int64_t n) {
  const V infinity = Splat(std::numeric_limits<float>::infinity());
  const auto entered = [&](V v) {
    if (rounding.no_nan) v = hn::IfThenElse(hn::Eq(v, v), v, infinity);
    return rounding.half ? Half(v) : v;
  };
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) Write(entered(Read(x + i)), z + i);
  if (i < n) WritePart(entered(ReadPart(x + i, n - i)), z + i, n - i);
}

void SelectRowImpl(const float* condition, int condition_step, const float* a, int a_step,
                   const float* b, int b_step, float* z, std::int64_t n) {
  const auto read = [](const float* p, int step, std::int64_t i) {
    return step == 0 ? Splat(*p) : Read(p + i);
  };
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const M truth = hn::Ne(read(condition, condition_step, i), hn::Zero(D()));
    Write(hn::IfThenElse(truth, read(a, a_step, i), read(b, b_step, i)), z + i);
  }
  for (; i < n; ++i) {
    z[i] = condition[i * condition_step] != 0 ? a[i * a_step] : b[i * b_step];
  }
}

}  // namespace
}  // namespace attune::ane::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::ane {

HWY_EXPORT(BinaryRowImpl);
HWY_EXPORT(UnaryRowImpl);
HWY_EXPORT(SelectRowImpl);
HWY_EXPORT(EnterRowImpl);

void BinaryRow(BinaryOp op, RowSpread spread, const float* a, const float* b, float* z,
               std::int64_t n, const Rounding& rounding) {
  HWY_DYNAMIC_DISPATCH(BinaryRowImpl)(op, spread, a, b, z, n, rounding);
}
void UnaryRow(const UnaryArgs& args, const float* x, float* z, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(UnaryRowImpl)(args, x, z, n);
}
void EnterRow(const Rounding& rounding, const float* x, float* z, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(EnterRowImpl)(rounding, x, z, n);
}
void SelectRow(const float* condition, int condition_step, const float* a, int a_step,
               const float* b, int b_step, float* z, std::int64_t n) {
  HWY_DYNAMIC_DISPATCH(SelectRowImpl)(condition, condition_step, a, a_step, b, b_step, z, n);
}

}  // namespace attune::ane
#endif  // HWY_ONCE
