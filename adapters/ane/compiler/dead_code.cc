#include <algorithm>
#include <vector>

#include "ane/compiler/passes.h"

namespace attune::ane {
namespace {

// Keeps the marked of `items`; the new index of each, or kNone.
template <typename Item>
std::vector<std::int32_t> Compact(const std::vector<bool>& marked, std::vector<Item>* items) {
  std::vector<std::int32_t> renamed(items->size(), kNone);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < items->size(); ++i) {
    if (!marked[i]) continue;
    renamed[i] = static_cast<std::int32_t>(kept);
    if (kept != i) (*items)[kept] = std::move((*items)[i]);
    ++kept;
  }
  items->resize(kept);
  return renamed;
}

}  // namespace

void RemoveDeadCode(Region* region) {
  std::vector<bool> live(region->tensors.size(), false);
  for (const RegionOutput& output : region->outputs) {
    live[static_cast<std::size_t>(output.tensor)] = true;
  }
  std::vector<bool> needed(region->nodes.size(), false);
  for (std::size_t i = region->nodes.size(); i-- > 0;) {
    const IrNode& node = region->nodes[i];
    if (!live[static_cast<std::size_t>(node.output)]) continue;
    needed[i] = true;
    for (const TensorId input : node.inputs) live[static_cast<std::size_t>(input)] = true;
  }
  Compact(needed, &region->nodes);
  const std::vector<std::int32_t> tensors = Compact(live, &region->tensors);
  for (IrNode& node : region->nodes) {
    node.output = tensors[static_cast<std::size_t>(node.output)];
    for (TensorId& input : node.inputs) input = tensors[static_cast<std::size_t>(input)];
  }
  for (RegionOutput& output : region->outputs) {
    output.tensor = tensors[static_cast<std::size_t>(output.tensor)];
  }

  std::vector<bool> baked(region->weights.size(), false);
  for (const IrTensor& tensor : region->tensors) {
    if (tensor.origin == Origin::kWeight) baked[static_cast<std::size_t>(tensor.weight)] = true;
  }
  const std::vector<std::int32_t> weights = Compact(baked, &region->weights);
  for (IrTensor& tensor : region->tensors) {
    if (tensor.origin == Origin::kWeight) {
      tensor.weight = weights[static_cast<std::size_t>(tensor.weight)];
    }
  }
}

}  // namespace attune::ane
