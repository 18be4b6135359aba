// The frame of a pass: takes a region's nodes, gives them back one by one with
// operands that were replaced put right, and collects what stays.
//
//   Rewriter rewriter(region);
//   for (IrNode& node : rewriter.TakeNodes()) {
//     rewriter.Resolve(&node);
//     if (...) rewriter.Replace(node.output, other);
//     else rewriter.Keep(std::move(node));
//   }
//   rewriter.Finish();

#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "ane/compiler/ir.h"

namespace attune::ane {

class Rewriter {
 public:
  explicit Rewriter(Region* region);

  std::vector<IrNode> TakeNodes();
  void Resolve(IrNode* node) const;
  void Keep(IrNode node);
  // Whoever reads `from` reads `to`. REQUIRES: `to` is computed by a node that was
  // kept, or a leaf.
  void Replace(TensorId from, TensorId to);
  void Finish();

  const IrTensor& tensor(TensorId id) const { return region_->tensor(id); }
  const Dims& dims(TensorId id) const { return tensor(id).dims; }
  const Weight& weight(TensorId id) const {
    return region_->weights[static_cast<std::size_t>(tensor(id).weight)];
  }
  // The kept node that computes a tensor; null for leaves.
  const IrNode* Producer(TensorId id) const;
  // Whether it is among the last `nodes` that were kept.
  bool IsRecent(TensorId id, std::size_t nodes) const;
  // Reads of a tensor, by nodes and as output, when the pass began; 1 of new ones.
  int Uses(TensorId id) const { return uses_[static_cast<std::size_t>(id)]; }

  // The names of new ones come from what they are made of.
  TensorId NewTensor(std::string_view base, const Dims& dims);
  TensorId NewScalar(double value);
  TensorId NewWeight(std::string_view base, Weight weight);

 private:
  std::string NewName(std::string_view base);
  TensorId Add(IrTensor tensor);

  Region* region_;
  std::vector<IrNode> kept_;
  std::vector<std::int32_t> producers_;  // By tensor: index into kept_, -1 without.
  std::vector<TensorId> replaced_;       // By tensor: itself, or what it is now.
  std::vector<int> uses_;
  std::set<std::string, std::less<>> names_;
};

// The scalar a tensor is; nullptr when it is something else.
inline const double* ScalarOf(const IrTensor& tensor) {
  return tensor.origin == Origin::kScalar ? &tensor.scalar : nullptr;
}

}  // namespace attune::ane
