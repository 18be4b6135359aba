// What a run of a plan takes by the cost model, and where the time goes.

#pragma once

#include <vector>

#include "ane/compiler/plan.h"
#include "ane/cost/cost.h"
#include "ane/device/target.h"
#include "graph/graph.h"

namespace attune::ane {

// What the host does for one run of a graph.
struct HostWork {
  double flops = 0;  // Of matrix products, 2 per multiplication.
  double bytes = 0;  // Read and written, each operand once.
};
HostWork HostWorkOf(const Graph& graph);

// Seconds of one run, steps one after the other.
struct PlanCost {
  double device_seconds = 0;         // Evaluations.
  double transfer_seconds = 0;       // Between the host's f32 and surfaces.
  double host_seconds = 0;           // Steps on the host, masks and rotations included.
  double device_joules = 0;          // The host's are not modelled.
  double compile_seconds = 0;        // All programs, once.
  double load_seconds = 0;           // Likewise, when compiled before.
  std::vector<Prediction> programs;  // One evaluation of each.
  std::int64_t evaluations = 0;
  double seconds() const { return device_seconds + transfer_seconds + host_seconds; }
};
PlanCost PredictPlan(const Plan& plan, Chip chip);

}  // namespace attune::ane
