// Which surfaces the steps of a plan write and read.

#pragma once

#include <variant>

#include "ane/compiler/plan.h"

namespace attune::ane {

// Calls visit(SurfaceId&, bool writes) for each surface of a step but of RunPrograms,
// whose programs have theirs.
template <typename Visit>
void VisitSurfaces(Step* step, Visit visit) {
  const auto each = [&visit](SurfaceId& id, bool writes) {
    if (id != kNone) visit(id, writes);
  };
  if (auto* upload = std::get_if<Upload>(step)) each(upload->surface, true);
  if (auto* download = std::get_if<Download>(step)) each(download->surface, false);
  if (auto* mask = std::get_if<MakeMask>(step)) each(mask->surface, true);
  if (auto* dropout = std::get_if<MakeDropoutMask>(step)) each(dropout->surface, true);
  if (auto* rotation = std::get_if<MakeRotation>(step)) {
    each(rotation->cosine, true);
    each(rotation->sine, true);
  }
  if (auto* tail = std::get_if<LossTail>(step)) {
    each(tail->x, false);
    each(tail->lse, false);
    each(tail->expected, false);
    each(tail->dx, true);
  }
}

// The same for a program.
template <typename Visit>
void VisitSurfaces(Region* region, Visit visit) {
  for (IrTensor& tensor : region->tensors) {
    if (tensor.origin == Origin::kSurface) visit(tensor.surface, false);
  }
  for (RegionOutput& output : region->outputs) visit(output.surface, true);
}

}  // namespace attune::ane
