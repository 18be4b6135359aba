#include "graph/builder.h"

#include "graph/op_schema.h"

namespace attune {

std::vector<ValueId> GraphBuilder::Emit(OpKind op, Attributes attributes,
                                        std::vector<ValueId> inputs, std::string_view name) {
  if (status_.ok()) {
    auto outputs = graph_->AddNode(op, std::move(attributes), inputs, name);
    if (outputs.ok()) return *std::move(outputs);
    status_ = std::move(outputs).status();
  }
  // After an error every result is kNoValue, as many as the widest op has.
  return std::vector<ValueId>(8, kNoValue);
}

ValueId GraphBuilder::One(OpKind op, Attributes attributes, std::vector<ValueId> inputs,
                          std::string_view name) {
  return Emit(op, std::move(attributes), std::move(inputs), name)[0];
}

ValueId GraphBuilder::Embedding(ValueId table, ValueId ids) {
  return One(OpKind::kEmbedding, {}, {table, ids});
}

ValueId GraphBuilder::Linear(ValueId x, ValueId weight, ValueId bias, LinearAttrs attrs,
                             std::string_view name) {
  attrs.bias = bias != kNoValue;
  std::vector<ValueId> inputs = {x, weight};
  if (attrs.bias) inputs.push_back(bias);
  return One(OpKind::kLinear, attrs, std::move(inputs), name);
}

ValueId GraphBuilder::MatMul(ValueId a, ValueId b, MatMulAttrs attrs) {
  return One(OpKind::kMatMul, attrs, {a, b});
}
ValueId GraphBuilder::Add(ValueId x, ValueId y) { return One(OpKind::kAdd, {}, {x, y}); }
ValueId GraphBuilder::Mul(ValueId x, ValueId y) { return One(OpKind::kMul, {}, {x, y}); }
ValueId GraphBuilder::Scale(ValueId x, float factor) {
  return One(OpKind::kScale, ScaleAttrs{factor}, {x});
}
ValueId GraphBuilder::Unary(UnaryFunction function, ValueId x) {
  return One(OpKind::kUnary, UnaryAttrs{function}, {x});
}
ValueId GraphBuilder::SwiGlu(ValueId gate, ValueId up) {
  return One(OpKind::kSwiGlu, {}, {gate, up});
}
ValueId GraphBuilder::RmsNorm(ValueId x, ValueId weight, float epsilon) {
  return One(OpKind::kRmsNorm, NormAttrs{epsilon}, {x, weight});
}
ValueId GraphBuilder::LayerNorm(ValueId x, ValueId weight, ValueId bias, float epsilon) {
  return One(OpKind::kLayerNorm, NormAttrs{epsilon}, {x, weight, bias});
}
ValueId GraphBuilder::Rope(ValueId x, ValueId positions, ValueId table, RopeAttrs attrs) {
  return One(OpKind::kRope, attrs, {x, positions, table});
}

ValueId GraphBuilder::Attention(ValueId q, ValueId k, ValueId v, AttentionAttrs attrs, ValueId lo,
                                ValueId hi) {
  std::vector<ValueId> inputs = {q, k, v};
  if (attrs.mask == AttentionMask::kBounded) {
    inputs.push_back(lo);
    inputs.push_back(hi);
  }
  return One(OpKind::kAttention, attrs, std::move(inputs));
}

ValueId GraphBuilder::Softmax(ValueId x) { return One(OpKind::kSoftmax, {}, {x}); }
ValueId GraphBuilder::LinearCrossEntropy(ValueId x, ValueId weight, ValueId labels,
                                         ValueId weights) {
  return One(OpKind::kLinearCrossEntropy, CrossEntropyAttrs{}, {x, weight, labels, weights});
}
ValueId GraphBuilder::Reshape(ValueId x, Shape shape) {
  return One(OpKind::kReshape, ReshapeAttrs{shape}, {x});
}
ValueId GraphBuilder::Transpose(ValueId x) { return One(OpKind::kTranspose, {}, {x}); }
ValueId GraphBuilder::Slice(ValueId x, std::int64_t begin, std::int64_t size) {
  return One(OpKind::kSlice, SliceAttrs{begin, size, 0}, {x});
}
std::vector<ValueId> GraphBuilder::Split(ValueId x, std::int64_t parts) {
  return Emit(OpKind::kSplit, SplitAttrs{parts}, {x});
}
ValueId GraphBuilder::Concat(const std::vector<ValueId>& pieces) {
  return One(OpKind::kConcat, {}, pieces);
}
ValueId GraphBuilder::ReduceSum(ValueId x) { return One(OpKind::kReduceSum, {}, {x}); }
ValueId GraphBuilder::Cast(ValueId x, DType dtype) {
  return One(OpKind::kCast, CastAttrs{dtype}, {x});
}
ValueId GraphBuilder::Dropout(ValueId x, ValueId seed, DropoutAttrs attrs) {
  return One(OpKind::kDropout, attrs, {x, seed});
}
ValueId GraphBuilder::CacheAppend(ValueId cache, ValueId x, ValueId position) {
  return One(OpKind::kCacheAppend, {}, {cache, x, position});
}

}  // namespace attune
