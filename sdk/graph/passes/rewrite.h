// What several passes need: use counts and renaming.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace attune::internal {

// How often each value is read by nodes and outputs.
inline std::vector<std::int32_t> UseCounts(const Graph& graph) {
  std::vector<std::int32_t> uses(graph.values().size());
  for (const Node& node : graph.nodes()) {
    for (ValueId input : node.inputs) ++uses[static_cast<std::size_t>(input)];
  }
  for (const NamedValue& output : graph.outputs()) ++uses[static_cast<std::size_t>(output.value)];
  return uses;
}

// Says for each value which one stands for it now.
class Renaming {
 public:
  void Replace(ValueId from, ValueId to) {
    if (static_cast<std::size_t>(from) >= target_.size()) {
      target_.resize(static_cast<std::size_t>(from) + 1, kNoValue);
    }
    target_[static_cast<std::size_t>(from)] = (*this)(to);
  }
  ValueId operator()(ValueId id) const {
    while (static_cast<std::size_t>(id) < target_.size() &&
           target_[static_cast<std::size_t>(id)] != kNoValue) {
      id = target_[static_cast<std::size_t>(id)];
    }
    return id;
  }
  void ApplyTo(Node* node) const {
    for (ValueId& input : node->inputs) input = (*this)(input);
  }
  void ApplyToOutputs(Graph* graph) const {
    auto outputs = graph->outputs();
    for (NamedValue& output : outputs) output.value = (*this)(output.value);
    graph->set_outputs(std::move(outputs));
  }

 private:
  std::vector<ValueId> target_;
};

}  // namespace attune::internal
