#include <cmath>

#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

Status ExpectNormOperands(Types in, std::size_t count, std::size_t vectors) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, count));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  for (std::size_t i = 1; i <= vectors; ++i) {
    ATTUNE_RETURN_IF_ERROR(ExpectF32("weight", in[i], {in[0].shape[1]}));
  }
  return OkStatus();
}

// --- rms_norm ---

Inferred InferRmsNorm(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectNormOperands(in, 2, 1));
  return std::vector{in[0], F32({in[0].shape[0]})};
}

void RmsNormReference(const Attributes& attributes, Inputs in, Outputs out) {
  const double epsilon = std::get<NormAttrs>(attributes).epsilon;
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    const double* x = &in[0]->data[n * width];
    double squares = 0;
    for (std::int64_t c = 0; c < width; ++c) squares += x[c] * x[c];
    const double rstd = 1.0 / std::sqrt(squares / static_cast<double>(width) + epsilon);
    out[1].data[n] = rstd;
    for (std::int64_t c = 0; c < width; ++c)
      out[0].data[n * width + c] = x[c] * rstd * in[1]->data[c];
  }
}

void RmsNormGradient(GradientContext& context) {
  auto& builder = context.builder();
  const ValueId x = context.input(0), rstd = context.output(1), dy = context.output_gradient(0);
  const auto& attributes = context.node().attributes;
  if (context.wants(0)) {
    context.Set(0,
                builder.Emit(OpKind::kRmsNormGrad, attributes, {x, context.input(1), rstd, dy})[0]);
  }
  if (context.wants(1)) {
    context.Set(1, builder.Emit(OpKind::kRmsNormWeightGrad, attributes, {x, rstd, dy})[0]);
  }
}

Inferred InferRmsNormGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectNormOperands(in, 4, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("rstd", in[2], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[3], in[0].shape));
  return std::vector{in[0]};
}

// With g = dy * w: dx = rstd * (g - x * rstd^2 * mean(g * x)).
void RmsNormGradReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    const double *x = &in[0]->data[n * width], *dy = &in[3]->data[n * width];
    const double rstd = in[2]->data[n];
    double dot = 0;
    for (std::int64_t c = 0; c < width; ++c) dot += dy[c] * in[1]->data[c] * x[c];
    dot *= rstd * rstd / static_cast<double>(width);
    for (std::int64_t c = 0; c < width; ++c) {
      out[0].data[n * width + c] = rstd * (dy[c] * in[1]->data[c] - x[c] * dot);
    }
  }
}

Inferred InferRmsNormWeightGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 3));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("rstd", in[1], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[2], in[0].shape));
  return std::vector{F32({in[0].shape[1]})};
}

void RmsNormWeightGradReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t c = 0; c < width; ++c) {
      out[0].data[c] += in[2]->data[n * width + c] * in[0]->data[n * width + c] * in[1]->data[n];
    }
  }
}

// --- layer_norm ---

Inferred InferLayerNorm(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectNormOperands(in, 3, 2));
  const Shape rows{in[0].shape[0]};
  return std::vector{in[0], F32(rows), F32(rows)};
}

void LayerNormReference(const Attributes& attributes, Inputs in, Outputs out) {
  const double epsilon = std::get<NormAttrs>(attributes).epsilon;
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    const double* x = &in[0]->data[n * width];
    double mean = 0, variance = 0;
    for (std::int64_t c = 0; c < width; ++c) mean += x[c];
    mean /= static_cast<double>(width);
    for (std::int64_t c = 0; c < width; ++c) variance += (x[c] - mean) * (x[c] - mean);
    const double rstd = 1.0 / std::sqrt(variance / static_cast<double>(width) + epsilon);
    out[1].data[n] = mean;
    out[2].data[n] = rstd;
    for (std::int64_t c = 0; c < width; ++c) {
      out[0].data[n * width + c] = (x[c] - mean) * rstd * in[1]->data[c] + in[2]->data[c];
    }
  }
}

void LayerNormGradient(GradientContext& context) {
  auto& builder = context.builder();
  const ValueId x = context.input(0), mean = context.output(1), rstd = context.output(2);
  const ValueId dy = context.output_gradient(0);
  const auto& attributes = context.node().attributes;
  if (context.wants(0)) {
    context.Set(0, builder.Emit(OpKind::kLayerNormGrad, attributes,
                                {x, context.input(1), mean, rstd, dy})[0]);
  }
  if (context.wants(1) || context.wants(2)) {
    const auto gradients =
        builder.Emit(OpKind::kLayerNormWeightGrad, attributes, {x, mean, rstd, dy});
    context.Set(1, gradients[0]);
    context.Set(2, gradients[1]);
  }
}

Inferred InferLayerNormGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectNormOperands(in, 5, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("mean", in[2], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("rstd", in[3], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[4], in[0].shape));
  return std::vector{in[0]};
}

// With g = dy * w and h = (x - mean) * rstd: dx = rstd * (g - mean(g) - h * mean(g * h)).
void LayerNormGradReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    const double *x = &in[0]->data[n * width], *dy = &in[4]->data[n * width],
                 *w = in[1]->data.data();
    const double mean = in[2]->data[n], rstd = in[3]->data[n];
    double sum = 0, dot = 0;
    for (std::int64_t c = 0; c < width; ++c) {
      sum += dy[c] * w[c];
      dot += dy[c] * w[c] * (x[c] - mean) * rstd;
    }
    sum /= static_cast<double>(width);
    dot /= static_cast<double>(width);
    for (std::int64_t c = 0; c < width; ++c) {
      out[0].data[n * width + c] = rstd * (dy[c] * w[c] - sum - (x[c] - mean) * rstd * dot);
    }
  }
}

Inferred InferLayerNormWeightGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 4));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("mean", in[1], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("rstd", in[2], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[3], in[0].shape));
  const auto width = F32({in[0].shape[1]});
  return std::vector{width, width};
}

void LayerNormWeightGradReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t n = 0; n < rows; ++n) {
    for (std::int64_t c = 0; c < width; ++c) {
      const double dy = in[3]->data[n * width + c];
      out[0].data[c] += dy * (in[0]->data[n * width + c] - in[1]->data[n]) * in[2]->data[n];
      out[1].data[c] += dy;
    }
  }
}

}  // namespace

const OpSchema kRmsNormSchema{"rms_norm", InferRmsNorm, RmsNormReference, RmsNormGradient};
const OpSchema kRmsNormGradSchema{"rms_norm_grad", InferRmsNormGrad, RmsNormGradReference};
const OpSchema kRmsNormWeightGradSchema{"rms_norm_weight_grad", InferRmsNormWeightGrad,
                                        RmsNormWeightGradReference};
const OpSchema kLayerNormSchema{"layer_norm", InferLayerNorm, LayerNormReference,
                                LayerNormGradient};
const OpSchema kLayerNormGradSchema{"layer_norm_grad", InferLayerNormGrad, LayerNormGradReference};
const OpSchema kLayerNormWeightGradSchema{"layer_norm_weight_grad", InferLayerNormWeightGrad,
                                          LayerNormWeightGradReference};

}  // namespace attune::ops
