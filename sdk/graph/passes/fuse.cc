// Accumulation and loss fusion.

#include <algorithm>

#include "graph/op_schema.h"
#include "graph/passes/passes.h"
#include "graph/passes/rewrite.h"

namespace attune {
namespace {

using internal::Renaming;
using internal::UseCounts;

bool CanAccumulate(const Node& node) {
  return node.op == OpKind::kLinear || node.op == OpKind::kMatMul ||
         node.op == OpKind::kEmbeddingGrad;
}

void SetAccumulate(Node* node, ValueId accumulator) {
  if (auto* linear = std::get_if<LinearAttrs>(&node->attributes)) linear->accumulate = true;
  if (auto* matmul = std::get_if<MatMulAttrs>(&node->attributes)) matmul->accumulate = true;
  if (auto* embedding = std::get_if<EmbeddingGradAttrs>(&node->attributes))
    embedding->accumulate = true;
  node->inputs.push_back(accumulator);
}

class AccumulateFuser {
 public:
  explicit AccumulateFuser(Graph* graph) : graph_(graph) {}

  void Run() {
    uses_ = UseCounts(*graph_);
    producer_.assign(graph_->values().size(), -1);
    for (const Node& original : graph_->nodes()) {
      Node node = original;
      renaming_.ApplyTo(&node);
      if (node.op == OpKind::kAdd && (Fuse(node, 1, 0) || Fuse(node, 0, 1))) continue;
      Keep(std::move(node));
    }
    std::erase_if(kept_, [](const Node& node) { return node.outputs.empty(); });
    graph_->set_nodes(std::move(kept_));
    renaming_.ApplyToOutputs(graph_);
  }

 private:
  void Keep(Node node) {
    for (ValueId output : node.outputs) {
      producer_[static_cast<std::size_t>(output)] = static_cast<std::int32_t>(kept_.size());
    }
    kept_.push_back(std::move(node));
  }

  std::int32_t ProducerOf(ValueId id) const { return producer_[static_cast<std::size_t>(id)]; }

  // add(other, product): walks down the accumulators of `product` to the first
  // GEMM that has none and lets it start from `other`.
  bool Fuse(const Node& add, std::size_t product_index, std::size_t other_index) {
    const ValueId other = add.inputs[other_index];
    ValueId product = add.inputs[product_index];
    if (product == other) return false;
    const ValueId top = product;
    while (true) {
      const std::int32_t at = ProducerOf(product);
      if (at < 0 || uses_[static_cast<std::size_t>(product)] != 1) return false;
      Node& node = kept_[static_cast<std::size_t>(at)];
      if (!CanAccumulate(node)) return false;
      const int accumulator = AccumulateInput(node);
      if (accumulator < 0) break;
      product = node.inputs[static_cast<std::size_t>(accumulator)];
    }
    const auto at = static_cast<std::size_t>(ProducerOf(product));
    if (ProducerOf(other) > static_cast<std::int32_t>(at)) {
      // The other operand comes later: only the GEMM right at the add can move.
      if (product != top) return false;
      Node moved = kept_[at];
      kept_[at].outputs.clear();
      SetAccumulate(&moved, other);
      moved.outputs = add.outputs;
      Keep(std::move(moved));
      return true;
    }
    SetAccumulate(&kept_[at], other);
    renaming_.Replace(add.outputs[0], top);
    uses_[static_cast<std::size_t>(top)] = uses_[static_cast<std::size_t>(add.outputs[0])];
    return true;
  }

  Graph* graph_;
  Renaming renaming_;
  std::vector<Node> kept_;
  std::vector<std::int32_t> uses_;
  std::vector<std::int32_t> producer_;
};

// The gradient node over the logits of the loss `node`, or the end.
std::vector<Node>::iterator GradientOfLoss(std::vector<Node>& nodes, const Node& loss) {
  return std::find_if(nodes.begin(), nodes.end(), [&](const Node& node) {
    return node.op == OpKind::kLinearCrossEntropyGrad && node.inputs[4] == loss.outputs[1] &&
           std::equal(loss.inputs.begin(), loss.inputs.end(), node.inputs.begin());
  });
}

}  // namespace

void FuseAccumulate(Graph* graph) { AccumulateFuser(graph).Run(); }

void FuseLoss(Graph* graph) {
  std::vector<Node> nodes = graph->nodes();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i].op != OpKind::kLinearCrossEntropy) continue;
    const auto gradient = GradientOfLoss(nodes, nodes[i]);
    if (gradient == nodes.end()) continue;
    const ValueId seed = gradient->inputs[5];
    if (graph->value(seed).leaf == Leaf::kNone) continue;  // Known only later.
    Node joint{OpKind::kLinearCrossEntropyJoint, gradient->attributes, nodes[i].inputs,
               nodes[i].outputs};
    joint.inputs.push_back(seed);
    joint.outputs.insert(joint.outputs.end(), gradient->outputs.begin(), gradient->outputs.end());
    nodes.erase(gradient);
    nodes[i] = std::move(joint);
  }
  graph->set_nodes(std::move(nodes));
}

}  // namespace attune
