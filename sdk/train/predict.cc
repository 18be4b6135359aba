#include "train/predict.h"

#include "graph/memory_plan.h"

namespace attune {

Result<MemoryReport> PredictProgram(Backend& backend, const Graph& graph,
                                    const FrozenParameters& frozen, const CompileOptions& options) {
  auto report = backend.PredictMemory(graph, frozen, options);
  if (report.ok() || report.status().code() != StatusCode::kUnsupported) return report;
  MemoryReport plan;
  plan.arena_bytes = PlanMemory(graph).bytes;
  for (const Value& value : graph.values()) {
    if (value.leaf == Leaf::kInput) plan.slot_bytes += value.type.bytes();
  }
  return plan;
}

}  // namespace attune
