#include "cpu/kernels/activation.h"

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/activation.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/math-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

constexpr std::int64_t kGrain = 64;
constexpr float kSqrtHalf = 0.707106781f;
constexpr float kSqrtTwoOverPi = 0.797884561f;
constexpr float kInvSqrtTwoPi = 0.398942280f;
constexpr float kGeluCubic = 0.044715f;

struct SiluOp {
  static HWY_INLINE V Forward(V x) { return hn::Mul(x, Sigmoid(x)); }
  // s (1 + x (1 - s)).
  static HWY_INLINE V Derivative(V x) {
    const V s = Sigmoid(x);
    return hn::MulAdd(hn::Mul(s, x), hn::Sub(Set(1.0f), s), s);
  }
};

struct GeluOp {
  // (1 + erf(x / sqrt 2)) / 2.
  static HWY_INLINE V Cdf(V x) {
    return hn::MulAdd(Set(0.5f), Erf(hn::Mul(x, Set(kSqrtHalf))), Set(0.5f));
  }
  static HWY_INLINE V Forward(V x) { return hn::Mul(x, Cdf(x)); }
  // Cdf + x times the normal density.
  static HWY_INLINE V Derivative(V x) {
    const V e = ExpNonPositive(hn::Mul(Set(-0.5f), hn::Mul(x, x)));
    return hn::MulAdd(hn::Mul(x, Set(kInvSqrtTwoPi)), e, Cdf(x));
  }
};

struct GeluTanhOp {
  static HWY_INLINE V Inner(V x) {
    const V cubic = hn::MulAdd(hn::Mul(x, x), Set(kGeluCubic), Set(1.0f));
    return Tanh(hn::Mul(hn::Mul(x, Set(kSqrtTwoOverPi)), cubic));
  }
  static HWY_INLINE V Forward(V x) {
    const V half = hn::Mul(Set(0.5f), x);
    return hn::MulAdd(half, Inner(x), half);
  }
  // (1 + t) / 2 + x (1 - t^2) sqrt(2/pi) (1 + 3 * 0.044715 x^2) / 2.
  static HWY_INLINE V Derivative(V x) {
    const V t = Inner(x);
    const V half = Set(0.5f);
    const V slope = hn::MulAdd(hn::Mul(x, x), Set(3 * kGeluCubic * kSqrtTwoOverPi * 0.5f),
                               Set(kSqrtTwoOverPi * 0.5f));
    const V rest = hn::Mul(hn::Mul(x, slope), hn::NegMulAdd(t, t, Set(1.0f)));
    return hn::Add(hn::MulAdd(half, t, half), rest);
  }
};

struct ReluOp {
  static HWY_INLINE V Forward(V x) { return AtLeast(0.0f, x); }
  static HWY_INLINE V Derivative(V x) { return hn::IfThenElseZero(hn::Gt(x, Zero()), Set(1.0f)); }
};

struct TanhOp {
  static HWY_INLINE V Forward(V x) { return Tanh(x); }
  static HWY_INLINE V Derivative(V x) {
    const V t = Tanh(x);
    return hn::NegMulAdd(t, t, Set(1.0f));
  }
};

struct SigmoidOp {
  static HWY_INLINE V Forward(V x) { return Sigmoid(x); }
  static HWY_INLINE V Derivative(V x) {
    const V s = Sigmoid(x);
    return hn::Mul(s, hn::Sub(Set(1.0f), s));
  }
};

template <typename Op>
struct ForwardOf {
  HWY_INLINE V operator()(V x) const { return Op::Forward(x); }
};
template <typename Op>
struct BackwardOf {
  HWY_INLINE V operator()(V x, V dy) const { return hn::Mul(dy, Op::Derivative(x)); }
};

void ActivationForwardImpl(const ActivationArgs& args, const Worker& worker) {
  const WorkRange r = worker.Range(args.n, kGrain);
  switch (args.kind) {
    case Activation::kSilu:
      return Map(r.begin, r.end, args.y, ForwardOf<SiluOp>(), args.x);
    case Activation::kGelu:
      return Map(r.begin, r.end, args.y, ForwardOf<GeluOp>(), args.x);
    case Activation::kGeluTanh:
      return Map(r.begin, r.end, args.y, ForwardOf<GeluTanhOp>(), args.x);
    case Activation::kRelu:
      return Map(r.begin, r.end, args.y, ForwardOf<ReluOp>(), args.x);
    case Activation::kTanh:
      return Map(r.begin, r.end, args.y, ForwardOf<TanhOp>(), args.x);
    case Activation::kSigmoid:
      return Map(r.begin, r.end, args.y, ForwardOf<SigmoidOp>(), args.x);
  }
}

template <typename Op>
void Backward(const ActivationBackwardArgs& args, const WorkRange& range) {
  Map(range.begin, range.end, args.dx, BackwardOf<Op>(), args.x, args.dy);
}

void ActivationBackwardImpl(const ActivationBackwardArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.n, kGrain);
  switch (args.kind) {
    case Activation::kSilu:
      return Backward<SiluOp>(args, range);
    case Activation::kGelu:
      return Backward<GeluOp>(args, range);
    case Activation::kGeluTanh:
      return Backward<GeluTanhOp>(args, range);
    case Activation::kRelu:
      return Backward<ReluOp>(args, range);
    case Activation::kTanh:
      return Backward<TanhOp>(args, range);
    case Activation::kSigmoid:
      return Backward<SigmoidOp>(args, range);
  }
}

struct SwigluOp {
  HWY_INLINE V operator()(V gate, V up) const { return hn::Mul(SiluOp::Forward(gate), up); }
};

void SwigluForwardImpl(const SwigluArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    Map(0, args.columns, args.y + row * args.y_stride, SwigluOp(),
        args.gate + row * args.gate_stride, args.up + row * args.up_stride);
  }
}

// All three inputs are read before either output is written, so any of them
// may be overwritten.
void SwigluBackwardImpl(const SwigluBackwardArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.rows);
  for (std::int64_t row = range.begin; row < range.end; ++row) {
    const float* gate = args.gate + row * args.gate_stride;
    const float* up = args.up + row * args.up_stride;
    const float* dy = args.dy + row * args.dy_stride;
    float* dgate = args.dgate + row * args.dgate_stride;
    float* dup = args.dup + row * args.dup_stride;
    for (std::int64_t c = 0; c < args.columns; c += kLanes) {
      const std::int64_t n = std::min(kLanes, args.columns - c);
      const V g = LoadN(gate + c, n);
      const V d = LoadN(dy + c, n);
      const V u = LoadN(up + c, n);
      const V s = Sigmoid(g);
      const V silu = hn::Mul(g, s);
      const V slope = hn::MulAdd(silu, hn::Sub(Set(1.0f), s), s);
      StoreN(hn::Mul(hn::Mul(d, u), slope), dgate + c, n);
      StoreN(hn::Mul(d, silu), dup + c, n);
    }
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(ActivationForward, ActivationArgs);
ATTUNE_DISPATCH_KERNEL(ActivationBackward, ActivationBackwardArgs);
ATTUNE_DISPATCH_KERNEL(SwigluForward, SwigluArgs);
ATTUNE_DISPATCH_KERNEL(SwigluBackward, SwigluBackwardArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
