// Elementwise ops and activations. The device's own activations are tables with errors
// near 1e-2; these are made of exp, which is accurate, and divisions. Each form stays
// finite wherever x is: exp may overflow to infinity, but only below a fraction.

#include <cmath>
#include <utility>

#include "ane/compiler/lowering/rules.h"
#include "base/check.h"

namespace attune::ane {
namespace {

constexpr double kSqrt2OverPi = 0.7978845608028654;
constexpr double kGeluCubic = 0.044715;
// Below the smallest number of fp16 that is not 0, above which |x| / |x| is 1.
constexpr double kTiny = 0x1p-24;
// Where every activation has long reached its asymptote, and polynomials are small.
constexpr double kFlat = 12.0;

// 1 / (1 + exp(-x)).
TensorId Sigmoid(RegionBuilder& b, TensorId x) {
  return b.Div(1.0, b.Add(b.Exp(b.Mul(x, -1.0)), 1.0));
}

TensorId Silu(RegionBuilder& b, TensorId x) { return b.Div(x, b.Add(b.Exp(b.Mul(x, -1.0)), 1.0)); }

// s + x s (1 - s), s the sigmoid.
TensorId SiluSlope(RegionBuilder& b, TensorId x) {
  const TensorId s = Sigmoid(b, x);
  return b.Add(b.Mul(b.Mul(x, s), b.Sub(1.0, s)), s);
}

// 1 - 2 / (1 + exp(2 x)): exactly 0 at 0, so that padding stays clean.
TensorId Tanh(RegionBuilder& b, TensorId x) {
  return b.Sub(1.0, b.Div(2.0, b.Add(b.Exp(b.Mul(x, 2.0)), 1.0)));
}

TensorId TanhSlope(RegionBuilder& b, TensorId x) {
  const TensorId t = Tanh(b, x);
  return b.Sub(1.0, b.Mul(t, t));
}

// x / (1 + exp(-2 z)), z = sqrt(2 / pi) (x + 0.044715 x^3), as x (a + a c x^2).
TensorId GeluTanh(RegionBuilder& b, TensorId x) {
  constexpr double a = -2.0 * kSqrt2OverPi;
  const TensorId exponent = b.Mul(x, b.Add(b.Mul(b.Mul(x, x), a * kGeluCubic), a));
  return b.Div(x, b.Add(b.Exp(exponent), 1.0));
}

// s (1 + x (1 - s) t), s the sigmoid of 2 z and t = d(2 z) / dx. x is bounded first:
// t grows with its square, and beyond the bound the slope is 0 or 1 anyway.
TensorId GeluTanhSlope(RegionBuilder& b, TensorId x) {
  constexpr double a = 2.0 * kSqrt2OverPi;
  x = b.AtLeast(b.AtMost(x, kFlat), -kFlat);
  const TensorId square = b.Mul(x, x);
  const TensorId z = b.Mul(x, b.Add(b.Mul(square, a * kGeluCubic), a));
  const TensorId s = Sigmoid(b, z);
  const TensorId t = b.Add(b.Mul(square, 3.0 * a * kGeluCubic), a);
  return b.Mul(s, b.Add(b.Mul(b.Mul(x, t), b.Sub(1.0, s)), 1.0));
}

struct ErfTail {
  TensorId magnitude;  // |x|
  TensorId bell;       // exp(-x^2 / 2)
  TensorId tail;       // 1 - Phi(|x|)
};

// Half of 1 - erf(u) = poly(1 / (1 + p u)) exp(-u^2), u = |x| / sqrt(2): formula 7.1.26
// of Abramowitz and Stegun, off by 1.5e-7 at most.
ErfTail TailOfErf(RegionBuilder& b, TensorId x) {
  constexpr double p = 0.3275911 * M_SQRT1_2;
  constexpr double kTerms[] = {1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592};
  const TensorId magnitude = b.Abs(x);
  const TensorId t = b.Div(1.0, b.Add(b.Mul(magnitude, p), 1.0));
  TensorId sum = b.Mul(t, 0.5 * kTerms[0]);
  for (std::size_t i = 1; i < std::size(kTerms); ++i) sum = b.Mul(b.Add(sum, 0.5 * kTerms[i]), t);
  const TensorId bell = b.Exp(b.Mul(b.Mul(x, b.Mul(x, 0.5)), -1.0));
  return {magnitude, bell, b.Mul(sum, bell)};
}

// x Phi(x): x (1 - tail) above 0, x tail below, which is relu(x) - |x| tail.
TensorId GeluErf(RegionBuilder& b, TensorId x) {
  const ErfTail erf = TailOfErf(b, x);
  return b.Sub(b.Relu(x), b.Mul(erf.magnitude, erf.tail));
}

// Phi(x) + x phi(x), where Phi(x) = 1/2 + sign(x) (1/2 - tail).
TensorId GeluErfSlope(RegionBuilder& b, TensorId x) {
  const ErfTail erf = TailOfErf(b, x);
  const TensorId sign = b.Div(x, b.AtLeast(erf.magnitude, kTiny));
  const TensorId phi = b.Add(b.Mul(sign, b.Sub(0.5, erf.tail)), 0.5);
  return b.Add(phi, b.Mul(x, b.Mul(erf.bell, 0.3989422804014327)));
}

// relu(x) / |x|: 1 above 0, 0 elsewhere.
TensorId ReluSlope(RegionBuilder& b, TensorId x) {
  return b.Div(b.Relu(x), b.AtLeast(b.Abs(x), kTiny));
}

TensorId Apply(RegionBuilder& b, UnaryFunction function, TensorId x) {
  switch (function) {
    case UnaryFunction::kSilu:
      return Silu(b, x);
    case UnaryFunction::kGelu:
      return GeluErf(b, x);
    case UnaryFunction::kGeluTanh:
      return GeluTanh(b, x);
    case UnaryFunction::kRelu:
      return b.Relu(x);
    case UnaryFunction::kTanh:
      return Tanh(b, x);
    case UnaryFunction::kSigmoid:
      return Sigmoid(b, x);
  }
  return x;
}

TensorId Slope(RegionBuilder& b, UnaryFunction function, TensorId x) {
  switch (function) {
    case UnaryFunction::kSilu:
      return SiluSlope(b, x);
    case UnaryFunction::kGelu:
      return GeluErfSlope(b, x);
    case UnaryFunction::kGeluTanh:
      return GeluTanhSlope(b, x);
    case UnaryFunction::kRelu:
      return ReluSlope(b, x);
    case UnaryFunction::kTanh:
      return TanhSlope(b, x);
    case UnaryFunction::kSigmoid: {
      const TensorId s = Sigmoid(b, x);
      return b.Mul(s, b.Sub(1.0, s));
    }
  }
  return x;
}

}  // namespace

void LowerElementwise(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const TensorId x = in.ReadExact(node.inputs[0]);
  const bool clean = in.clean(node.inputs[0]);
  switch (node.op) {
    case OpKind::kAdd:
      return in.Write(node.outputs[0], b.Add(x, in.ReadExact(node.inputs[1])),
                      clean && in.clean(node.inputs[1]));
    case OpKind::kMul:
      return in.Write(node.outputs[0], b.Mul(x, in.ReadExact(node.inputs[1])),
                      clean || in.clean(node.inputs[1]));
    case OpKind::kScale:
      return in.Write(node.outputs[0],
                      b.Mul(x, static_cast<double>(node.attrs<ScaleAttrs>().factor)), clean);
    case OpKind::kDropout: {
      const TensorId mask =
          in.DropoutMask(node.attrs<DropoutAttrs>(), node.inputs[1], in.matrix(node.inputs[0]));
      // The mask's own padding is zero.
      return in.Write(node.outputs[0], b.Mul(x, mask), true);
    }
    default:
      ATTUNE_CHECK(false && "not an elementwise op");
  }
}

void LowerUnary(Lowering& in, const Node& node) {
  const auto function = node.attrs<UnaryAttrs>().function;
  // All but the sigmoid are 0 at 0.
  const bool clean = in.clean(node.inputs[0]) && function != UnaryFunction::kSigmoid;
  in.Write(node.outputs[0], Apply(in.builder(), function, in.ReadExact(node.inputs[0])), clean);
}

void LowerUnaryGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const TensorId slope = Slope(b, node.attrs<UnaryAttrs>().function, in.ReadExact(node.inputs[0]));
  in.Write(node.outputs[0], b.Mul(in.ReadExact(node.inputs[1]), slope), in.clean(node.inputs[1]));
}

void LowerSwiGlu(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const TensorId gate = Silu(b, in.ReadExact(node.inputs[0]));
  in.Write(node.outputs[0], b.Mul(gate, in.ReadExact(node.inputs[1])),
           in.clean(node.inputs[0]) || in.clean(node.inputs[1]));
}

void LowerSwiGluGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const TensorId gate = in.ReadExact(node.inputs[0]), up = in.ReadExact(node.inputs[1]);
  const TensorId dy = in.ReadExact(node.inputs[2]);
  const TensorId s = Sigmoid(b, gate);
  const TensorId silu = b.Mul(gate, s);
  const TensorId slope = b.Add(b.Mul(silu, b.Sub(1.0, s)), s);
  const bool clean = in.clean(node.inputs[2]);
  in.Write(node.outputs[0], b.Mul(b.Mul(dy, up), slope), clean);
  in.Write(node.outputs[1], b.Mul(dy, silu), clean);
}

}  // namespace attune::ane
