// RegionBuilder writes the primitives of a region as expressions: each call appends a
// node and gives the tensor it makes, with the dims that follow from its operands.
// What changes nothing (a reshape to the same dims, a slice of everything, a product
// with 1) gives its operand back.
//
// REQUIRES, everywhere: operands of this region whose dims go together. Breaking that
// is an error of the lowering, and ends the process.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ane/compiler/ir.h"

namespace attune::ane {

struct Transposed {
  bool x = false, y = false;
};

class RegionBuilder {
 public:
  // Appends to `region`, which must outlive the builder.
  explicit RegionBuilder(Region* region) : region_(region) {}

  // The graph node that the following primitives come from.
  void set_label(std::string label) { label_ = std::move(label); }

  const Dims& dims(TensorId id) const { return region_->tensor(id).dims; }
  std::int64_t dim(TensorId id, int axis) const { return dims(id)[static_cast<std::size_t>(axis)]; }

  // --- Leaves ---

  // [1, channels, 1, width]; one tensor however often it is asked for.
  TensorId Surface(SurfaceId surface, const SurfaceSpec& spec);
  TensorId Scalar(double value);
  TensorId Bake(std::string name, Dims dims, std::vector<WeightPiece> pieces,
                WeightStorage storage = WeightStorage::kElement);
  // A constant of the compiler's own: `fill` writes a row-major [rows, columns], which
  // zeros extend to `dims`. Equal names are one constant.
  TensorId Literal(const std::string& name, Dims dims, Shape source,
                   const std::function<void(std::span<float>)>& fill);

  // --- Primitives ---

  TensorId Conv(TensorId x, TensorId weight);
  TensorId MatMul(TensorId x, TensorId y, Transposed transposed = {});
  TensorId Binary(Prim prim, TensorId x, TensorId y);
  TensorId Add(TensorId x, TensorId y) { return Binary(Prim::kAdd, x, y); }
  TensorId Sub(TensorId x, TensorId y) { return Binary(Prim::kSub, x, y); }
  TensorId Mul(TensorId x, TensorId y) { return Binary(Prim::kMul, x, y); }
  TensorId Div(TensorId x, TensorId y) { return Binary(Prim::kDiv, x, y); }
  TensorId Add(TensorId x, double y) { return Add(x, Scalar(y)); }
  TensorId Sub(double x, TensorId y) { return Sub(Scalar(x), y); }
  TensorId Mul(TensorId x, double y) { return y == 1.0 ? x : Mul(x, Scalar(y)); }
  TensorId Div(double x, TensorId y) { return Div(Scalar(x), y); }
  TensorId Pow(TensorId x, double y) { return Binary(Prim::kPow, x, Scalar(y)); }
  TensorId AtLeast(TensorId x, double y) { return Binary(Prim::kMaximum, x, Scalar(y)); }
  TensorId AtMost(TensorId x, double y) { return Binary(Prim::kMinimum, x, Scalar(y)); }
  TensorId Unary(Prim prim, TensorId x);
  TensorId Exp(TensorId x) { return Unary(Prim::kExp, x); }
  TensorId Log(TensorId x) { return Unary(Prim::kLog, x); }
  TensorId Abs(TensorId x) { return Unary(Prim::kAbs, x); }
  TensorId Relu(TensorId x) { return Unary(Prim::kRelu, x); }
  TensorId Softmax(TensorId x, int axis);
  TensorId ReduceSum(TensorId x, int axis) { return Reduce(Prim::kReduceSum, x, axis); }
  TensorId ReduceMax(TensorId x, int axis) { return Reduce(Prim::kReduceMax, x, axis); }
  TensorId Reshape(TensorId x, Dims to);
  TensorId Slice(TensorId x, int axis, std::int64_t begin, std::int64_t size);
  TensorId Concat(std::vector<TensorId> pieces, int axis);

  TensorId Zeros(Dims dims);
  // `x` with zeros behind, up to `extent` along the axis.
  TensorId Extend(TensorId x, int axis, std::int64_t extent);

  // Writes the tensor to a surface. What is a leaf or already written elsewhere goes
  // through an identity: a symbol of a program has one role.
  void Output(TensorId id, SurfaceId surface, const SurfaceSpec& spec);

 private:
  TensorId NewTensor(Dims dims, Origin origin);
  TensorId Append(Prim prim, std::vector<TensorId> inputs, Dims dims);
  IrNode& last() { return region_->nodes.back(); }
  TensorId Reduce(Prim prim, TensorId x, int axis);

  Region* region_;
  std::string label_;
  std::map<SurfaceId, TensorId> surfaces_;
  std::map<double, TensorId> scalars_;
  std::map<std::string, TensorId, std::less<>> literals_;
};

}  // namespace attune::ane
