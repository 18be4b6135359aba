// Norms, one column of channels a row of the graph. Everything is done on
//
//   u = x / m,  m the row's largest |x|, at least a floor
//
// since the square of x itself leaves fp16 at 256: GPT-2 has outliers in the thousands.
// With rstd = (mean(x^2) + epsilon)^-1/2 of the graph,
//
//   r = (mean(u^2) + (sqrt(epsilon) / m)^2)^-1/2 = m rstd,   h = u r = x rstd
//
// Sums over channels are convolutions with a constant weight, which accumulate wide,
// reductions do not. The weight is a power of two that is large, because products below
// 2^-14 are lost, and keeps the sum of C ones below 2^15.
//
// Padding: of a zero row u and h are 0, and r is finite by the floor.

#include <algorithm>
#include <bit>
#include <cmath>

#include "ane/compiler/lowering/rules.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Gradients may all be tiny; scaled by more than this they were nothing in fp16.
constexpr double kGradientFloor = 0x1p-14;
// Smallest variance of u of a layer norm: where all channels are equal, epsilon / m^2
// may vanish in fp16, and 0^-1/2 would be infinite.
constexpr double kVarianceFloor = 0x1p-24;

bool IsLayerNorm(OpKind op) {
  return op == OpKind::kLayerNorm || op == OpKind::kLayerNormGrad ||
         op == OpKind::kLayerNormWeightGrad;
}

// [1, 1, 1, W]: the mean over the channels of x, whose elements are at most about 1.
TensorId Mean(RegionBuilder& b, TensorId x) {
  const std::int64_t channels = b.dim(x, 1);
  const int bits = std::bit_width(static_cast<std::uint64_t>(channels) - 1);
  const double weight = std::ldexp(1.0, 14 - bits);
  const TensorId ones = b.Literal(StrCat("ones of ", channels, " channels"), {1, channels, 1, 1},
                                  {1, channels}, [&](std::span<float> data) {
                                    std::fill(data.begin(), data.end(), static_cast<float>(weight));
                                  });
  return b.Mul(b.Conv(x, ones), 1.0 / (weight * static_cast<double>(channels)));
}

TensorId Largest(RegionBuilder& b, TensorId x, double floor) {
  return b.AtLeast(b.ReduceMax(b.Abs(x), 1), floor);
}

struct Normalized {
  TensorId m;     // [1, 1, 1, W]
  TensorId r;     // [1, 1, 1, W]
  TensorId mean;  // Of u; kNone for rms_norm.
  TensorId h;     // [1, C, 1, W]
};

Normalized Normalize(RegionBuilder& b, TensorId x, double epsilon, bool centered) {
  const double root = std::sqrt(epsilon);
  Normalized out{};
  out.m = Largest(b, x, root / 16);
  TensorId u = b.Div(x, out.m);
  out.mean = kNone;
  if (centered) {
    out.mean = Mean(b, u);
    u = b.Sub(u, out.mean);
  }
  // At most 16^2, by the floor of m.
  const TensorId e = b.Div(root, out.m);
  TensorId variance = b.Add(Mean(b, b.Mul(u, u)), b.Mul(e, e));
  if (centered) variance = b.AtLeast(variance, kVarianceFloor);
  out.r = b.Pow(variance, -0.5);
  out.h = b.Mul(u, out.r);
  return out;
}

double EpsilonOf(const Node& node) { return static_cast<double>(node.attrs<NormAttrs>().epsilon); }

}  // namespace

void LowerNorm(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const Normalized norm = Normalize(b, in.ReadExact(node.inputs[0]), EpsilonOf(node), centered);
  TensorId y = b.Mul(norm.h, in.ReadVector(node.inputs[1]));
  if (centered) y = b.Add(y, in.ReadVector(node.inputs[2]));
  in.Write(node.outputs[0], y, in.clean(node.inputs[0]) && !centered);
  // The device has no use for the statistics: gradients compute them again.
  const ValueId rstd = node.outputs.back();
  if (in.wanted(rstd)) in.Write(rstd, b.Div(norm.r, norm.m), false);
  if (centered && in.wanted(node.outputs[1])) {
    in.Write(node.outputs[1], b.Mul(norm.mean, norm.m), in.clean(node.inputs[0]));
  }
}

// With g = w dy: dx = (r / m) (g - [mean(g)] - h mean(g h)), the mean of g for
// layer_norm alone. g is scaled by its own largest element while it is summed.
void LowerNormGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const ValueId dy = node.inputs.back();
  const Normalized norm = Normalize(b, in.ReadExact(node.inputs[0]), EpsilonOf(node), centered);
  const TensorId g = b.Mul(in.ReadExact(dy), in.ReadVector(node.inputs[1]));
  const TensorId largest = Largest(b, g, kGradientFloor);
  const TensorId scaled = b.Div(g, largest);
  // |h| reaches sqrt(C), but the mean of (g h)^2 is at most that of h^2, which is 1.
  TensorId dx = b.Sub(scaled, b.Mul(norm.h, Mean(b, b.Mul(scaled, norm.h))));
  if (centered) dx = b.Sub(dx, Mean(b, scaled));
  dx = b.Mul(dx, b.Mul(b.Div(largest, norm.m), norm.r));
  in.Write(node.outputs[0], dx, in.clean(dy));
}

// dw = sum over rows of dy h, db = sum of dy.
void LowerNormWeightGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const ValueId x = node.inputs[0];
  const std::int64_t rows = in.matrix(x).rows;
  const Normalized norm = Normalize(b, in.ReadExact(x), EpsilonOf(node), centered);
  const TensorId dy = in.ReadExact(node.inputs.back());
  in.Write(node.outputs[0], SumOverRows(in, b.Mul(dy, norm.h), rows), true);
  if (centered) in.Write(node.outputs[1], SumOverRows(in, dy, rows), true);
}

}  // namespace attune::ane
