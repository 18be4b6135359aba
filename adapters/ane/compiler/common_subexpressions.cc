#include <algorithm>
#include <cstring>
#include <map>
#include <tuple>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"
#include "ane/compiler/weight_data.h"

namespace attune::ane {
namespace {

bool IsCommutative(Prim prim) {
  return prim == Prim::kAdd || prim == Prim::kMul || prim == Prim::kMaximum ||
         prim == Prim::kMinimum;
}

// Everything that a result depends on.
auto KeyOf(const IrNode& node, const Dims& dims) {
  std::vector<TensorId> inputs = node.inputs;
  // Sums and products round alike in either order.
  if (IsCommutative(node.prim)) std::ranges::sort(inputs);
  return std::tuple(node.prim, std::move(inputs), node.transpose_x, node.transpose_y, node.axis,
                    node.begin, node.perm, dims);
}

class Leaves {
 public:
  explicit Leaves(Rewriter* rewriter) : rewriter_(rewriter) {}

  void Unite(TensorId id) {
    const TensorId first = FirstLike(id);
    if (first != id) rewriter_->Replace(id, first);
  }

 private:
  TensorId FirstLike(TensorId id) {
    const IrTensor& tensor = rewriter_->tensor(id);
    switch (tensor.origin) {
      case Origin::kComputed:
        return id;
      case Origin::kSurface:
        return surfaces_.try_emplace({tensor.surface, tensor.dims}, id).first->second;
      case Origin::kScalar: {
        std::uint64_t bits;  // Zeros of both signs are two scalars.
        std::memcpy(&bits, &tensor.scalar, sizeof bits);
        return scalars_.try_emplace({bits, tensor.dims}, id).first->second;
      }
      case Origin::kWeight:
        break;
    }
    // Of the same dims there are few: some for each layer.
    std::vector<TensorId>& alike = weights_[tensor.dims];
    for (const TensorId other : alike) {
      if (SameNumbers(rewriter_->weight(id), rewriter_->weight(other))) return other;
    }
    alike.push_back(id);
    return id;
  }

  Rewriter* rewriter_;
  std::map<std::pair<SurfaceId, Dims>, TensorId> surfaces_;
  std::map<std::pair<std::uint64_t, Dims>, TensorId> scalars_;
  std::map<Dims, std::vector<TensorId>> weights_;
};

}  // namespace

void EliminateCommonSubexpressions(Region* region) {
  Rewriter rewriter(region);
  Leaves leaves(&rewriter);
  for (std::size_t i = 0; i < region->tensors.size(); ++i) {
    leaves.Unite(static_cast<TensorId>(i));
  }
  std::map<decltype(KeyOf({}, {})), TensorId> seen;
  for (IrNode& node : rewriter.TakeNodes()) {
    rewriter.Resolve(&node);
    const auto [at, fresh] = seen.try_emplace(KeyOf(node, rewriter.dims(node.output)), node.output);
    if (fresh) {
      rewriter.Keep(std::move(node));
    } else {
      rewriter.Replace(node.output, at->second);
    }
  }
  rewriter.Finish();
}

}  // namespace attune::ane
