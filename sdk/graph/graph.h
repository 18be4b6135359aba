// A Graph is a program in static single assignment form: values with static
// shapes, and nodes, in topological order, that compute values from values.
// Leaves are inputs (fed every run), parameters (frozen or trainable) and
// constants (data inside the graph).
//
// Threads: const methods from any thread; no synchronisation otherwise.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "graph/ops.h"
#include "tensor/tensor.h"

namespace attune {

// Index into Graph::values().
using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;

struct ValueType {
  DType dtype = DType::kF32;
  Shape shape;
  std::int64_t bytes() const { return shape.elements() * SizeOf(dtype); }
  bool operator==(const ValueType&) const = default;
};

enum class Leaf : std::uint8_t { kNone, kInput, kParameter, kConstant };

struct Value {
  std::string name;
  ValueType type;
  Leaf leaf = Leaf::kNone;
  bool trainable = false;                 // Parameters only.
  std::shared_ptr<const Tensor> literal;  // Constants only.
};

struct Node {
  OpKind op;
  Attributes attributes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;

  template <typename T>
  const T& attrs() const {
    return std::get<T>(attributes);
  }
};

struct NamedValue {
  std::string name;
  ValueId value;
};

class Graph {
 public:
  // --- Leaves. Names of inputs and parameters are unique. ---
  ValueId AddInput(std::string name, ValueType type);
  ValueId AddParameter(std::string name, ValueType type, bool trainable);
  ValueId AddConstant(std::string name, Tensor literal);

  // Appends a node; shapes follow from the op's shape rule. On error, which
  // names the op, the value and both shapes, the graph is unchanged.
  Result<std::vector<ValueId>> AddNode(OpKind op, Attributes attributes,
                                       std::span<const ValueId> inputs, std::string_view name = "");

  // Makes `value` a result of the program. Names are unique.
  void AddOutput(std::string name, ValueId value);

  const std::vector<Value>& values() const { return values_; }
  const Value& value(ValueId id) const { return values_[static_cast<std::size_t>(id)]; }
  const Shape& shape(ValueId id) const { return value(id).type.shape; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<NamedValue>& outputs() const { return outputs_; }

  // The leaf or output of that name.
  std::optional<ValueId> FindLeaf(std::string_view name) const;
  std::optional<ValueId> FindOutput(std::string_view name) const;

  // The node that computes each value, -1 for leaves.
  std::vector<std::int32_t> Producers() const;

  // For passes: replaces the program, keeping values. The caller vouches for
  // the order; Verify() checks it.
  void set_nodes(std::vector<Node> nodes) { nodes_ = std::move(nodes); }
  void AppendNode(Node node) { nodes_.push_back(std::move(node)); }
  void set_outputs(std::vector<NamedValue> outputs) { outputs_ = std::move(outputs); }
  ValueId AddValue(Value value);
  void set_trainable(ValueId id, bool trainable) {
    values_[static_cast<std::size_t>(id)].trainable = trainable;
  }

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<NamedValue> outputs_;
};

// Checks every invariant: operands defined before use and once, types equal to
// what the shape rule says, outputs that exist, unique leaf names.
Status Verify(const Graph& graph);

// The program as text, one node a line:
//   %7:f32[8, 64] = linear(%3 h0, %1 q_proj.weight) {scale=1}
// Equal graphs print equal text.
std::string Print(const Graph& graph);

}  // namespace attune
