#include "graph/op_schema.h"

#include "graph/ops/schemas.h"

namespace attune {

const OpSchema& SchemaOf(OpKind op) {
  switch (op) {
    case OpKind::kEmbedding:
      return ops::kEmbeddingSchema;
    case OpKind::kEmbeddingGrad:
      return ops::kEmbeddingGradSchema;
    case OpKind::kLinear:
      return ops::kLinearSchema;
    case OpKind::kMatMul:
      return ops::kMatMulSchema;
    case OpKind::kAdd:
      return ops::kAddSchema;
    case OpKind::kMul:
      return ops::kMulSchema;
    case OpKind::kScale:
      return ops::kScaleSchema;
    case OpKind::kUnary:
      return ops::kUnarySchema;
    case OpKind::kUnaryGrad:
      return ops::kUnaryGradSchema;
    case OpKind::kSwiGlu:
      return ops::kSwiGluSchema;
    case OpKind::kSwiGluGrad:
      return ops::kSwiGluGradSchema;
    case OpKind::kRmsNorm:
      return ops::kRmsNormSchema;
    case OpKind::kRmsNormGrad:
      return ops::kRmsNormGradSchema;
    case OpKind::kRmsNormWeightGrad:
      return ops::kRmsNormWeightGradSchema;
    case OpKind::kLayerNorm:
      return ops::kLayerNormSchema;
    case OpKind::kLayerNormGrad:
      return ops::kLayerNormGradSchema;
    case OpKind::kLayerNormWeightGrad:
      return ops::kLayerNormWeightGradSchema;
    case OpKind::kRope:
      return ops::kRopeSchema;
    case OpKind::kAttention:
      return ops::kAttentionSchema;
    case OpKind::kAttentionGrad:
      return ops::kAttentionGradSchema;
    case OpKind::kSoftmax:
      return ops::kSoftmaxSchema;
    case OpKind::kSoftmaxGrad:
      return ops::kSoftmaxGradSchema;
    case OpKind::kLinearCrossEntropy:
      return ops::kLinearCrossEntropySchema;
    case OpKind::kLinearCrossEntropyGrad:
      return ops::kLinearCrossEntropyGradSchema;
    case OpKind::kLinearCrossEntropyJoint:
      return ops::kLinearCrossEntropyJointSchema;
    case OpKind::kReshape:
      return ops::kReshapeSchema;
    case OpKind::kTranspose:
      return ops::kTransposeSchema;
    case OpKind::kSlice:
      return ops::kSliceSchema;
    case OpKind::kPad:
      return ops::kPadSchema;
    case OpKind::kSplit:
      return ops::kSplitSchema;
    case OpKind::kConcat:
      return ops::kConcatSchema;
    case OpKind::kReduceSum:
      return ops::kReduceSumSchema;
    case OpKind::kCast:
      return ops::kCastSchema;
    case OpKind::kDropout:
      return ops::kDropoutSchema;
    case OpKind::kCacheAppend:
      return ops::kCacheAppendSchema;
  }
  ATTUNE_CHECK(false && "unknown op");
  return ops::kAddSchema;
}

int AccumulateInput(const Node& node) {
  bool accumulates = false;
  if (const auto* linear = std::get_if<LinearAttrs>(&node.attributes)) {
    accumulates = linear->accumulate;
  } else if (const auto* matmul = std::get_if<MatMulAttrs>(&node.attributes)) {
    accumulates = matmul->accumulate;
  } else if (const auto* embedding = std::get_if<EmbeddingGradAttrs>(&node.attributes)) {
    accumulates = embedding->accumulate;
  }
  return accumulates ? static_cast<int>(node.inputs.size()) - 1 : -1;
}

std::string_view OpName(OpKind op) { return SchemaOf(op).name; }

std::string_view UnaryName(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kSilu:
      return "silu";
    case UnaryFunction::kGelu:
      return "gelu";
    case UnaryFunction::kGeluTanh:
      return "gelu_tanh";
    case UnaryFunction::kRelu:
      return "relu";
    case UnaryFunction::kTanh:
      return "tanh";
    case UnaryFunction::kSigmoid:
      return "sigmoid";
  }
  return "?";
}

}  // namespace attune
