#include "ane/compiler/lowering/folds.h"

#include <algorithm>

namespace attune::ane {
namespace {

class FoldFinder {
 public:
  explicit FoldFinder(const Graph& graph) : graph_(graph), folds_(graph.values().size(), 1) {}

  std::vector<std::int64_t> Run() {
    for (const Node& node : graph_.nodes()) Propose(node);
    // Taking one back may leave others without reason.
    bool changed = true;
    while (changed) {
      changed = false;
      for (const Node& node : graph_.nodes()) changed |= Check(node);
      for (const NamedValue& output : graph_.outputs()) changed |= Unfold(output.value);
    }
    return std::move(folds_);
  }

 private:
  std::int64_t& At(ValueId id) { return folds_[static_cast<std::size_t>(id)]; }

  bool Unfold(ValueId id) {
    if (At(id) == 1) return false;
    At(id) = 1;
    return true;
  }

  void Propose(const Node& node) {
    const ValueId x = node.inputs[0], y = node.outputs[0];
    if (node.op == OpKind::kReshape) {
      const Shape &from = graph_.shape(x), &to = graph_.shape(y);
      const bool splits = from.rank() == 2 && to.rank() == 2 && At(x) == 1 && to[1] > 0 &&
                          from[1] > to[1] && from[1] % to[1] == 0 && from[0] > 0;
      if (splits) At(y) = from[1] / to[1];
    } else if (node.op == OpKind::kRmsNorm || node.op == OpKind::kRmsNormGrad) {
      At(y) = At(x);
    }
  }

  // Takes folds of operands and results back that the node cannot keep.
  bool Check(const Node& node) {
    const ValueId x = node.inputs[0], y = node.outputs[0];
    switch (node.op) {
      case OpKind::kReshape:
        return CheckReshape(x, y);
      case OpKind::kRmsNorm: {
        const bool weight = Unfold(node.inputs[1]);
        return Agree({x, y}) || weight;
      }
      case OpKind::kRmsNormGrad: {
        const bool weight = Unfold(node.inputs[1]);
        return Agree({x, node.inputs[3], y}) || weight;
      }
      case OpKind::kRmsNormWeightGrad:
        return Agree({x, node.inputs[2]});
      default: {
        bool changed = false;
        for (const ValueId id : node.inputs) changed |= Unfold(id);
        for (const ValueId id : node.outputs) changed |= Unfold(id);
        return changed;
      }
    }
  }

  bool CheckReshape(ValueId x, ValueId y) {
    const Shape &from = graph_.shape(x), &to = graph_.shape(y);
    if (At(x) == 1 && At(y) == 1) return false;
    const bool splits = At(x) == 1 && from[1] == to[1] * At(y);
    const bool joins = At(y) == 1 && to.rank() == 2 && to[1] == from[1] * At(x);
    if (splits || joins) return false;
    const bool changed = Unfold(x);
    return Unfold(y) || changed;
  }

  bool Agree(std::initializer_list<ValueId> ids) {
    const std::int64_t first = At(*ids.begin());
    if (std::all_of(ids.begin(), ids.end(), [&](ValueId id) { return At(id) == first; })) {
      return false;
    }
    for (const ValueId id : ids) Unfold(id);
    return true;
  }

  const Graph& graph_;
  std::vector<std::int64_t> folds_;
};

}  // namespace

std::vector<std::int64_t> FindFolds(const Graph& graph) { return FoldFinder(graph).Run(); }

bool FoldsHold(const Graph& graph, const std::vector<std::int64_t>& folds,
               const std::vector<Place>& places) {
  const auto folded = [&](ValueId id) { return folds[static_cast<std::size_t>(id)] > 1; };
  for (std::size_t n = 0; n < places.size(); ++n) {
    const Node& node = graph.nodes()[n];
    if (places[n].where == Where::kDevice) continue;
    if (std::any_of(node.inputs.begin(), node.inputs.end(), folded)) return false;
    if (std::any_of(node.outputs.begin(), node.outputs.end(), folded)) return false;
  }
  return true;
}

}  // namespace attune::ane
