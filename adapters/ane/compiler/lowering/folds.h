// Norms of single heads (Qwen3): the graph reshapes [rows, heads * D] to
// [rows * heads, D], normalises, and reshapes back. On the device, where heads are
// channels apart, no data moves: such a value lies there as [rows, heads * D] still.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/compiler/lowering/placement.h"
#include "graph/graph.h"

namespace attune::ane {

// Heads of each value that is rows * heads by D in the graph; 1 of all others. What is
// read by anything but norms and the reshape back is not folded.
std::vector<std::int64_t> FindFolds(const Graph& graph);

// Whether everything that makes or reads such a value is on the device.
bool FoldsHold(const Graph& graph, const std::vector<std::int64_t>& folds,
               const std::vector<Place>& places);

}  // namespace attune::ane
