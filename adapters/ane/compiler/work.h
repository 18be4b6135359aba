// What nodes of a region compute and move.

#pragma once

#include "ane/compiler/ir.h"
#include "ane/cost/cost.h"
#include "ane/device/device.h"

namespace attune::ane {

// Of a weight in its storage, as the weight file has it.
std::int64_t BytesOf(const Weight& weight, ElementType element);
// Tensors that a weight counts as: integers have scales beside them, or palettes.
constexpr std::int64_t TensorsOf(const Weight& weight) {
  return weight.storage == WeightStorage::kElement ? 1 : 2;
}

// Arithmetic and intermediate results of one node; neither weights nor surfaces.
Work WorkOfNode(const Region& region, const IrNode& node, ElementType element);

}  // namespace attune::ane
