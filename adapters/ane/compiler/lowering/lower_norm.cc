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
//
// Overflow must stay visible, or a step would be taken with a gradient that is wrong:
// x / inf, 0 * inf and inf - inf are all 0 on the device. So rows are divided by 2^15
// at most, which leaves an infinite element infinite, and r becomes infinite with m.

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "ane/compiler/lowering/rules.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Gradients may all be tiny; scaled by more than this they were nothing in fp16.
constexpr double kGradientFloor = 0x1p-14;
// The largest divisor.
constexpr double kDivisorLimit = 0x1p15;
// Smallest variance of u of a layer norm: where all channels are equal, epsilon / m^2
// may vanish in fp16, and 0^-1/2 would be infinite.
constexpr double kVarianceFloor = 0x1p-24;

bool IsLayerNorm(OpKind op) {
  return op == OpKind::kLayerNorm || op == OpKind::kLayerNormGrad ||
         op == OpKind::kLayerNormWeightGrad;
}

// Rows, or the heads of rows: [1, groups * D, 1, W] normalised over D. Intermediate
// results of a group are [1, groups, D, W] and [1, groups, 1, W]; one group is
// [1, D, 1, W] and [1, 1, 1, W].
class Groups {
 public:
  Groups(RegionBuilder& b, std::int64_t groups) : b_(b), groups_(groups) {}

  TensorId Split(TensorId x) const {
    if (groups_ == 1) return x;
    return b_.Reshape(x, {1, groups_, b_.dim(x, 1) / groups_, b_.dim(x, 3)});
  }
  TensorId Join(TensorId x) const {
    if (groups_ == 1) return x;
    return b_.Reshape(x, {1, groups_ * b_.dim(x, 2), 1, b_.dim(x, 3)});
  }

  TensorId Largest(TensorId x, double floor) const {
    return b_.AtLeast(b_.ReduceMax(b_.Abs(x), groups_ == 1 ? 1 : 2), floor);
  }

  // The mean of x, whose elements are at most about 1: a convolution with a row of ones
  // for each group.
  TensorId Mean(TensorId x) const {
    const TensorId joined = Join(x);
    const std::int64_t channels = b_.dim(joined, 1), each = channels / groups_;
    const int bits = std::bit_width(static_cast<std::uint64_t>(each) - 1);
    const double weight = std::ldexp(1.0, 14 - bits);
    const TensorId ones = b_.Literal(
        StrCat("ones of ", groups_, " times ", each, " channels"), {groups_, channels, 1, 1},
        {groups_, channels}, [&](std::span<float> data) {
          for (std::int64_t g = 0; g < groups_; ++g) {
            std::fill_n(data.data() + g * channels + g * each, each, static_cast<float>(weight));
          }
        });
    return b_.Mul(b_.Conv(joined, ones), 1.0 / (weight * static_cast<double>(each)));
  }

 private:
  RegionBuilder& b_;
  std::int64_t groups_;
};

struct Normalized {
  TensorId m, r;  // One a group.
  TensorId mean;  // Of u; kNone for rms_norm.
  TensorId h;     // In groups.
};

Normalized Normalize(Lowering& in, const Groups& groups, TensorId x, double epsilon,
                     bool centered) {
  RegionBuilder& b = in.builder();
  const double root = std::sqrt(epsilon);
  Normalized out{};
  x = groups.Split(x);
  const TensorId largest = groups.Largest(x, root / 16);
  out.m = b.AtMost(largest, kDivisorLimit);
  TensorId u = b.Div(x, out.m);
  out.mean = kNone;
  if (centered) {
    out.mean = groups.Mean(u);
    u = b.Sub(u, out.mean);
  }
  // At most 16^2, by the floor of m.
  const TensorId e = b.Div(root, out.m);
  TensorId variance = b.Add(groups.Mean(b.Mul(u, u)), b.Mul(e, e));
  if (centered) variance = b.AtLeast(variance, kVarianceFloor);
  // inf - 65504 is inf; of a finite number nothing is left.
  const bool half = in.options().element == ElementType::kF16;
  const double top = half ? 65504.0 : static_cast<double>(std::numeric_limits<float>::max());
  const TensorId overflow = b.Relu(b.Add(largest, -top));
  out.r = b.Add(b.Pow(variance, -0.5), overflow);
  out.h = b.Mul(u, out.r);
  return out;
}

double EpsilonOf(const Node& node) { return static_cast<double>(node.attrs<NormAttrs>().epsilon); }

}  // namespace

void LowerNorm(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const ValueId x = node.inputs[0];
  const Groups groups(b, in.heads(x));
  const Normalized norm = Normalize(in, groups, in.ReadExact(x), EpsilonOf(node), centered);
  TensorId y = b.Mul(groups.Join(norm.h), in.ReadVector(node.inputs[1], in.heads(x)));
  if (centered) y = b.Add(y, in.ReadVector(node.inputs[2]));
  in.Write(node.outputs[0], y, in.clean(x) && !centered);
  // The device has no use for the statistics: gradients compute them again.
  const ValueId rstd = node.outputs.back();
  if (in.wanted(rstd)) in.Write(rstd, b.Div(norm.r, norm.m), false);
  if (centered && in.wanted(node.outputs[1])) {
    in.Write(node.outputs[1], b.Mul(norm.mean, norm.m), in.clean(x));
  }
}

// With g = w dy: dx = (r / m) (g - [mean(g)] - h mean(g h)), the mean of g for
// layer_norm alone. g is scaled by its own largest element while it is summed.
void LowerNormGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const ValueId x = node.inputs[0], dy = node.inputs.back();
  const Groups groups(b, in.heads(x));
  const Normalized norm = Normalize(in, groups, in.ReadExact(x), EpsilonOf(node), centered);
  const TensorId g =
      groups.Split(b.Mul(in.ReadExact(dy), in.ReadVector(node.inputs[1], in.heads(x))));
  const TensorId largest = b.AtMost(groups.Largest(g, kGradientFloor), kDivisorLimit);
  const TensorId scaled = b.Div(g, largest);
  // |h| reaches sqrt(D), but the sum of g h is at most D: that of h^2 is D, of g^2 less.
  TensorId dx = b.Sub(scaled, b.Mul(norm.h, groups.Mean(b.Mul(scaled, norm.h))));
  if (centered) dx = b.Sub(dx, groups.Mean(scaled));
  dx = b.Mul(dx, b.Mul(b.Div(largest, norm.m), norm.r));
  in.Write(node.outputs[0], groups.Join(dx), in.clean(dy));
}

// dw = sum over rows, and heads, of dy h; db = sum of dy.
void LowerNormWeightGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const bool centered = IsLayerNorm(node.op);
  const ValueId x = node.inputs[0];
  const std::int64_t rows = in.matrix(x).rows;
  const Groups groups(b, in.heads(x));
  const Normalized norm = Normalize(in, groups, in.ReadExact(x), EpsilonOf(node), centered);
  const TensorId dy = in.ReadExact(node.inputs.back());
  TensorId dw = SumOverRows(in, b.Mul(dy, groups.Join(norm.h)), rows);
  if (in.heads(x) > 1) {
    dw = b.ReduceSum(groups.Split(dw), 1);
    dw = b.Reshape(dw, {1, b.dim(dw, 2), 1, b.dim(dw, 3)});
  }
  in.Write(node.outputs[0], dw, true);
  if (centered) in.Write(node.outputs[1], SumOverRows(in, dy, rows), true);
}

}  // namespace attune::ane
