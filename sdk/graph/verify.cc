#include <set>

#include "base/strings.h"
#include "graph/graph.h"
#include "graph/op_schema.h"

namespace attune {
namespace {

std::string Describe(const Graph& graph, ValueId id) {
  return StrCat("%", id, " ", graph.value(id).name);
}

Status CheckLeaves(const Graph& graph) {
  std::set<std::string_view> names;
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kInput && value.leaf != Leaf::kParameter) continue;
    if (!names.insert(value.name).second) {
      return InvalidArgument(StrCat("two leaves are called ", value.name));
    }
  }
  return OkStatus();
}

Status CheckNode(const Graph& graph, const Node& node, std::vector<bool>* defined) {
  const OpSchema& schema = SchemaOf(node.op);
  const auto in_range = [&](ValueId id) {
    return id >= 0 && static_cast<std::size_t>(id) < graph.values().size();
  };
  std::vector<ValueType> types;
  for (ValueId input : node.inputs) {
    if (!in_range(input)) {
      return InvalidArgument(
          StrCat(schema.name, ": operand %", input, " of ", graph.values().size()));
    }
    if (!(*defined)[static_cast<std::size_t>(input)]) {
      return InvalidArgument(
          StrCat(schema.name, ": ", Describe(graph, input), " used before it is computed"));
    }
    types.push_back(graph.value(input).type);
  }
  auto inferred = schema.infer(node.attributes, types);
  if (!inferred.ok()) {
    const std::string name = node.outputs.empty() ? "" : graph.value(node.outputs[0]).name;
    return std::move(inferred).status().WithContext(StrCat(schema.name, " ", name));
  }
  if (inferred->size() != node.outputs.size()) {
    return InvalidArgument(StrCat(schema.name, ": ", node.outputs.size(),
                                  " results, the rule gives ", inferred->size()));
  }
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    const ValueId output = node.outputs[i];
    if (!in_range(output)) return InvalidArgument(StrCat(schema.name, ": result %", output));
    if (graph.value(output).type != (*inferred)[i]) {
      return InvalidArgument(StrCat(schema.name, ": result ", Describe(graph, output), " is ",
                                    graph.shape(output).ToString(), ", the rule gives ",
                                    (*inferred)[i].shape.ToString()));
    }
    if ((*defined)[static_cast<std::size_t>(output)]) {
      return InvalidArgument(StrCat(schema.name, ": ", Describe(graph, output), " computed twice"));
    }
    (*defined)[static_cast<std::size_t>(output)] = true;
  }
  return OkStatus();
}

}  // namespace

Status Verify(const Graph& graph) {
  ATTUNE_RETURN_IF_ERROR(CheckLeaves(graph));
  std::vector<bool> defined(graph.values().size());
  for (std::size_t i = 0; i < defined.size(); ++i)
    defined[i] = graph.values()[i].leaf != Leaf::kNone;
  for (const Node& node : graph.nodes()) ATTUNE_RETURN_IF_ERROR(CheckNode(graph, node, &defined));
  std::set<std::string_view> names;
  for (const NamedValue& output : graph.outputs()) {
    if (output.value < 0 || static_cast<std::size_t>(output.value) >= defined.size() ||
        !defined[static_cast<std::size_t>(output.value)]) {
      return InvalidArgument(
          StrCat("output ", output.name, ": %", output.value, " is never computed"));
    }
    if (!names.insert(output.name).second) {
      return InvalidArgument(StrCat("two outputs are called ", output.name));
    }
  }
  return OkStatus();
}

}  // namespace attune
