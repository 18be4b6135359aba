// Dead code, constant folding, identities, common subexpressions.

#include <algorithm>
#include <cstring>
#include <map>

#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"
#include "graph/reference.h"

namespace attune {
namespace {

using internal::Renaming;

ReferenceTensor FromConstant(const Value& value) {
  ReferenceTensor tensor{value.type, {}};
  const std::int64_t n = value.type.shape.elements();
  for (std::int64_t i = 0; i < n; ++i) {
    if (value.type.dtype == DType::kI32) {
      std::int32_t element;
      std::memcpy(&element, value.literal->data() + i * 4, 4);
      tensor.data.push_back(element);
    } else {
      tensor.data.push_back(ElementAsF32(value.literal->view(), i));
    }
  }
  return tensor;
}

bool AllConstant(const Graph& graph, const Node& node) {
  if (node.inputs.empty()) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end(),
                     [&](ValueId input) { return graph.value(input).leaf == Leaf::kConstant; });
}

// Results of f32 only: nothing else is worth a literal.
bool AllF32(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(),
                     [&](ValueId output) { return graph.value(output).type.dtype == DType::kF32; });
}

void Fold(Graph* graph, const Node& node, Renaming* renaming) {
  std::vector<ReferenceTensor> operands;
  for (ValueId input : node.inputs) operands.push_back(FromConstant(graph->value(input)));
  std::vector<const ReferenceTensor*> inputs;
  for (const ReferenceTensor& operand : operands) inputs.push_back(&operand);
  const auto results = EvaluateNode(*graph, node, inputs);
  for (std::size_t i = 0; i < results.size(); ++i) {
    Tensor literal(DType::kF32, results[i].type.shape);
    auto data = literal.f32();
    for (std::size_t k = 0; k < data.size(); ++k) data[k] = static_cast<float>(results[i].data[k]);
    const std::string name = graph->value(node.outputs[i]).name;
    renaming->Replace(node.outputs[i], graph->AddConstant(name, std::move(literal)));
  }
}

// The value that `node` merely repeats, or kNoValue.
ValueId Repeats(const Graph& graph, const Node& node, const std::vector<Node>& kept,
                const std::vector<std::int32_t>& kept_producer) {
  const ValueId x = node.inputs.empty() ? kNoValue : node.inputs[0];
  switch (node.op) {
    case OpKind::kScale:
      return node.attrs<ScaleAttrs>().factor == 1.0f ? x : kNoValue;
    case OpKind::kCast:
    case OpKind::kReshape:
      return graph.value(x).type == graph.value(node.outputs[0]).type ? x : kNoValue;
    case OpKind::kTranspose: {
      const std::int32_t producer = kept_producer[static_cast<std::size_t>(x)];
      if (producer < 0 || kept[static_cast<std::size_t>(producer)].op != OpKind::kTranspose)
        return kNoValue;
      return kept[static_cast<std::size_t>(producer)].inputs[0];
    }
    default:
      return kNoValue;
  }
}

// reshape(reshape(x)) reads x; scale(scale(x)) multiplies once.
void JoinWithProducer(Node* node, const std::vector<Node>& kept,
                      const std::vector<std::int32_t>& kept_producer) {
  if (node->op != OpKind::kReshape && node->op != OpKind::kScale) return;
  const std::int32_t producer = kept_producer[static_cast<std::size_t>(node->inputs[0])];
  if (producer < 0) return;
  const Node& before = kept[static_cast<std::size_t>(producer)];
  if (before.op != node->op) return;
  if (node->op == OpKind::kScale) {
    node->attributes =
        ScaleAttrs{node->attrs<ScaleAttrs>().factor * before.attrs<ScaleAttrs>().factor};
  }
  node->inputs[0] = before.inputs[0];
}

}  // namespace

void RemoveDeadCode(Graph* graph) {
  std::vector<bool> live(graph->values().size());
  for (const NamedValue& output : graph->outputs())
    live[static_cast<std::size_t>(output.value)] = true;
  std::vector<Node> kept;
  for (auto node = graph->nodes().rbegin(); node != graph->nodes().rend(); ++node) {
    const bool needed =
        std::any_of(node->outputs.begin(), node->outputs.end(),
                    [&](ValueId output) { return live[static_cast<std::size_t>(output)]; });
    if (!needed) continue;
    for (ValueId input : node->inputs) live[static_cast<std::size_t>(input)] = true;
    kept.push_back(*node);
  }
  std::reverse(kept.begin(), kept.end());
  graph->set_nodes(std::move(kept));
}

void FoldConstants(Graph* graph) {
  Renaming renaming;
  std::vector<Node> kept;
  const std::vector<Node> nodes = graph->nodes();
  for (Node node : nodes) {
    renaming.ApplyTo(&node);
    if (AllConstant(*graph, node) && AllF32(*graph, node)) {
      Fold(graph, node, &renaming);
    } else {
      kept.push_back(std::move(node));
    }
  }
  graph->set_nodes(std::move(kept));
  renaming.ApplyToOutputs(graph);
}

void EliminateIdentities(Graph* graph) {
  Renaming renaming;
  std::vector<Node> kept;
  std::vector<std::int32_t> kept_producer(graph->values().size(), -1);
  for (Node node : graph->nodes()) {
    renaming.ApplyTo(&node);
    JoinWithProducer(&node, kept, kept_producer);
    if (const ValueId same = Repeats(*graph, node, kept, kept_producer); same != kNoValue) {
      renaming.Replace(node.outputs[0], same);
      continue;
    }
    for (ValueId output : node.outputs) {
      kept_producer[static_cast<std::size_t>(output)] = static_cast<std::int32_t>(kept.size());
    }
    kept.push_back(std::move(node));
  }
  graph->set_nodes(std::move(kept));
  renaming.ApplyToOutputs(graph);
}

void EliminateCommonSubexpressions(Graph* graph) {
  Renaming renaming;
  std::vector<Node> kept;
  std::map<std::pair<OpKind, std::vector<ValueId>>, std::vector<std::size_t>> seen;
  for (Node node : graph->nodes()) {
    renaming.ApplyTo(&node);
    auto& twins = seen[{node.op, node.inputs}];
    const auto twin = std::find_if(twins.begin(), twins.end(), [&](std::size_t i) {
      return kept[i].attributes == node.attributes;
    });
    if (twin != twins.end() && node.op != OpKind::kCacheAppend) {
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        renaming.Replace(node.outputs[i], kept[*twin].outputs[i]);
      }
      continue;
    }
    twins.push_back(kept.size());
    kept.push_back(std::move(node));
  }
  graph->set_nodes(std::move(kept));
  renaming.ApplyToOutputs(graph);
}

void Optimize(Graph* graph) {
  RemoveDeadCode(graph);
  FoldConstants(graph);
  EliminateIdentities(graph);
  EliminateCommonSubexpressions(graph);
  FuseLoss(graph);
  FuseAccumulate(graph);
  RemoveDeadCode(graph);
}

}  // namespace attune
