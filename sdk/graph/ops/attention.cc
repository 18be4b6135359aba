#include <algorithm>
#include <cmath>

#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

// --- rope ---

Inferred InferRope(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<RopeAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 3));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  if (attrs.head_dim <= 0 || attrs.head_dim % 2 != 0 || in[0].shape[1] % attrs.head_dim != 0) {
    return InvalidArgument(StrCat("x ", in[0].shape.ToString(), " with head_dim ", attrs.head_dim,
                                  ": must be even and divide ", in[0].shape[1]));
  }
  ATTUNE_RETURN_IF_ERROR(ExpectInt("positions", in[1], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("table", in[2], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("table", in[2], {in[2].shape[0], attrs.head_dim}));
  return std::vector{in[0]};
}

void RopeReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<RopeAttrs>(attributes);
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  const std::int64_t dim = attrs.head_dim, half = dim / 2;
  const bool rotate_half = attrs.layout == RopeLayout::kRotateHalf;
  for (std::int64_t n = 0; n < rows; ++n) {
    const double* table = &in[2]->data[static_cast<std::int64_t>(in[1]->data[n]) * dim];
    for (std::int64_t head = 0; head < width; head += dim) {
      for (std::int64_t i = 0; i < half; ++i) {
        const std::int64_t at = n * width + head;
        const std::int64_t first = at + (rotate_half ? i : 2 * i);
        const std::int64_t second = at + (rotate_half ? i + half : 2 * i + 1);
        const double cosine = table[i], sine = attrs.inverse ? -table[half + i] : table[half + i];
        const double a = in[0]->data[first], b = in[0]->data[second];
        out[0].data[first] = a * cosine - b * sine;
        out[0].data[second] = a * sine + b * cosine;
      }
    }
  }
}

void RopeGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  RopeAttrs attrs = context.node().attrs<RopeAttrs>();
  attrs.inverse = !attrs.inverse;
  context.Set(0, context.builder().Rope(context.output_gradient(0), context.input(1),
                                        context.input(2), attrs));
}

// --- attention ---

Status CheckHeads(const AttentionAttrs& attrs, Types in) {
  for (std::size_t i = 0; i < 3; ++i) {
    ATTUNE_RETURN_IF_ERROR(ExpectF32("operand", in[i]));
    ATTUNE_RETURN_IF_ERROR(ExpectRank("operand", in[i], 2));
  }
  if (attrs.batch <= 0 || attrs.heads <= 0 || attrs.kv_heads <= 0 || attrs.head_dim <= 0 ||
      attrs.heads % attrs.kv_heads != 0) {
    return InvalidArgument(StrCat(attrs.heads, " heads over ", attrs.kv_heads,
                                  " key heads: must be a positive multiple"));
  }
  const std::int64_t tq = in[0].shape[0], tk = in[1].shape[0];
  if (tq % attrs.batch != 0 || tk % attrs.batch != 0) {
    return InvalidArgument(StrCat("q ", in[0].shape.ToString(), ", k ", in[1].shape.ToString(),
                                  ": rows must be multiples of the batch ", attrs.batch));
  }
  ATTUNE_RETURN_IF_ERROR(ExpectF32("q", in[0], {tq, attrs.heads * attrs.head_dim}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("k", in[1], {tk, attrs.kv_heads * attrs.head_dim}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("v", in[2], {tk, attrs.kv_heads * attrs.head_dim}));
  if (attrs.mask == AttentionMask::kCausal && tk < tq) {
    return InvalidArgument(StrCat("causal: q ", in[0].shape.ToString(), " has more rows than k ",
                                  in[1].shape.ToString()));
  }
  return OkStatus();
}

Status CheckBounds(const AttentionAttrs& attrs, Types in, std::size_t first) {
  const bool bounded = attrs.mask == AttentionMask::kBounded;
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, first + (bounded ? 2u : 0u)));
  if (!bounded) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(ExpectInt("lo", in[first], {in[0].shape[0]}));
  return ExpectInt("hi", in[first + 1], {in[0].shape[0]});
}

Inferred InferAttention(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<AttentionAttrs>(attributes);
  if (in.size() < 3) return WrongCount(in.size(), 3);
  ATTUNE_RETURN_IF_ERROR(CheckHeads(attrs, in));
  ATTUNE_RETURN_IF_ERROR(CheckBounds(attrs, in, 3));
  return std::vector{in[0], F32({in[0].shape[0], attrs.heads})};
}

Inferred InferAttentionGrad(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<AttentionAttrs>(attributes);
  if (in.size() < 6) return WrongCount(in.size(), 6);
  ATTUNE_RETURN_IF_ERROR(CheckHeads(attrs, in));
  ATTUNE_RETURN_IF_ERROR(CheckBounds(attrs, in, 6));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("out", in[3], in[0].shape));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("lse", in[4], {in[0].shape[0], attrs.heads}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dout", in[5], in[0].shape));
  return std::vector{in[0], in[1], in[2]};
}

// One query row of one head: where it lies and which keys it sees.
struct QueryRow {
  std::int64_t q;         // Offset of its head in q, out and dout.
  std::int64_t k;         // Offset of its key head in row 0 of its sequence.
  std::int64_t lse;       // Offset in lse.
  std::int64_t lo, hi;    // Visible keys of its sequence.
  std::int64_t k_stride;  // From one key to the next.
};

template <typename Visit>
void ForEachQuery(const AttentionAttrs& attrs, Inputs in, std::size_t bounds, const Visit& visit) {
  const std::int64_t tq = in[0]->type.shape[0] / attrs.batch;
  const std::int64_t tk = in[1]->type.shape[0] / attrs.batch;
  const std::int64_t dim = attrs.head_dim, k_stride = attrs.kv_heads * dim;
  for (std::int64_t row = 0; row < attrs.batch * tq; ++row) {
    const std::int64_t b = row / tq, t = row % tq;
    std::int64_t lo = 0, hi = attrs.mask == AttentionMask::kCausal ? t + tk - tq + 1 : tk;
    if (attrs.mask == AttentionMask::kBounded) {
      lo = static_cast<std::int64_t>(in[bounds]->data[row]);
      hi = static_cast<std::int64_t>(in[bounds + 1]->data[row]);
    }
    for (std::int64_t h = 0; h < attrs.heads; ++h) {
      const std::int64_t kv = h / (attrs.heads / attrs.kv_heads);
      visit(QueryRow{(row * attrs.heads + h) * dim, b * tk * k_stride + kv * dim,
                     row * attrs.heads + h, lo, hi, k_stride});
    }
  }
}

double Dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

void AttentionReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<AttentionAttrs>(attributes);
  const std::int64_t dim = attrs.head_dim;
  ForEachQuery(attrs, in, 3, [&](const QueryRow& row) {
    const double* q = &in[0]->data[row.q];
    std::vector<double> scores;
    double top = -INFINITY, sum = 0;
    for (std::int64_t j = row.lo; j < row.hi; ++j) {
      scores.push_back(attrs.scale * Dot(q, &in[1]->data[row.k + j * row.k_stride], dim));
      top = std::max(top, scores.back());
    }
    for (double& score : scores) sum += score = std::exp(score - top);
    out[1].data[row.lse] = scores.empty() ? 0 : top + std::log(sum);
    for (std::int64_t j = row.lo; j < row.hi; ++j) {
      const double p = scores[static_cast<std::size_t>(j - row.lo)] / sum;
      for (std::int64_t d = 0; d < dim; ++d) {
        out[0].data[row.q + d] += p * in[2]->data[row.k + j * row.k_stride + d];
      }
    }
  });
}

void AttentionGradient(GradientContext& context) {
  std::vector<ValueId> inputs = {context.input(0),  context.input(1),  context.input(2),
                                 context.output(0), context.output(1), context.output_gradient(0)};
  for (std::size_t i = 3; i < context.node().inputs.size(); ++i) inputs.push_back(context.input(i));
  const auto gradients =
      context.builder().Emit(OpKind::kAttentionGrad, context.node().attributes, inputs);
  for (std::size_t i = 0; i < gradients.size(); ++i) context.Set(i, gradients[i]);
}

// With p = exp(s - lse) and D = out . dout: ds = p * (dout . v - D) * scale.
void AttentionGradReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<AttentionAttrs>(attributes);
  const std::int64_t dim = attrs.head_dim;
  ForEachQuery(attrs, in, 6, [&](const QueryRow& row) {
    const double *q = &in[0]->data[row.q], *dout = &in[5]->data[row.q];
    const double delta = Dot(&in[3]->data[row.q], dout, dim);
    for (std::int64_t j = row.lo; j < row.hi; ++j) {
      const std::int64_t at = row.k + j * row.k_stride;
      const double *k = &in[1]->data[at], *v = &in[2]->data[at];
      const double p = std::exp(attrs.scale * Dot(q, k, dim) - in[4]->data[row.lse]);
      const double ds = p * (Dot(dout, v, dim) - delta) * attrs.scale;
      for (std::int64_t d = 0; d < dim; ++d) {
        out[0].data[row.q + d] += ds * k[d];
        out[1].data[at + d] += ds * q[d];
        out[2].data[at + d] += p * dout[d];
      }
    }
  });
}

}  // namespace

const OpSchema kRopeSchema{"rope", InferRope, RopeReference, RopeGradient, 0};
const OpSchema kAttentionSchema{"attention", InferAttention, AttentionReference, AttentionGradient};
const OpSchema kAttentionGradSchema{"attention_grad", InferAttentionGrad, AttentionGradReference};

}  // namespace attune::ops
