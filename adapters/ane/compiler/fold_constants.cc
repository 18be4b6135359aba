#include <algorithm>
#include <cmath>
#include <optional>

#include "ane/compiler/passes.h"
#include "ane/compiler/rewriter.h"

namespace attune::ane {
namespace {

std::optional<double> Evaluate(Prim prim, double x, double y) {
  switch (prim) {
    case Prim::kAdd:
      return x + y;
    case Prim::kSub:
      return x - y;
    case Prim::kMul:
      return x * y;
    case Prim::kDiv:
      return x / y;
    case Prim::kPow:
      return std::pow(x, y);
    case Prim::kMaximum:
      return std::max(x, y);
    case Prim::kMinimum:
      return std::min(x, y);
    case Prim::kExp:
      return std::exp(x);
    case Prim::kLog:
      return std::log(x);
    case Prim::kSqrt:
      return std::sqrt(x);
    case Prim::kAbs:
      return std::abs(x);
    case Prim::kTanh:
      return std::tanh(x);
    case Prim::kRelu:
      return std::max(x, 0.0);
    default:
      return std::nullopt;
  }
}

// What fp16 holds without losing precision: neither subnormal nor infinite.
bool IsNormal(double x) { return std::abs(x) >= 0x1p-14 && std::abs(x) <= 65504; }

bool IsPowerOfTwo(double x) {
  int exponent = 0;
  return x != 0 && std::isfinite(x) && std::abs(std::frexp(x, &exponent)) == 0.5;
}

class Folder {
 public:
  explicit Folder(Rewriter* rewriter) : rewriter_(rewriter) {}

  // A leaf that is the result; else the node, perhaps with simpler operands.
  std::optional<TensorId> Fold(IrNode* node) {
    if (const auto scalar = ScalarResult(*node)) return scalar;
    if (node->prim == Prim::kDiv) DivideByPowerOfTwo(node);
    if (node->prim != Prim::kMul) return std::nullopt;
    // The factor second, so that chains are found.
    if (Scalar(node->inputs[0]) != nullptr) std::swap(node->inputs[0], node->inputs[1]);
    JoinFactors(node);
    return ScaledVector(*node);
  }

 private:
  const double* Scalar(TensorId id) const { return ScalarOf(rewriter_->tensor(id)); }

  std::optional<TensorId> ScalarResult(const IrNode& node) {
    if (node.inputs.empty() || node.inputs.size() > 2) return std::nullopt;
    const double* x = Scalar(node.inputs.front());
    const double* y = Scalar(node.inputs.back());
    if (x == nullptr || y == nullptr) return std::nullopt;
    const std::optional<double> value = Evaluate(node.prim, *x, *y);
    if (!value.has_value() || !std::isfinite(*value)) return std::nullopt;
    return rewriter_->NewScalar(*value);
  }

  // Exact, and a product is cheaper.
  void DivideByPowerOfTwo(IrNode* node) {
    const double* divisor = Scalar(node->inputs[1]);
    if (divisor == nullptr || !IsPowerOfTwo(*divisor) || !IsNormal(1 / *divisor)) return;
    node->prim = Prim::kMul;
    node->inputs[1] = rewriter_->NewScalar(1 / *divisor);
  }

  // (x * a) * b as x * (a b), where fp16 holds a b as well as a and b.
  void JoinFactors(IrNode* node) {
    const double* outer = Scalar(node->inputs[1]);
    const IrNode* inner = rewriter_->Producer(node->inputs[0]);
    if (outer == nullptr || inner == nullptr || inner->prim != Prim::kMul) return;
    const double* factor = Scalar(inner->inputs[1]);
    if (factor == nullptr || !IsNormal(*factor * *outer)) return;
    const TensorId x = inner->inputs[0];
    const double product = *factor * *outer;
    node->inputs = {x, rewriter_->NewScalar(product)};
  }

  std::optional<TensorId> ScaledVector(const IrNode& node) {
    const IrTensor& vector = rewriter_->tensor(node.inputs[0]);
    const double* factor = Scalar(node.inputs[1]);
    if (factor == nullptr || vector.origin != Origin::kWeight) return std::nullopt;
    Weight scaled = rewriter_->weight(node.inputs[0]);
    for (WeightPiece& piece : scaled.pieces) piece.scale *= static_cast<float>(*factor);
    const std::string name = scaled.name;
    return rewriter_->NewWeight(name, std::move(scaled));
  }

  Rewriter* rewriter_;
};

}  // namespace

void FoldConstants(Region* region) {
  Rewriter rewriter(region);
  Folder folder(&rewriter);
  for (IrNode& node : rewriter.TakeNodes()) {
    rewriter.Resolve(&node);
    if (const std::optional<TensorId> leaf = folder.Fold(&node)) {
      rewriter.Replace(node.output, *leaf);
    } else {
      rewriter.Keep(std::move(node));
    }
  }
  rewriter.Finish();
}

}  // namespace attune::ane
