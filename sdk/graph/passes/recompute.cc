#include <algorithm>
#include <set>

#include "graph/memory_plan.h"
#include "graph/passes/passes.h"

namespace attune {
namespace {

// Memory-bound ops: computing them again costs about what reading them would.
bool IsCheap(OpKind op) {
  switch (op) {
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kScale:
    case OpKind::kUnary:
    case OpKind::kSwiGlu:
    case OpKind::kRmsNorm:
    case OpKind::kLayerNorm:
    case OpKind::kRope:
    case OpKind::kReshape:
    case OpKind::kSplit:
    case OpKind::kSlice:
    case OpKind::kConcat:
    case OpKind::kDropout:
    case OpKind::kCast:
      return true;
    default:
      return false;
  }
}

bool IsCostly(OpKind op) { return op == OpKind::kLinear || op == OpKind::kAttention; }

class Recomputer {
 public:
  Recomputer(const Graph& graph, ValueId loss) : graph_(graph), producers_(graph.Producers()) {
    boundary_ = producers_[static_cast<std::size_t>(loss)];
    FindSaved();
    for (ValueId id : saved_) AddCandidate(id, true);
    for (ValueId id : saved_) AddCandidate(id, false);
  }

  std::size_t candidates() const { return candidates_.size(); }

  // The graph with the first `count` candidates computed again.
  Graph Rewrite(std::size_t count) const {
    Graph out = graph_;
    std::set<ValueId> dropped(candidates_.begin(),
                              candidates_.begin() + static_cast<std::ptrdiff_t>(count));
    std::vector<Node> nodes;
    std::vector<ValueId> clone(graph_.values().size(), kNoValue);
    for (std::int32_t n = 0; n < static_cast<std::int32_t>(graph_.nodes().size()); ++n) {
      Node node = graph_.nodes()[static_cast<std::size_t>(n)];
      if (n > boundary_) {
        for (ValueId& input : node.inputs)
          input = Materialize(input, dropped, &clone, &out, &nodes);
      }
      nodes.push_back(std::move(node));
    }
    out.set_nodes(std::move(nodes));
    return out;
  }

 private:
  bool IsForward(ValueId id) const {
    const std::int32_t producer = producers_[static_cast<std::size_t>(id)];
    return producer >= 0 && producer < boundary_;
  }

  void FindSaved() {
    std::set<ValueId> seen;
    for (std::size_t n = static_cast<std::size_t>(boundary_) + 1; n < graph_.nodes().size(); ++n) {
      for (ValueId input : graph_.nodes()[n].inputs) {
        if (IsForward(input) && seen.insert(input).second) saved_.push_back(input);
      }
    }
    std::sort(saved_.begin(), saved_.end());
    for (const Node& node : graph_.nodes()) {
      const bool norm = node.op == OpKind::kRmsNorm || node.op == OpKind::kLayerNorm;
      if (norm) checkpoints_.insert(node.inputs[0]);
    }
  }

  void AddCandidate(ValueId id, bool cheap) {
    const Node& node =
        graph_.nodes()[static_cast<std::size_t>(producers_[static_cast<std::size_t>(id)])];
    // Statistics of a norm are tiny, and its own input is a checkpoint.
    const bool main = node.outputs[0] == id || node.op == OpKind::kSplit;
    if (!main || checkpoints_.contains(id)) return;
    if (cheap ? IsCheap(node.op) : IsCostly(node.op)) candidates_.push_back(id);
  }

  // `id` as the backward pass may read it: itself when kept, else a copy of the
  // nodes that compute it, placed here.
  ValueId Materialize(ValueId id, const std::set<ValueId>& dropped, std::vector<ValueId>* clone,
                      Graph* out, std::vector<Node>* nodes) const {
    if (!IsForward(id)) return id;
    const bool kept =
        !dropped.contains(id) &&
        (checkpoints_.contains(id) || std::binary_search(saved_.begin(), saved_.end(), id));
    if (kept) return id;
    ValueId& copy = (*clone)[static_cast<std::size_t>(id)];
    if (copy != kNoValue) return copy;
    Node node = graph_.nodes()[static_cast<std::size_t>(producers_[static_cast<std::size_t>(id)])];
    for (ValueId& input : node.inputs) input = Materialize(input, dropped, clone, out, nodes);
    for (ValueId& output : node.outputs) {
      Value value = graph_.value(output);
      const ValueId again = out->AddValue(std::move(value));
      (*clone)[static_cast<std::size_t>(output)] = again;
      output = again;
    }
    nodes->push_back(std::move(node));
    return (*clone)[static_cast<std::size_t>(id)];
  }

  const Graph& graph_;
  std::vector<std::int32_t> producers_;
  std::int32_t boundary_ = -1;
  std::vector<ValueId> saved_;  // Forward values the backward pass reads, sorted.
  std::set<ValueId> checkpoints_;
  std::vector<ValueId> candidates_;  // Cheap ones first.
};

}  // namespace

RecomputePlan Recompute(Graph* graph, std::string_view loss, std::int64_t budget_bytes) {
  const auto loss_value = graph->FindOutput(loss);
  RecomputePlan plan{.peak_bytes = PlanMemory(*graph).bytes};
  if (!loss_value || plan.peak_bytes <= budget_bytes) return plan;
  const Recomputer recomputer(*graph, *loss_value);
  plan.candidates = static_cast<std::int64_t>(recomputer.candidates());
  // The peak falls with the number of values dropped: search the least that fits.
  std::size_t low = 1, high = recomputer.candidates();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    if (PlanMemory(recomputer.Rewrite(middle)).bytes <= budget_bytes) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  if (recomputer.candidates() == 0) return plan;
  Graph rewritten = recomputer.Rewrite(low);
  const std::int64_t peak = PlanMemory(rewritten).bytes;
  if (peak >= plan.peak_bytes) return plan;
  plan.peak_bytes = peak;
  plan.values = static_cast<std::int64_t>(low);
  *graph = std::move(rewritten);
  return plan;
}

}  // namespace attune
