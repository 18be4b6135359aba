#include "ane/compiler/rewriter.h"

#include <utility>

#include "base/strings.h"

namespace attune::ane {

Rewriter::Rewriter(Region* region) : region_(region) {
  uses_.resize(region->tensors.size());
  producers_.resize(region->tensors.size(), -1);
  for (std::size_t i = 0; i < region->tensors.size(); ++i) {
    replaced_.push_back(static_cast<TensorId>(i));
    names_.insert(region->tensors[i].name);
  }
  for (const Weight& weight : region->weights) names_.insert(weight.name);
  for (const IrNode& node : region->nodes) {
    for (const TensorId input : node.inputs) ++uses_[static_cast<std::size_t>(input)];
  }
  for (const RegionOutput& output : region->outputs) {
    ++uses_[static_cast<std::size_t>(output.tensor)];
  }
}

std::vector<IrNode> Rewriter::TakeNodes() {
  kept_.reserve(region_->nodes.size());
  return std::exchange(region_->nodes, {});
}

void Rewriter::Resolve(IrNode* node) const {
  for (TensorId& input : node->inputs) input = replaced_[static_cast<std::size_t>(input)];
}

void Rewriter::Keep(IrNode node) {
  producers_[static_cast<std::size_t>(node.output)] = static_cast<std::int32_t>(kept_.size());
  kept_.push_back(std::move(node));
}

// Operands are resolved before a replacement is decided on, so `to` stands for itself
// and no chain arises.
void Rewriter::Replace(TensorId from, TensorId to) {
  replaced_[static_cast<std::size_t>(from)] = to;
}

void Rewriter::Finish() {
  region_->nodes = std::move(kept_);
  for (RegionOutput& output : region_->outputs) {
    output.tensor = replaced_[static_cast<std::size_t>(output.tensor)];
  }
}

const IrNode* Rewriter::Producer(TensorId id) const {
  const std::int32_t at = producers_[static_cast<std::size_t>(id)];
  return at < 0 ? nullptr : &kept_[static_cast<std::size_t>(at)];
}

bool Rewriter::IsRecent(TensorId id, std::size_t nodes) const {
  const std::int32_t at = producers_[static_cast<std::size_t>(id)];
  return at >= 0 && kept_.size() - static_cast<std::size_t>(at) <= nodes;
}

std::string Rewriter::NewName(std::string_view base) {
  base = base.substr(0, base.find('~'));
  std::string name;
  for (std::size_t i = names_.size();; ++i) {
    name = StrCat(base, "~", i);
    if (names_.insert(name).second) return name;
  }
}

TensorId Rewriter::Add(IrTensor tensor) {
  const auto id = static_cast<TensorId>(region_->tensors.size());
  region_->tensors.push_back(std::move(tensor));
  producers_.push_back(-1);
  replaced_.push_back(id);
  uses_.push_back(1);
  return id;
}

TensorId Rewriter::NewTensor(std::string_view base, const Dims& dims) {
  IrTensor tensor;
  tensor.name = NewName(base);
  tensor.dims = dims;
  return Add(std::move(tensor));
}

TensorId Rewriter::NewScalar(double value) {
  IrTensor tensor;
  tensor.name = NewName("scalar");
  tensor.dims = {1, 1, 1, 1};
  tensor.origin = Origin::kScalar;
  tensor.scalar = value;
  return Add(std::move(tensor));
}

TensorId Rewriter::NewWeight(std::string_view base, Weight weight) {
  IrTensor tensor;
  tensor.name = NewName(base);
  tensor.dims = weight.dims;
  tensor.origin = Origin::kWeight;
  tensor.weight = static_cast<WeightId>(region_->weights.size());
  weight.name = NewName(base);
  region_->weights.push_back(std::move(weight));
  return Add(std::move(tensor));
}

}  // namespace attune::ane
