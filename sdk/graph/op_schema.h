// Everything the graph knows of an operator, side by side: its shape rule, its
// reference kernel (naive, in double: the oracle of every backend) and its
// gradient rule, written in graph ops.

#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "graph/builder.h"
#include "graph/graph.h"

namespace attune {

// A value of the reference interpreter; integers are exact in double.
struct ReferenceTensor {
  ValueType type;
  std::vector<double> data;
};

// What a gradient rule sees: the node, the gradients of its outputs (kNoValue
// where none flows), which inputs want one; and where it puts them.
class GradientContext {
 public:
  GradientContext(GraphBuilder* builder, const Node& node,
                  std::span<const ValueId> output_gradients, std::span<const bool> wanted)
      : builder_(builder),
        node_(node),
        output_gradients_(output_gradients),
        wanted_(wanted),
        gradients_(node.inputs.size(), kNoValue) {}

  GraphBuilder& builder() { return *builder_; }
  const Node& node() const { return node_; }
  ValueId input(std::size_t i) const { return node_.inputs[i]; }
  ValueId output(std::size_t i) const { return node_.outputs[i]; }
  ValueId output_gradient(std::size_t i) const { return output_gradients_[i]; }
  bool wants(std::size_t i) const { return wanted_[i]; }
  void Set(std::size_t input, ValueId gradient) { gradients_[input] = gradient; }
  const std::vector<ValueId>& gradients() const { return gradients_; }

 private:
  GraphBuilder* builder_;
  const Node& node_;
  std::span<const ValueId> output_gradients_;
  std::span<const bool> wanted_;
  std::vector<ValueId> gradients_;
};

struct OpSchema {
  std::string_view name;

  // Types of the outputs from types of the inputs. Messages name what is wrong
  // and both shapes; the caller prepends op and value.
  Result<std::vector<ValueType>> (*infer)(const Attributes&, std::span<const ValueType> inputs);

  // outputs[i].type is set and outputs[i].data sized.
  void (*reference)(const Attributes&, std::span<const ReferenceTensor* const> inputs,
                    std::span<ReferenceTensor> outputs);

  // Null where the op is itself a gradient or has no useful one.
  void (*gradient)(GradientContext&) = nullptr;

  // Output 0 may take over the storage of this input when that dies here
  // (elementwise ops, accumulators); -1: never.
  int in_place_input = -1;

  // Output 0 *is* the storage of input 0 (reshape, cache_append).
  bool aliases_input = false;
};

const OpSchema& SchemaOf(OpKind op);

// Input index of the accumulator of an accumulating op, -1 without one.
int AccumulateInput(const Node& node);

}  // namespace attune
