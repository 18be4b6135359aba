// Memory of a program before it is compiled.

#pragma once

#include "attune/status.h"
#include "compute/backend.h"

namespace attune {

// What the backend says; for one that cannot say, the graph's own memory plan
// and inputs.
Result<MemoryReport> PredictProgram(Backend& backend, const Graph& graph,
                                    const FrozenParameters& frozen, const CompileOptions& options);

}  // namespace attune
