// The memory plan places every computed value of a graph in one arena, so that
// values alive at the same time never overlap. Its size is what running the
// graph takes: the preflight reports it and the backend allocates it.

#pragma once

#include <cstdint>
#include <vector>

#include "graph/graph.h"

namespace attune {

struct MemoryPlan {
  // Offset of each value in the arena, 64-byte aligned; -1 for leaves, for
  // values that live in a leaf's storage, and for values nobody computes.
  std::vector<std::int64_t> offsets;
  // The value whose storage each value uses; itself when it has its own.
  std::vector<ValueId> storage;
  // Size of the arena in bytes.
  std::int64_t bytes = 0;
  // The largest sum of live values at any node: no plan can be smaller.
  std::int64_t lower_bound_bytes = 0;
};

// In-place ops take over the storage of an operand that dies there. Outputs of
// the graph stay valid until the next run.
MemoryPlan PlanMemory(const Graph& graph);

}  // namespace attune
