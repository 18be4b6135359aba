#include "graph/differentiate.h"

#include <memory>

#include "base/strings.h"
#include "graph/builder.h"
#include "graph/op_schema.h"

namespace attune {
namespace {

// Which values a change of some w can reach.
std::vector<bool> Reached(const Graph& graph, std::span<const ValueId> wrt) {
  std::vector<bool> reached(graph.values().size());
  for (ValueId w : wrt) reached[static_cast<std::size_t>(w)] = true;
  for (const Node& node : graph.nodes()) {
    bool any = false;
    for (ValueId input : node.inputs) any = any || reached[static_cast<std::size_t>(input)];
    for (ValueId output : node.outputs) reached[static_cast<std::size_t>(output)] = any;
  }
  return reached;
}

class Differentiator {
 public:
  Differentiator(Graph* graph, std::vector<bool> reached)
      : graph_(graph),
        builder_(graph),
        reached_(std::move(reached)),
        gradients_(graph->values().size(), kNoValue) {}

  void Seed(ValueId loss, ValueId seed) { gradients_[static_cast<std::size_t>(loss)] = seed; }
  ValueId GradientOf(ValueId id) const { return gradients_[static_cast<std::size_t>(id)]; }

  Status Visit(const Node& node) {
    std::vector<ValueId> incoming;
    bool any_incoming = false;
    for (ValueId output : node.outputs) {
      incoming.push_back(GradientOf(output));
      any_incoming = any_incoming || incoming.back() != kNoValue;
    }
    if (!any_incoming || !reached_[static_cast<std::size_t>(node.outputs[0])]) return OkStatus();
    const OpSchema& schema = SchemaOf(node.op);
    if (schema.gradient == nullptr) return Unsupported(StrCat(schema.name, " has no gradient"));
    ATTUNE_RETURN_IF_ERROR(RefuseStatistics(node, incoming));

    const auto wanted = std::make_unique<bool[]>(node.inputs.size());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      wanted[i] = reached_[static_cast<std::size_t>(node.inputs[i])];
    }
    GradientContext context(&builder_, node, incoming, {wanted.get(), node.inputs.size()});
    schema.gradient(context);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (!wanted[i] || !builder_.status().ok()) continue;
      if (context.gradients()[i] == kNoValue) {
        return Unsupported(StrCat(schema.name, " has no gradient for operand ", i, ", ",
                                  graph_->value(node.inputs[i]).name));
      }
      Accumulate(node.inputs[i], context.gradients()[i]);
    }
    return builder_.status();
  }

 private:
  // Rules differentiate result 0 alone; the others are statistics for the
  // backward pass. Dropping a gradient through them would be silently wrong.
  static Status RefuseStatistics(const Node& node, std::span<const ValueId> incoming) {
    for (std::size_t i = 1; i < incoming.size() && node.op != OpKind::kSplit; ++i) {
      if (incoming[i] == kNoValue) continue;
      return Unsupported(StrCat(OpName(node.op), " has no gradient through result ", i));
    }
    return OkStatus();
  }

  void Accumulate(ValueId id, ValueId gradient) {
    ValueId& slot = gradients_[static_cast<std::size_t>(id)];
    slot = slot == kNoValue ? gradient : builder_.Add(slot, gradient);
  }

  Graph* graph_;
  GraphBuilder builder_;
  std::vector<bool> reached_;
  std::vector<ValueId> gradients_;
};

}  // namespace

Result<std::vector<ValueId>> Differentiate(Graph* graph, ValueId loss, ValueId seed,
                                           std::span<const ValueId> wrt) {
  if (graph->shape(loss) != Shape{1} || graph->shape(seed) != Shape{1}) {
    return InvalidArgument(StrCat("loss ", graph->shape(loss).ToString(), " and seed ",
                                  graph->shape(seed).ToString(), " must both be [1]"));
  }
  Differentiator differentiator(graph, Reached(*graph, wrt));
  differentiator.Seed(loss, seed);
  const std::vector<Node> forward = graph->nodes();
  for (auto node = forward.rbegin(); node != forward.rend(); ++node) {
    ATTUNE_RETURN_IF_ERROR(differentiator.Visit(*node));
  }
  std::vector<ValueId> gradients;
  for (ValueId w : wrt) {
    const ValueId gradient = differentiator.GradientOf(w);
    if (gradient == kNoValue) {
      return InvalidArgument(StrCat("the loss does not depend on ", graph->value(w).name));
    }
    gradients.push_back(gradient);
  }
  return gradients;
}

}  // namespace attune
