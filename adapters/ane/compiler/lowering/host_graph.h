// Parts of a graph as graphs of their own, for the host's backend.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/compiler/plan.h"
#include "attune/status.h"

namespace attune::ane {

// The nodes `nodes` of `graph`, in its order. Results are what other nodes or the
// graph's outputs read.
Result<RunHost> MakeHostStep(const Graph& graph, const std::vector<std::int32_t>& nodes);

}  // namespace attune::ane
