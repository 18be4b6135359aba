#include "ane/simulator/kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ane/simulator/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ane/simulator/kernels/reduce.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "ane/simulator/kernels/half-inl.h"
#include "hwy/contrib/math/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::ane::HWY_NAMESPACE {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
using DU = hn::RebindToUnsigned<D>;

// To fp16 with ties away from zero.
HWY_INLINE V HalfTiesUp(V v) {
  const auto bits = hn::BitCast(DU(), v);
  // fp16 keeps 10 of the 23 bits.
  const auto rounded = hn::AndNot(hn::Set(DU(), 0x1fffu), hn::Add(bits, hn::Set(DU(), 0x1000u)));
  const M normal = hn::Ge(hn::Abs(v), Splat(0x1p-14f));
  return Half(hn::IfThenElse(normal, hn::BitCast(D(), rounded), v));
}

// The i-th terms of kLanes groups, one a lane: neighbours when the axis is not the
// last, else rows n apart.
struct Terms {
  const float* x;
  std::int64_t step;   // From term to term.
  std::int64_t apart;  // From lane to lane.
  std::int64_t lanes;  // In use.

  HWY_INLINE V operator()(std::int64_t i) const {
    const float* p = x + i * step;
    if (apart == 1 && lanes == kLanes) return Read(p);
    HWY_ALIGN float buffer[kLanes] = {};
    for (std::int64_t lane = 0; lane < lanes; ++lane) buffer[lane] = p[lane * apart];
    return hn::Load(D(), buffer);
  }
};

HWY_INLINE V Squared(const ReduceArgs& args, V v) {
  const V square = hn::Mul(v, v);
  return args.narrow ? Half(square) : square;
}

template <typename Term>
HWY_INLINE V SumOf(const ReduceArgs& args, const Term& term) {
  V sum = hn::Zero(D());
  for (std::int64_t i = 0; i < args.n; ++i) {
    sum = hn::Add(sum, term(i));
    if (args.narrow) sum = args.ties_up ? HalfTiesUp(sum) : Half(sum);
  }
  return sum;
}

template <typename Fold>
HWY_INLINE V FoldOf(const ReduceArgs& args, const Terms& terms, const Fold& fold) {
  V value = terms(0);
  for (std::int64_t i = 1; i < args.n; ++i) value = fold(value, terms(i));
  return value;
}

V LargestOf(const ReduceArgs& args, const Terms& terms) {
  return FoldOf(args, terms, [](V a, V b) { return hn::Max(a, b); });
}

V ArgOf(const ReduceArgs& args, const Terms& terms, bool largest) {
  V best = terms(0);
  V at = hn::Zero(D());
  for (std::int64_t i = 1; i < args.n; ++i) {
    const V v = terms(i);
    const M better = largest ? hn::Gt(v, best) : hn::Lt(v, best);
    best = hn::IfThenElse(better, v, best);
    at = hn::IfThenElse(better, Splat(static_cast<float>(i)), at);
  }
  return at;
}

V LogSumExp(const ReduceArgs& args, const Terms& terms) {
  const V largest = LargestOf(args, terms);
  const V sum = SumOf(args, [&](std::int64_t i) {
    return hn::Exp(D(), hn::Max(hn::Sub(terms(i), largest), Splat(-100)));
  });
  return hn::Add(hn::Log(D(), sum), largest);
}

V Reduced(const ReduceArgs& args, const Terms& terms) {
  const V count = Splat(static_cast<float>(args.n));
  switch (args.op) {
    case ReduceOp::kSum:
      return SumOf(args, terms);
    case ReduceOp::kMean:
      return hn::Div(SumOf(args, terms), count);
    case ReduceOp::kMax:
      return LargestOf(args, terms);
    case ReduceOp::kMin:
      return FoldOf(args, terms, [](V a, V b) { return hn::Min(a, b); });
    case ReduceOp::kProduct:
      return FoldOf(args, terms, [&](V a, V b) {
        const V p = hn::Mul(a, b);
        return args.narrow ? Half(p) : p;
      });
    case ReduceOp::kSumSquare:
      return SumOf(args, [&](std::int64_t i) { return Squared(args, terms(i)); });
    case ReduceOp::kL1:
      return SumOf(args, [&](std::int64_t i) { return hn::Abs(terms(i)); });
    case ReduceOp::kL2:
      return hn::Sqrt(SumOf(args, [&](std::int64_t i) { return Squared(args, terms(i)); }));
    case ReduceOp::kLogSum:
      return hn::Log(D(), SumOf(args, terms));
    case ReduceOp::kLogSumExp:
      return LogSumExp(args, terms);
    case ReduceOp::kArgMax:
      return ArgOf(args, terms, true);
    case ReduceOp::kArgMin:
      return ArgOf(args, terms, false);
  }
  return hn::Zero(D());
}

HWY_INLINE V Rounded(V v, const Rounding& rounding) {
  if (!rounding.half) return v;
  return rounding.no_nan ? Kept<true, true>(v) : Kept<true, false>(v);
}

// Runs of groups that lie side by side: [begin, end) cut where inner ends.
template <typename Body>
void ForRuns(std::int64_t inner, std::int64_t begin, std::int64_t end, const Body& body) {
  for (std::int64_t g = begin; g < end;) {
    const std::int64_t left = inner == 1 ? end - g : inner - g % inner;
    const std::int64_t lanes = std::min({left, kLanes, end - g});
    body(g, lanes);
    g += lanes;
  }
}

void ReduceGroupsImpl(const ReduceArgs& args, const float* x, float* z, std::int64_t begin,
                      std::int64_t end) {
  ForRuns(args.inner, begin, end, [&](std::int64_t g, std::int64_t lanes) {
    const float* first = x + g / args.inner * args.n * args.inner + g % args.inner;
    const Terms terms = {first, args.inner, args.inner == 1 ? args.n : 1, lanes};
    WritePart(Rounded(Reduced(args, terms), args.rounding), z + g, lanes);
  });
}

// exp(x - largest) where both may be infinite.
HWY_INLINE V Weight(V x, V largest) {
  const V d = hn::Sub(x, largest);
  const V at_most_0 = Or0(hn::Eq(d, d), d);
  return hn::Exp(D(), hn::Max(at_most_0, Splat(-100)));
}

void SoftmaxRow(const SoftmaxArgs& args, const float* x, float* z) {
  const std::int64_t whole = args.n / kLanes * kLanes;
  const std::int64_t rest = args.n - whole;
  V most = Splat(-kInfinity);
  for (std::int64_t i = 0; i < whole; i += kLanes) most = hn::Max(most, Read(x + i));
  if (rest > 0) most = hn::Max(most, ReadPart(x + whole, rest, -kInfinity));
  const V largest = hn::MaxOfLanes(D(), most);
  V sums = hn::Zero(D());
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    const V e = Weight(Read(x + i), largest);
    sums = hn::Add(sums, e);
    Write(e, z + i);
  }
  float sum = hn::GetLane(hn::SumOfLanes(D(), sums));
  if (rest > 0) {
    WritePart(Weight(ReadPart(x + whole, rest), largest), z + whole, rest);
    for (std::int64_t i = whole; i < args.n; ++i) sum += z[i];
  }
  const V total = Splat(sum);
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    Write(Rounded(hn::Div(Read(z + i), total), args.rounding), z + i);
  }
  if (rest > 0) {
    const V v = hn::Div(ReadPart(z + whole, rest), total);
    WritePart(Rounded(v, args.rounding), z + whole, rest);
  }
}

void SoftmaxColumns(const SoftmaxArgs& args, const float* x, float* z, std::int64_t lanes) {
  const Terms terms = {x, args.inner, 1, lanes};
  V largest = terms(0);
  for (std::int64_t i = 1; i < args.n; ++i) largest = hn::Max(largest, terms(i));
  V sum = hn::Zero(D());
  for (std::int64_t i = 0; i < args.n; ++i) {
    const V e = Weight(terms(i), largest);
    sum = hn::Add(sum, e);
    WritePart(e, z + i * args.inner, lanes);
  }
  const Terms weights = {z, args.inner, 1, lanes};
  for (std::int64_t i = 0; i < args.n; ++i) {
    WritePart(Rounded(hn::Div(weights(i), sum), args.rounding), z + i * args.inner, lanes);
  }
}

void SoftmaxGroupsImpl(const SoftmaxArgs& args, const float* x, float* z, std::int64_t begin,
                       std::int64_t end) {
  if (args.inner == 1) {
    for (std::int64_t g = begin; g < end; ++g) SoftmaxRow(args, x + g * args.n, z + g * args.n);
    return;
  }
  ForRuns(args.inner, begin, end, [&](std::int64_t g, std::int64_t lanes) {
    const std::int64_t first = g / args.inner * args.n * args.inner + g % args.inner;
    SoftmaxColumns(args, x + first, z + first, lanes);
  });
}

}  // namespace
}  // namespace attune::ane::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::ane {

HWY_EXPORT(ReduceGroupsImpl);
HWY_EXPORT(SoftmaxGroupsImpl);

void ReduceGroups(const ReduceArgs& args, const float* x, float* z, std::int64_t begin,
                  std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(ReduceGroupsImpl)(args, x, z, begin, end);
}
void SoftmaxGroups(const SoftmaxArgs& args, const float* x, float* z, std::int64_t begin,
                   std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(SoftmaxGroupsImpl)(args, x, z, begin, end);
}

}  // namespace attune::ane
#endif  // HWY_ONCE
