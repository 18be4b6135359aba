#include <cmath>
#include <optional>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"

namespace attune::ane {
namespace {

// Larger factors would push results towards 2^15, where products overflow. Smaller
// ones would push operands towards 2^-14, below which some chips drop products.
bool MayMove(double factor) { return std::abs(factor) >= 0x1p-6 && std::abs(factor) <= 1; }

class ScaleFolder {
 public:
  explicit ScaleFolder(Rewriter* rewriter) : rewriter_(rewriter) {}

  // Changes the node, and keeps another one before it where it must.
  void Fold(IrNode* node) {
    if (node->prim == Prim::kConv) FoldOperand(node);
    if (node->prim != Prim::kMul) return;
    const double* factor = ScalarOf(rewriter_->tensor(node->inputs[1]));
    const IrNode* producer = rewriter_->Producer(node->inputs[0]);
    if (factor == nullptr || !MayMove(*factor) || producer == nullptr ||
        rewriter_->Uses(node->inputs[0]) != 1) {
      return;
    }
    if (producer->prim == Prim::kConv) FoldResult(*factor, IrNode(*producer), node);
    if (producer->prim == Prim::kMatMul) FoldProduct(*factor, IrNode(*producer), node);
  }

 private:
  // conv(x, W) * factor = conv(x, W * factor).
  void FoldResult(double factor, IrNode conv, IrNode* node) {
    const std::optional<TensorId> scaled = Scaled(conv.inputs[1], factor);
    if (!scaled.has_value()) return;
    conv.inputs[1] = *scaled;
    conv.output = node->output;
    *node = std::move(conv);
  }

  // conv(x * factor, W) = conv(x, W * factor).
  void FoldOperand(IrNode* conv) {
    const IrNode* producer = rewriter_->Producer(conv->inputs[0]);
    if (producer == nullptr || producer->prim != Prim::kMul ||
        rewriter_->Uses(conv->inputs[0]) != 1) {
      return;
    }
    const double* factor = ScalarOf(rewriter_->tensor(producer->inputs[1]));
    if (factor == nullptr || !MayMove(*factor)) return;
    const TensorId x = producer->inputs[0];
    const std::optional<TensorId> scaled = Scaled(conv->inputs[1], *factor);
    if (scaled.has_value()) conv->inputs = {x, *scaled};
  }

  // (x y) * factor = (x * factor) y, on the smaller of the two.
  void FoldProduct(double factor, IrNode product, IrNode* node) {
    const auto size = [this](TensorId id) { return Elements(rewriter_->dims(id)); };
    const std::size_t side = size(product.inputs[1]) < size(product.inputs[0]) ? 1 : 0;
    const TensorId operand = product.inputs[side];
    std::optional<TensorId> scaled = Scaled(operand, factor);
    if (!scaled.has_value()) {
      if (size(operand) > size(node->output) ||
          rewriter_->tensor(operand).origin == Origin::kWeight) {
        return;
      }
      IrNode before = *node;
      before.inputs[0] = operand;
      scaled = before.output =
          rewriter_->NewTensor(rewriter_->tensor(operand).name, rewriter_->dims(operand));
      Fold(&before);  // On into what computes the operand.
      rewriter_->Keep(std::move(before));
    }
    product.inputs[side] = *scaled;
    product.output = node->output;
    *node = std::move(product);
  }

  // A weight that only one node reads and that may be scaled, times the factor.
  std::optional<TensorId> Scaled(TensorId id, double factor) {
    if (rewriter_->tensor(id).origin != Origin::kWeight || rewriter_->Uses(id) != 1) {
      return std::nullopt;
    }
    Weight weight = rewriter_->weight(id);
    if (weight.fixed) return std::nullopt;
    for (WeightPiece& piece : weight.pieces) piece.scale *= static_cast<float>(factor);
    const std::string name = weight.name;
    return rewriter_->NewWeight(name, std::move(weight));
  }

  Rewriter* rewriter_;
};

}  // namespace

void FoldScales(Region* region) {
  Rewriter rewriter(region);
  ScaleFolder folder(&rewriter);
  for (IrNode& node : rewriter.TakeNodes()) {
    rewriter.Resolve(&node);
    folder.Fold(&node);
    rewriter.Keep(std::move(node));
  }
  rewriter.Finish();
}

}  // namespace attune::ane
