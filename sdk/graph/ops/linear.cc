#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

Inferred InferLinear(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<LinearAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 2u + attrs.bias + attrs.accumulate));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectFloat("weight", in[1]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("weight", in[1], 2));
  const std::int64_t features = in[1].shape[attrs.transposed ? 0 : 1];
  const std::int64_t width = in[1].shape[attrs.transposed ? 1 : 0];
  if (in[0].shape[1] != features) {
    return InvalidArgument(StrCat("x ", in[0].shape.ToString(), " has ", in[0].shape[1],
                                  " features, weight ", in[1].shape.ToString(), " takes ",
                                  features));
  }
  const Shape out{in[0].shape[0], width};
  if (attrs.bias) ATTUNE_RETURN_IF_ERROR(ExpectF32("bias", in[2], {width}));
  if (attrs.accumulate) ATTUNE_RETURN_IF_ERROR(ExpectF32("accumulator", in.back(), out));
  return std::vector{F32(out)};
}

void LinearReference(const Attributes& attributes, std::span<const ReferenceTensor* const> in,
                     std::span<ReferenceTensor> out) {
  const auto& attrs = std::get<LinearAttrs>(attributes);
  const auto &x = *in[0], &w = *in[1];
  const std::int64_t rows = x.type.shape[0], features = x.type.shape[1],
                     width = out[0].type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t o = 0; o < width; ++o) {
      double sum = 0;
      for (std::int64_t i = 0; i < features; ++i) {
        sum += x.data[n * features + i] *
               (attrs.transposed ? w.data[i * width + o] : w.data[o * features + i]);
      }
      double y = attrs.scale * sum;
      if (attrs.bias) y += in[2]->data[o];
      if (attrs.accumulate) y += in.back()->data[n * width + o];
      out[0].data[n * width + o] = y;
    }
  }
}

// y = s x W^T: dx = s dy W is the same op with the other storage order,
// dW = s dy^T x.
void LinearGradient(GradientContext& context) {
  auto& builder = context.builder();
  const auto& attrs = context.node().attrs<LinearAttrs>();
  const ValueId dy = context.output_gradient(0);
  if (context.wants(0)) {
    context.Set(0, builder.Linear(dy, context.input(1), kNoValue,
                                  {.transposed = !attrs.transposed, .scale = attrs.scale}));
  }
  if (context.wants(1)) {
    const ValueId left = attrs.transposed ? context.input(0) : dy;
    const ValueId right = attrs.transposed ? dy : context.input(0);
    context.Set(1, builder.MatMul(left, right, {.transpose_a = true, .scale = attrs.scale}));
  }
  if (attrs.bias && context.wants(2)) context.Set(2, builder.ReduceSum(dy));
  if (attrs.accumulate) {
    const std::size_t last = context.node().inputs.size() - 1;
    if (context.wants(last)) context.Set(last, dy);
  }
}

Inferred InferMatMul(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<MatMulAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 2u + attrs.accumulate));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("a", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("b", in[1]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("a", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("b", in[1], 2));
  const std::int64_t m = in[0].shape[attrs.transpose_a], ka = in[0].shape[!attrs.transpose_a];
  const std::int64_t n = in[1].shape[!attrs.transpose_b], kb = in[1].shape[attrs.transpose_b];
  if (ka != kb) {
    return InvalidArgument(StrCat("inner extents differ: a ", in[0].shape.ToString(), " has ", ka,
                                  ", b ", in[1].shape.ToString(), " has ", kb));
  }
  const Shape out{m, n};
  if (attrs.accumulate) ATTUNE_RETURN_IF_ERROR(ExpectF32("accumulator", in[2], out));
  return std::vector{F32(out)};
}

void MatMulReference(const Attributes& attributes, std::span<const ReferenceTensor* const> in,
                     std::span<ReferenceTensor> out) {
  const auto& attrs = std::get<MatMulAttrs>(attributes);
  const auto &a = *in[0], &b = *in[1];
  const std::int64_t m = out[0].type.shape[0], n = out[0].type.shape[1];
  const std::int64_t k = a.type.shape[!attrs.transpose_a];
  for (std::int64_t i = 0; i < m; ++i) {
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t p = 0; p < k; ++p) {
        sum += (attrs.transpose_a ? a.data[p * m + i] : a.data[i * k + p]) *
               (attrs.transpose_b ? b.data[j * k + p] : b.data[p * n + j]);
      }
      out[0].data[i * n + j] = attrs.scale * sum + (attrs.accumulate ? in[2]->data[i * n + j] : 0);
    }
  }
}

// c = s op(a) op(b): da = s dc op(b)^T, db = s op(a)^T dc, transposed back when
// the operand was.
void MatMulGradient(GradientContext& context) {
  auto& builder = context.builder();
  const auto& attrs = context.node().attrs<MatMulAttrs>();
  const ValueId a = context.input(0), b = context.input(1), dc = context.output_gradient(0);
  const float scale = attrs.scale;
  if (context.wants(0)) {
    context.Set(0, attrs.transpose_a ? builder.MatMul(b, dc, {attrs.transpose_b, true, scale})
                                     : builder.MatMul(dc, b, {false, !attrs.transpose_b, scale}));
  }
  if (context.wants(1)) {
    context.Set(1, attrs.transpose_b ? builder.MatMul(dc, a, {true, attrs.transpose_a, scale})
                                     : builder.MatMul(a, dc, {!attrs.transpose_a, false, scale}));
  }
  if (attrs.accumulate && context.wants(2)) context.Set(2, dc);
}

}  // namespace

const OpSchema kLinearSchema{"linear", InferLinear, LinearReference, LinearGradient};
const OpSchema kMatMulSchema{"matmul", InferMatMul, MatMulReference, MatMulGradient};

}  // namespace attune::ops
