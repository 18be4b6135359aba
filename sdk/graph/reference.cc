#include "graph/reference.h"

#include "base/strings.h"

namespace attune {
namespace {

std::vector<double> Widen(const Tensor& tensor) {
  std::vector<double> out(static_cast<std::size_t>(tensor.shape().elements()));
  const bool ints = tensor.dtype() == DType::kI32;
  const auto* int_data = reinterpret_cast<const std::int32_t*>(tensor.data());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = ints ? int_data[i] : ElementAsF32(tensor.view(), static_cast<std::int64_t>(i));
  }
  return out;
}

Result<ReferenceTensor> LeafTensor(const Value& value, const ReferenceFeeds& feeds) {
  if (value.leaf == Leaf::kConstant) return ReferenceTensor{value.type, Widen(*value.literal)};
  const auto feed = feeds.find(value.name);
  if (feed == feeds.end()) return InvalidArgument(StrCat("nothing fed for ", value.name));
  if (feed->second.size() != static_cast<std::size_t>(value.type.shape.elements())) {
    return InvalidArgument(StrCat(value.name, ": ", feed->second.size(), " elements fed, has ",
                                  value.type.shape.elements()));
  }
  return ReferenceTensor{value.type, feed->second};
}

}  // namespace

std::vector<ReferenceTensor> EvaluateNode(const Graph& graph, const Node& node,
                                          std::span<const ReferenceTensor* const> inputs) {
  std::vector<ReferenceTensor> outputs;
  for (ValueId id : node.outputs) {
    const ValueType& type = graph.value(id).type;
    outputs.push_back({type, std::vector<double>(static_cast<std::size_t>(type.shape.elements()))});
  }
  SchemaOf(node.op).reference(node.attributes, inputs, outputs);
  return outputs;
}

Result<std::map<std::string, ReferenceTensor>> EvaluateReference(const Graph& graph,
                                                                 const ReferenceFeeds& feeds) {
  return EvaluateReference(graph, feeds, [](const Node&, std::span<const ReferenceTensor>) {});
}

Result<std::map<std::string, ReferenceTensor>> EvaluateReference(const Graph& graph,
                                                                 const ReferenceFeeds& feeds,
                                                                 NodeVisitor visit) {
  std::vector<ReferenceTensor> values(graph.values().size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (graph.values()[i].leaf == Leaf::kNone) continue;
    ATTUNE_ASSIGN_OR_RETURN(values[i], LeafTensor(graph.values()[i], feeds));
  }
  for (const Node& node : graph.nodes()) {
    std::vector<const ReferenceTensor*> inputs;
    for (ValueId id : node.inputs) inputs.push_back(&values[static_cast<std::size_t>(id)]);
    auto outputs = EvaluateNode(graph, node, inputs);
    visit(node, outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      values[static_cast<std::size_t>(node.outputs[i])] = std::move(outputs[i]);
    }
  }
  std::map<std::string, ReferenceTensor> results;
  for (const NamedValue& output : graph.outputs()) {
    results[output.name] = values[static_cast<std::size_t>(output.value)];
  }
  return results;
}

}  // namespace attune
