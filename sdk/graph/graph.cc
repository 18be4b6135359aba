#include "graph/graph.h"

#include "base/strings.h"
#include "graph/op_schema.h"

namespace attune {

ValueId Graph::AddValue(Value value) {
  values_.push_back(std::move(value));
  return static_cast<ValueId>(values_.size() - 1);
}

ValueId Graph::AddInput(std::string name, ValueType type) {
  return AddValue(
      {.name = std::move(name), .type = type, .leaf = Leaf::kInput, .literal = nullptr});
}

ValueId Graph::AddParameter(std::string name, ValueType type, bool trainable) {
  return AddValue({.name = std::move(name),
                   .type = type,
                   .leaf = Leaf::kParameter,
                   .trainable = trainable,
                   .literal = nullptr});
}

ValueId Graph::AddConstant(std::string name, Tensor literal) {
  const ValueType type{literal.dtype(), literal.shape()};
  return AddValue({.name = std::move(name),
                   .type = type,
                   .leaf = Leaf::kConstant,
                   .literal = std::make_shared<const Tensor>(std::move(literal))});
}

Result<std::vector<ValueId>> Graph::AddNode(OpKind op, Attributes attributes,
                                            std::span<const ValueId> inputs,
                                            std::string_view name) {
  const OpSchema& schema = SchemaOf(op);
  std::vector<ValueType> types;
  std::string operands;
  for (ValueId input : inputs) {
    if (input < 0 || static_cast<std::size_t>(input) >= values_.size()) {
      return InvalidArgument(
          StrCat(schema.name, " ", name, ": operand %", input, " of ", values_.size(), " values"));
    }
    types.push_back(value(input).type);
    operands += StrCat(operands.empty() ? "" : ", ", "%", input, " ", value(input).name);
  }
  auto inferred = schema.infer(attributes, types);
  if (!inferred.ok()) {
    return std::move(inferred).status().WithContext(StrCat(schema.name, "(", operands, ") ", name));
  }
  Node node{op, std::move(attributes), {inputs.begin(), inputs.end()}, {}};
  for (const ValueType& type : *inferred) {
    node.outputs.push_back(AddValue({.name = std::string(name), .type = type, .literal = nullptr}));
  }
  nodes_.push_back(node);
  return node.outputs;
}

void Graph::AddOutput(std::string name, ValueId value) {
  outputs_.push_back({std::move(name), value});
}

std::optional<ValueId> Graph::FindLeaf(std::string_view name) const {
  for (std::size_t i = 0; i < values_.size(); ++i) {
    if (values_[i].leaf != Leaf::kNone && values_[i].name == name) return static_cast<ValueId>(i);
  }
  return std::nullopt;
}

std::optional<ValueId> Graph::FindOutput(std::string_view name) const {
  for (const NamedValue& output : outputs_) {
    if (output.name == name) return output.value;
  }
  return std::nullopt;
}

std::vector<std::int32_t> Graph::Producers() const {
  std::vector<std::int32_t> producers(values_.size(), -1);
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    for (ValueId output : nodes_[n].outputs) {
      producers[static_cast<std::size_t>(output)] = static_cast<std::int32_t>(n);
    }
  }
  return producers;
}

}  // namespace attune
