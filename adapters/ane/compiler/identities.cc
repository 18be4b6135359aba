#include <algorithm>
#include <optional>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"

namespace attune::ane {
namespace {

// The operand that is the result, if the node does nothing; it may be changed into a
// simpler one on the way.
class Simplifier {
 public:
  explicit Simplifier(const Rewriter& rewriter) : rewriter_(rewriter) {}

  std::optional<TensorId> Simplify(IrNode* node) const {
    switch (node->prim) {
      case Prim::kIdentity:
        return node->inputs[0];
      case Prim::kAdd:
      case Prim::kSub:
      case Prim::kMul:
      case Prim::kDiv:
      case Prim::kPow:
        return Neutral(*node);
      case Prim::kReduceSum:
      case Prim::kReduceMax:
        return OfSameDims(*node);
      case Prim::kReshape:
        Through(node, Prim::kReshape);
        return OfSameDims(*node);
      case Prim::kTranspose:
        return Transpose(node);
      case Prim::kSlice:
        return Slice(node);
      case Prim::kConcat:
        return Concat(node);
      default:
        return std::nullopt;
    }
  }

 private:
  const Dims& DimsOf(TensorId id) const { return rewriter_.dims(id); }

  std::optional<TensorId> OfSameDims(const IrNode& node) const {
    if (DimsOf(node.inputs[0]) != DimsOf(node.output)) return std::nullopt;
    return node.inputs[0];
  }

  // The producer of the only operand, if it is such a primitive.
  const IrNode* Inner(const IrNode& node, Prim prim) const {
    const IrNode* inner = rewriter_.Producer(node.inputs[0]);
    return inner != nullptr && inner->prim == prim ? inner : nullptr;
  }

  void Through(IrNode* node, Prim prim) const {
    if (const IrNode* inner = Inner(*node, prim)) node->inputs = inner->inputs;
  }

  // x + 0, x - 0, x * 1, x / 1, x ^ 1.
  std::optional<TensorId> Neutral(const IrNode& node) const {
    const bool sum = node.prim == Prim::kAdd || node.prim == Prim::kSub;
    const double neutral = sum ? 0 : 1;
    const bool either = node.prim == Prim::kAdd || node.prim == Prim::kMul;
    for (const std::size_t side : {std::size_t{1}, std::size_t{0}}) {
      if (side == 0 && !either) break;
      const double* scalar = ScalarOf(rewriter_.tensor(node.inputs[side]));
      const TensorId other = node.inputs[1 - side];
      if (scalar != nullptr && *scalar == neutral && DimsOf(other) == DimsOf(node.output)) {
        return other;
      }
    }
    return std::nullopt;
  }

  std::optional<TensorId> Transpose(IrNode* node) const {
    if (const IrNode* inner = Inner(*node, Prim::kTranspose)) {
      std::array<int, 4> perm{};
      for (std::size_t axis = 0; axis < 4; ++axis) {
        perm[axis] = inner->perm[static_cast<std::size_t>(node->perm[axis])];
      }
      node->perm = perm;
      node->inputs = inner->inputs;
    }
    if (node->perm != std::array<int, 4>{0, 1, 2, 3}) return std::nullopt;
    return node->inputs[0];
  }

  std::optional<TensorId> Slice(IrNode* node) const {
    for (bool changed = true; changed;) {
      changed = false;
      if (const IrNode* inner = Inner(*node, Prim::kSlice)) {
        for (std::size_t axis = 0; axis < 4; ++axis) node->begin[axis] += inner->begin[axis];
        node->inputs = inner->inputs;
        changed = true;
      } else if (const IrNode* joined = Inner(*node, Prim::kConcat)) {
        changed = IntoOperand(*joined, node);
      }
    }
    return OfSameDims(*node);
  }

  // Slices the one operand of the concatenation that has everything.
  bool IntoOperand(const IrNode& joined, IrNode* node) const {
    const auto axis = static_cast<std::size_t>(joined.axis);
    const std::int64_t size = DimsOf(node->output)[axis];
    std::int64_t first = 0;
    for (const TensorId operand : joined.inputs) {
      const std::int64_t extent = DimsOf(operand)[axis];
      if (node->begin[axis] >= first && node->begin[axis] + size <= first + extent) {
        node->begin[axis] -= first;
        node->inputs = {operand};
        return true;
      }
      first += extent;
    }
    return false;
  }

  // Of slices that together are a tensor, in order: the tensor.
  std::optional<TensorId> Concat(IrNode* node) const {
    if (node->inputs.size() == 1) return node->inputs[0];
    const auto axis = static_cast<std::size_t>(node->axis);
    std::optional<TensorId> whole;
    std::int64_t next = 0;
    for (const TensorId input : node->inputs) {
      const IrNode* slice = rewriter_.Producer(input);
      if (slice == nullptr || slice->prim != Prim::kSlice) return std::nullopt;
      Dims begin{};
      begin[axis] = next;
      if (slice->begin != begin || (whole.has_value() && *whole != slice->inputs[0])) {
        return std::nullopt;
      }
      whole = slice->inputs[0];
      next += DimsOf(input)[axis];
    }
    return DimsOf(*whole) == DimsOf(node->output) ? whole : std::nullopt;
  }

  const Rewriter& rewriter_;
};

}  // namespace

void EliminateIdentities(Region* region) {
  Rewriter rewriter(region);
  const Simplifier simplifier(rewriter);
  for (IrNode& node : rewriter.TakeNodes()) {
    rewriter.Resolve(&node);
    if (const std::optional<TensorId> operand = simplifier.Simplify(&node)) {
      rewriter.Replace(node.output, *operand);
    } else {
      rewriter.Keep(std::move(node));
    }
  }
  rewriter.Finish();
}

}  // namespace attune::ane
