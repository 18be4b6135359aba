// Where each node of a graph runs, and why.

#pragma once

#include <string>
#include <vector>

#include "ane/compiler/compile.h"
#include "graph/graph.h"

namespace attune::ane {

// Channels of a surface (docs/ane-constraints.md).
inline constexpr std::int64_t kMaxChannels = 65536;

enum class Where : std::uint8_t {
  kHost,
  kDevice,
  // A loss whose logits are the device's and whose end is the host's (LossTail).
  kHead,
};

struct Place {
  Where where = Where::kHost;
  std::string reason;
};

// What the ops, their extents and the cost of the head say, by node; neighbours are
// not looked at. `folds` as FindFolds() gives them, or 1 throughout.
std::vector<Place> PlaceNodes(const Graph& graph, const CompilerOptions& options,
                              const std::vector<std::int64_t>& folds);

// The operands that a node on the device reads as surfaces, and those that the host
// reads for it: positions, seeds, labels. What it computes again is in neither.
struct Reads {
  std::vector<ValueId> surfaces;
  std::vector<ValueId> host;
};
Reads ReadsOf(const Node& node);

// Floating-point operations and bytes of weights of a node.
struct NodeCost {
  double flops = 0, bytes = 0;
};
NodeCost CostOfNode(const Graph& graph, const Node& node);

}  // namespace attune::ane
