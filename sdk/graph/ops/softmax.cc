#include <algorithm>
#include <cmath>

#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

Inferred InferSoftmax(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  return std::vector{in[0]};
}

void SoftmaxReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = in[0]->type.shape.back();
  for (std::int64_t n = 0; n < in[0]->type.shape.rows(); ++n) {
    const double* x = &in[0]->data[n * width];
    const double top = *std::max_element(x, x + width);
    double sum = 0;
    for (std::int64_t c = 0; c < width; ++c) sum += std::exp(x[c] - top);
    for (std::int64_t c = 0; c < width; ++c)
      out[0].data[n * width + c] = std::exp(x[c] - top) / sum;
  }
}

void SoftmaxGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.Set(0, context.builder().Emit(OpKind::kSoftmaxGrad, {},
                                        {context.output(0), context.output_gradient(0)})[0]);
}

Inferred InferSoftmaxGrad(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("y", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[1], in[0].shape));
  return std::vector{in[0]};
}

// dx = y * (dy - sum(y * dy)).
void SoftmaxGradReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = in[0]->type.shape.back();
  for (std::int64_t n = 0; n < in[0]->type.shape.rows(); ++n) {
    const double *y = &in[0]->data[n * width], *dy = &in[1]->data[n * width];
    double dot = 0;
    for (std::int64_t c = 0; c < width; ++c) dot += y[c] * dy[c];
    for (std::int64_t c = 0; c < width; ++c) out[0].data[n * width + c] = y[c] * (dy[c] - dot);
  }
}

}  // namespace

const OpSchema kSoftmaxSchema{"softmax", InferSoftmax, SoftmaxReference, SoftmaxGradient, 0};
const OpSchema kSoftmaxGradSchema{"softmax_grad", InferSoftmaxGrad, SoftmaxGradReference, nullptr,
                                  1};

}  // namespace attune::ops
