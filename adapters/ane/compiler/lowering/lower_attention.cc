// Rotations and attention. Heads are [1, H, D, W]: channels taken apart, no data moves.
//
//   scores [1, H, Q, K] = q^T k + mask,  p = softmax over keys,  out = v p^T
//
// All sequences of a batch go at once, apart by the mask. p is kept for the backward
// program where it is small: the device moves it faster than it computes it again.

#include <algorithm>
#include <vector>

#include "ane/compiler/lowering/rules.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

TensorId Heads(Lowering& in, ValueId x, std::int64_t heads, std::int64_t dim) {
  return in.builder().Reshape(in.ReadExact(x), {1, heads, dim, in.matrix(x).width()});
}

TensorId Merge(RegionBuilder& b, TensorId heads) {
  return b.Reshape(heads, {1, b.dim(heads, 1) * b.dim(heads, 2), 1, b.dim(heads, 3)});
}

// Each key head for every query head that reads it.
TensorId Repeat(RegionBuilder& b, TensorId x, std::int64_t times) {
  if (times == 1) return x;
  const Dims dims = b.dims(x);
  const std::vector<TensorId> copies(static_cast<std::size_t>(times), x);
  return b.Reshape(b.Concat(copies, 2), {1, dims[1] * times, dims[2], dims[3]});
}

// The other way: the sum over the query heads of each key head.
TensorId SumRepeated(RegionBuilder& b, TensorId x, std::int64_t times) {
  if (times == 1) return x;
  const Dims dims = b.dims(x);
  const TensorId grouped = b.Reshape(x, {1, dims[1] / times, dims[2] * times, dims[3]});
  TensorId sum = b.Slice(grouped, 2, 0, dims[2]);
  for (std::int64_t i = 1; i < times; ++i) {
    sum = b.Add(sum, b.Slice(grouped, 2, i * dims[2], dims[2]));
  }
  return sum;
}

// Signed permutation P of a head's channels: (P x)[i] is what the sine multiplies.
TensorId RotationMatrix(RegionBuilder& b, const RopeAttrs& attrs, std::int64_t heads) {
  const std::int64_t dim = attrs.head_dim, half = dim / 2;
  const bool halves = attrs.layout == RopeLayout::kRotateHalf;
  const std::string name = StrCat("rotation of ", heads, " heads of ", dim,
                                  halves ? "" : " interleaved", attrs.inverse ? " back" : "");
  return b.Literal(name, {1, heads, dim, dim}, {heads * dim, dim}, [&](std::span<float> data) {
    const float sign = attrs.inverse ? -1.0f : 1.0f;
    for (std::int64_t head = 0; head < heads; ++head) {
      for (std::int64_t i = 0; i < half; ++i) {
        const std::int64_t first = halves ? i : 2 * i, second = halves ? i + half : 2 * i + 1;
        float* const matrix = data.data() + head * dim * dim;
        matrix[first * dim + second] = -sign;
        matrix[second * dim + first] = sign;
      }
    }
  });
}

// The scale goes to q, where it keeps scores small, and not to scores, which are more.
TensorId ScaledQueries(Lowering& in, const Node& node) {
  const auto& attrs = node.attrs<AttentionAttrs>();
  return in.builder().Mul(Heads(in, node.inputs[0], attrs.heads, attrs.head_dim),
                          static_cast<double>(attrs.scale));
}

// Operand 1 or 2, a copy for each query head.
TensorId RepeatedHeads(Lowering& in, const Node& node, std::size_t operand) {
  const auto& attrs = node.attrs<AttentionAttrs>();
  return Repeat(in.builder(), Heads(in, node.inputs[operand], attrs.kv_heads, attrs.head_dim),
                attrs.heads / attrs.kv_heads);
}

TensorId MaskOf(Lowering& in, const Node& node, std::size_t bounds) {
  const auto& attrs = node.attrs<AttentionAttrs>();
  const bool bounded = attrs.mask == AttentionMask::kBounded;
  return in.Mask(attrs, in.matrix(node.inputs[0]).rows, bounded ? node.inputs[bounds] : kNoValue,
                 bounded ? node.inputs[bounds + 1] : kNoValue);
}

TensorId Scores(Lowering& in, TensorId q, TensorId k, TensorId mask) {
  return in.builder().Add(in.builder().MatMul(q, k, {.x = true}), mask);
}

// [1, 1, 1, W]: 1 for a query that sees some key, 0 for others and for padding. A query
// that sees none would attend to all alike.
TensorId Visible(RegionBuilder& b, TensorId mask) {
  const std::int64_t width = b.dim(mask, 3);
  return b.Reshape(b.Exp(b.ReduceMax(mask, 3)), {1, 1, 1, width});
}

// [1, H, W, 1]: for each head the sum over its channels of out * dout, which is the sum
// over keys of p * dP. A convolution with a block of ones a head accumulates wide.
TensorId OutputDot(Lowering& in, ValueId out, TensorId dout, const AttentionAttrs& attrs) {
  RegionBuilder& b = in.builder();
  const std::int64_t heads = attrs.heads, dim = attrs.head_dim;
  const TensorId blocks =
      b.Literal(StrCat("ones of ", heads, " heads of ", dim), {heads, heads * dim, 1, 1},
                {heads, heads * dim}, [&](std::span<float> data) {
                  for (std::int64_t head = 0; head < heads; ++head) {
                    std::fill_n(data.data() + head * heads * dim + head * dim, dim, kSumLift);
                  }
                });
  const TensorId dot = b.Mul(b.Conv(b.Mul(in.ReadExact(out), dout), blocks), 1.0 / kSumLift);
  return b.Reshape(dot, {1, heads, b.dim(dot, 3), 1});
}

}  // namespace

void LowerRope(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<RopeAttrs>();
  const Matrix matrix = in.matrix(node.inputs[0]);
  const std::int64_t heads = matrix.columns / attrs.head_dim;
  const auto [cosine, sine] = in.Rotations(attrs, matrix.rows, node.inputs[1], node.inputs[2]);
  const TensorId x = Heads(in, node.inputs[0], heads, attrs.head_dim);
  const TensorId turned = b.MatMul(RotationMatrix(b, attrs, heads), x);
  const TensorId y = b.Add(b.Mul(x, cosine), b.Mul(turned, sine));
  // Cosines and sines of padding are 0.
  in.Write(node.outputs[0], Merge(b, y), true);
}

void LowerAttention(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<AttentionAttrs>();
  const bool bounded = attrs.mask == AttentionMask::kBounded;
  const ValueId result = node.outputs[0];
  const TensorId mask = MaskOf(in, node, 3);
  const TensorId scores = Scores(in, ScaledQueries(in, node), RepeatedHeads(in, node, 1), mask);
  const TensorId p = b.Softmax(scores, 3);
  if (in.wants_probabilities(result)) in.KeepProbabilities(result, p);
  // Padded keys have p = 0 but where a query sees nothing: their v is finite.
  TensorId out = Merge(b, b.MatMul(RepeatedHeads(in, node, 2), p, {.y = true}));
  if (bounded) out = b.Mul(out, Visible(b, mask));
  in.Write(result, out, bounded);
  if (!in.wanted(node.outputs[1])) return;
  const TensorId top = b.ReduceMax(scores, 3);
  const TensorId sum = b.ReduceSum(b.Exp(b.Sub(scores, top)), 3);
  TensorId lse = b.Add(top, b.Log(sum));
  lse = b.Reshape(lse, {1, attrs.heads, 1, b.dim(lse, 2)});
  if (bounded) lse = b.Mul(lse, Visible(b, mask));
  in.Write(node.outputs[1], lse, false);
}

// dP = dout^T v, ds = p (dP - out . dout); dq = s k ds^T, dk = s q ds, dv = dout p.
void LowerAttentionGrad(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<AttentionAttrs>();
  const std::int64_t heads = attrs.heads, dim = attrs.head_dim;
  const std::int64_t times = heads / attrs.kv_heads;
  const TensorId q = ScaledQueries(in, node), k = RepeatedHeads(in, node, 1);
  TensorId p = in.Probabilities(node.inputs[3]);
  if (p == kNone) p = b.Softmax(Scores(in, q, k, MaskOf(in, node, 6)), 3);
  TensorId dout = in.ReadExact(node.inputs[5]);
  // Queries that see nothing, and padding, attend to every key: only a gradient of 0
  // keeps them out of dk and dv.
  if (attrs.mask == AttentionMask::kBounded || !in.clean(node.inputs[5])) {
    dout = b.Mul(dout, Visible(b, MaskOf(in, node, 6)));
  }
  const TensorId dot = OutputDot(in, node.inputs[3], dout, attrs);
  dout = b.Reshape(dout, {1, heads, dim, b.dim(dout, 3)});
  const TensorId dp = b.MatMul(dout, RepeatedHeads(in, node, 2), {.x = true});
  const TensorId ds = b.Mul(p, b.Sub(dp, dot));
  const TensorId dq = b.Mul(b.MatMul(k, ds, {.y = true}), static_cast<double>(attrs.scale));
  in.Write(node.outputs[0], Merge(b, dq), true);
  in.Write(node.outputs[1], Merge(b, SumRepeated(b, b.MatMul(q, ds), times)), true);
  in.Write(node.outputs[2], Merge(b, SumRepeated(b, b.MatMul(dout, p), times)), true);
}

}  // namespace attune::ane
