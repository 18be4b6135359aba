// From a graph to a plan: lower to primitives, optimise, split by the limits, share
// surfaces.
//
//   graph -> Lower -> regions -> Optimize -> Partition -> AssignSlots -> Plan

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ane/compiler/plan.h"
#include "ane/device/device.h"
#include "attune/status.h"
#include "compute/backend.h"

namespace attune::ane {

enum class HeadPlacement : std::uint8_t { kByCost, kHost, kDevice };

// A linear over a frozen weight: a 1x1 convolution, or a product with a constant. One
// chip is several times faster at the latter, the others at the former.
enum class LinearForm : std::uint8_t { kByChip, kConvolution, kMatMul };

struct CompilerOptions {
  Target target;
  ElementType element = ElementType::kF16;
  // Weight tensors of a program: 16 are taken, one goes to scalars.
  std::int64_t max_weights = 15;
  std::int64_t max_programs = 120;  // Of the 127; others on the machine have some.
  std::int64_t max_blob_bytes = std::int64_t{1} << 30;
  // Operations of a program: the time to compile it grows faster than their number.
  std::int64_t max_ops = 384;
  // Inputs and outputs of a program together.
  std::int64_t max_surfaces = 64;
  // Surfaces of a program all of one size, as some systems are said to want; they may
  // take many times the memory.
  bool uniform_surfaces = false;
  HeadPlacement head = HeadPlacement::kByCost;
  LinearForm linear = LinearForm::kByChip;
  // Fewer device nodes than this between host nodes are not worth a program of theirs.
  std::int64_t smallest_island = 3;
  // Of forward values kept for the backward pass, in surfaces; the cheapest are computed
  // again until it fits. 0: all are kept.
  std::int64_t max_surface_bytes = 0;
  WeightStorage weights = WeightStorage::kElement;
};

// Everything. `frozen` must outlive the plan, which refers to the weights.
//
//   kInvalidArgument    a frozen parameter is missing or has another shape
//   kResourceExhausted  more programs than the limit; both numbers
//   kUnsupported        nothing of the graph can run on the device
Result<Plan> Compile(const Graph& graph, const FrozenParameters& frozen,
                     const CompilerOptions& options);

// --- The stages, each testable by itself ---

// Regions between host steps, before optimisation: RunPrograms steps refer to
// `regions`, one program each.
struct Lowered {
  std::vector<Region> regions;
  Plan plan;  // Without programs and slots.
};
Result<Lowered> Lower(const Graph& graph, const FrozenParameters& frozen,
                      const CompilerOptions& options);

// Dead code, common subexpressions, identities, constants, scales into weights and
// before products, one weight for several linears over the same input or into the
// same sum.
void Optimize(Region* region);

// Splits a region into programs within the limits, where the predicted time of all
// is least; values that cross become surfaces, added to `surfaces`. Deterministic.
//
//   kResourceExhausted  a part that cannot be split is beyond a limit: which node, which
//                       limit, both numbers
Result<std::vector<Region>> Partition(const Region& region, const CompilerOptions& options,
                                      std::vector<SurfaceSpec>* surfaces);

// What one evaluation of a region does.
Work WorkOf(const Region& region, std::span<const SurfaceSpec> surfaces, ElementType element);

// Fills plan->slots: by the steps at which surfaces are written and last read.
// Surfaces that are written `once` keep a slot of their own. Whoever writes a surface
// writes all of it, since others had its slot before. With `uniform`, all surfaces of
// a program are of one size.
void AssignSlots(Plan* plan, bool uniform = false);

}  // namespace attune::ane
