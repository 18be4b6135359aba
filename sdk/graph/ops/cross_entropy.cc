#include <algorithm>
#include <cmath>

#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

Status CheckOperands(Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectFloat("weight", in[1]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("weight", in[1], 2));
  if (in[0].shape[1] != in[1].shape[1]) {
    return InvalidArgument(StrCat("x ", in[0].shape.ToString(), " has ", in[0].shape[1],
                                  " features, weight ", in[1].shape.ToString(), " takes ",
                                  in[1].shape[1]));
  }
  ATTUNE_RETURN_IF_ERROR(ExpectInt("labels", in[2], {in[0].shape[0]}));
  return ExpectF32("weights", in[3], {in[0].shape[0]});
}

Inferred InferForward(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 4));
  ATTUNE_RETURN_IF_ERROR(CheckOperands(in));
  return std::vector{F32({1}), F32({in[0].shape[0]})};
}

std::vector<ValueType> GradientTypes(const Attributes& attributes, Types in) {
  std::vector<ValueType> types = {in[0]};
  if (std::get<CrossEntropyAttrs>(attributes).weight_gradient) types.push_back(F32(in[1].shape));
  return types;
}

Inferred InferGradient(const Attributes& attributes, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 6));
  ATTUNE_RETURN_IF_ERROR(CheckOperands(in));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("lse", in[4], {in[0].shape[0]}));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dloss", in[5], {1}));
  return GradientTypes(attributes, in);
}

Inferred InferJoint(const Attributes& attributes, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 5));
  ATTUNE_RETURN_IF_ERROR(CheckOperands(in));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dloss", in[4], {1}));
  std::vector<ValueType> types = {F32({1}), F32({in[0].shape[0]})};
  for (ValueType& type : GradientTypes(attributes, in)) types.push_back(type);
  return types;
}

// Logits of row n.
std::vector<double> Logits(Inputs in, std::int64_t n) {
  const std::int64_t width = in[0]->type.shape[1], vocabulary = in[1]->type.shape[0];
  std::vector<double> logits(static_cast<std::size_t>(vocabulary));
  for (std::int64_t v = 0; v < vocabulary; ++v) {
    double sum = 0;
    for (std::int64_t c = 0; c < width; ++c)
      sum += in[0]->data[n * width + c] * in[1]->data[v * width + c];
    logits[v] = sum;
  }
  return logits;
}

void Forward(Inputs in, ReferenceTensor* loss, ReferenceTensor* lse) {
  for (std::int64_t n = 0; n < in[0]->type.shape[0]; ++n) {
    const double weight = in[3]->data[n];
    if (weight == 0) continue;
    const auto logits = Logits(in, n);
    const double top = *std::max_element(logits.begin(), logits.end());
    double sum = 0;
    for (double logit : logits) sum += std::exp(logit - top);
    lse->data[n] = top + std::log(sum);
    loss->data[0] += weight * (lse->data[n] - logits[static_cast<std::size_t>(in[2]->data[n])]);
  }
}

// dlogits = dloss * weight * (softmax - onehot); dx = dlogits W; dW = dlogits^T x.
void Backward(Inputs in, const std::vector<double>& lse, double dloss, Outputs gradients) {
  const std::int64_t width = in[0]->type.shape[1], vocabulary = in[1]->type.shape[0];
  for (std::int64_t n = 0; n < in[0]->type.shape[0]; ++n) {
    if (in[3]->data[n] == 0) continue;
    const auto logits = Logits(in, n);
    for (std::int64_t v = 0; v < vocabulary; ++v) {
      const double hit = v == static_cast<std::int64_t>(in[2]->data[n]) ? 1 : 0;
      const double d = dloss * in[3]->data[n] * (std::exp(logits[v] - lse[n]) - hit);
      for (std::int64_t c = 0; c < width; ++c) {
        gradients[0].data[n * width + c] += d * in[1]->data[v * width + c];
        if (gradients.size() > 1)
          gradients[1].data[v * width + c] += d * in[0]->data[n * width + c];
      }
    }
  }
}

void ForwardReference(const Attributes&, Inputs in, Outputs out) { Forward(in, &out[0], &out[1]); }
void GradientReference(const Attributes&, Inputs in, Outputs out) {
  Backward(in, in[4]->data, in[5]->data[0], out);
}
void JointReference(const Attributes&, Inputs in, Outputs out) {
  Forward(in, &out[0], &out[1]);
  Backward(in, out[1].data, in[4]->data[0], out.subspan(2));
}

void ForwardGradient(GradientContext& context) {
  const CrossEntropyAttrs attrs{.weight_gradient = context.wants(1)};
  const auto gradients =
      context.builder().Emit(OpKind::kLinearCrossEntropyGrad, attrs,
                             {context.input(0), context.input(1), context.input(2),
                              context.input(3), context.output(1), context.output_gradient(0)});
  if (context.wants(0)) context.Set(0, gradients[0]);
  if (context.wants(1)) context.Set(1, gradients[1]);
}

}  // namespace

const OpSchema kLinearCrossEntropySchema{"linear_cross_entropy", InferForward, ForwardReference,
                                         ForwardGradient};
const OpSchema kLinearCrossEntropyGradSchema{"linear_cross_entropy_grad", InferGradient,
                                             GradientReference};
const OpSchema kLinearCrossEntropyJointSchema{"linear_cross_entropy_joint", InferJoint,
                                              JointReference};

}  // namespace attune::ops
