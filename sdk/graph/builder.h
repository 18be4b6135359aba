// GraphBuilder writes a graph as expressions. The first error is sticky: later
// calls do nothing, and status() reports it.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace attune {

class GraphBuilder {
 public:
  // Appends to `graph`, which must outlive the builder.
  explicit GraphBuilder(Graph* graph) : graph_(graph) {}

  const Status& status() const { return status_; }
  Graph& graph() { return *graph_; }

  ValueId Embedding(ValueId table, ValueId ids);
  // y = scale * x W^T [+ bias]; `transposed` when W is stored [in, out].
  ValueId Linear(ValueId x, ValueId weight, ValueId bias = kNoValue, LinearAttrs attrs = {},
                 std::string_view name = "");
  ValueId MatMul(ValueId a, ValueId b, MatMulAttrs attrs = {});
  ValueId Add(ValueId x, ValueId y);
  ValueId Mul(ValueId x, ValueId y);
  ValueId Scale(ValueId x, float factor);
  ValueId Unary(UnaryFunction function, ValueId x);
  ValueId SwiGlu(ValueId gate, ValueId up);
  ValueId RmsNorm(ValueId x, ValueId weight, float epsilon);
  ValueId LayerNorm(ValueId x, ValueId weight, ValueId bias, float epsilon);
  ValueId Rope(ValueId x, ValueId positions, ValueId table, RopeAttrs attrs);
  ValueId Attention(ValueId q, ValueId k, ValueId v, AttentionAttrs attrs, ValueId lo = kNoValue,
                    ValueId hi = kNoValue);
  ValueId Softmax(ValueId x);
  // The scalar loss.
  ValueId LinearCrossEntropy(ValueId x, ValueId weight, ValueId labels, ValueId weights);
  ValueId Reshape(ValueId x, Shape shape);
  ValueId Transpose(ValueId x);
  ValueId Slice(ValueId x, std::int64_t begin, std::int64_t size);
  std::vector<ValueId> Split(ValueId x, std::int64_t parts);
  ValueId Concat(const std::vector<ValueId>& pieces);
  ValueId ReduceSum(ValueId x);
  ValueId Cast(ValueId x, DType dtype);
  ValueId Dropout(ValueId x, ValueId seed, DropoutAttrs attrs);
  ValueId CacheAppend(ValueId cache, ValueId x, ValueId position);

  // Any op; all its outputs, or none after an error.
  std::vector<ValueId> Emit(OpKind op, Attributes attributes, std::vector<ValueId> inputs,
                            std::string_view name = "");

 private:
  ValueId One(OpKind op, Attributes attributes, std::vector<ValueId> inputs,
              std::string_view name = "");

  Graph* graph_;
  Status status_;
};

}  // namespace attune
