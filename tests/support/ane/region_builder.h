// Builds regions by hand, with numbers for their surfaces.

#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ane/compiler/ir.h"
#include "base/philox.h"
#include "base/strings.h"
#include "support/ane/region_interpreter.h"

namespace attune::ane::testing {

class RegionBuilder {
 public:
  explicit RegionBuilder(std::uint64_t seed = 1) : random_(seed) { region_.name = "test"; }

  const Region& region() const { return region_; }
  Region& region() { return region_; }
  const std::vector<SurfaceSpec>& surfaces() const { return surfaces_; }
  std::vector<SurfaceSpec>& surfaces() { return surfaces_; }
  const Dims& dims(TensorId id) const { return region_.tensor(id).dims; }

  // Random numbers around 0 for every surface that is read.
  SurfaceData Data() {
    SurfaceData data;
    for (const IrTensor& tensor : region_.tensors) {
      if (tensor.origin != Origin::kSurface || data.contains(tensor.surface)) continue;
      Numbers& numbers = data[tensor.surface];
      for (std::int64_t i = 0; i < Elements(tensor.dims); ++i) numbers.push_back(Random());
    }
    return data;
  }

  double Random() { return static_cast<double>(random_.NextFloat() * 2 - 1); }
  std::uint32_t Below(std::uint32_t bound) { return random_.NextBelow(bound); }

  SurfaceId Surface(std::int64_t channels, std::int64_t width) {
    surfaces_.push_back({StrCat("surface", surfaces_.size()), channels, width});
    return static_cast<SurfaceId>(surfaces_.size()) - 1;
  }

  TensorId Input(std::int64_t channels, std::int64_t width) {
    return Read(Surface(channels, width), {1, channels, 1, width});
  }
  TensorId Read(SurfaceId surface, Dims dims) {
    const TensorId id = Add(dims, Origin::kSurface);
    region_.tensors.back().surface = surface;
    return id;
  }

  TensorId Scalar(float value) {
    const TensorId id = Add({1, 1, 1, 1}, Origin::kScalar);
    region_.tensors.back().scalar = value;
    return id;
  }

  // Of random numbers.
  std::shared_ptr<const Tensor> Matrix(std::int64_t rows, std::int64_t columns) {
    auto tensor = std::make_shared<Tensor>(DType::kF32, Shape{rows, columns});
    for (float& number : tensor->f32()) number = static_cast<float>(Random());
    return tensor;
  }
  TensorId Weight(std::shared_ptr<const Tensor> matrix, Dims dims, bool transposed = false) {
    WeightPiece piece;
    piece.source = matrix->view();
    piece.literal = std::move(matrix);
    piece.transposed = transposed;
    piece.rows = piece.source.shape[transposed ? 1 : 0];
    piece.columns = piece.source.shape[transposed ? 0 : 1];
    return Weight(std::vector<WeightPiece>{std::move(piece)}, dims);
  }
  TensorId Weight(std::vector<WeightPiece> pieces, Dims dims, bool side_by_side = false) {
    ane::Weight weight;
    weight.name = StrCat("weight", region_.weights.size());
    weight.dims = dims;
    weight.side_by_side = side_by_side;
    weight.pieces = std::move(pieces);
    const TensorId id = Add(dims, Origin::kWeight);
    region_.tensors.back().weight = static_cast<WeightId>(region_.weights.size());
    region_.weights.push_back(std::move(weight));
    return id;
  }
  TensorId ConvWeight(std::int64_t out, std::int64_t in) {
    return Weight(Matrix(out, in), {out, in, 1, 1});
  }

  // A node of any kind; the caller knows the result's dims.
  TensorId Node(Prim prim, std::vector<TensorId> inputs, Dims dims) {
    const TensorId id = Add(dims, Origin::kComputed);
    IrNode node{};
    node.prim = prim;
    node.inputs = std::move(inputs);
    node.output = id;
    node.label = StrCat("node ", region_.nodes.size());
    region_.nodes.push_back(std::move(node));
    return id;
  }
  IrNode& last() { return region_.nodes.back(); }

  TensorId Conv(TensorId x, TensorId weight) {
    return Node(Prim::kConv, {x, weight}, {1, dims(weight)[0], 1, dims(x)[3]});
  }
  TensorId MatMul(TensorId x, TensorId y, bool transpose_x = false, bool transpose_y = false) {
    const Dims a = dims(x), b = dims(y);
    const TensorId id =
        Node(Prim::kMatMul, {x, y},
             {a[0], std::max(a[1], b[1]), a[transpose_x ? 3 : 2], b[transpose_y ? 2 : 3]});
    last().transpose_x = transpose_x;
    last().transpose_y = transpose_y;
    return id;
  }
  TensorId Binary(Prim prim, TensorId x, TensorId y) {
    Dims out = dims(x);
    for (std::size_t axis = 0; axis < 4; ++axis) out[axis] = std::max(out[axis], dims(y)[axis]);
    return Node(prim, {x, y}, out);
  }
  TensorId Add(TensorId x, TensorId y) { return Binary(Prim::kAdd, x, y); }
  TensorId Mul(TensorId x, TensorId y) { return Binary(Prim::kMul, x, y); }
  TensorId Unary(Prim prim, TensorId x) { return Node(prim, {x}, dims(x)); }
  TensorId Softmax(TensorId x, int axis) {
    const TensorId id = Node(Prim::kSoftmax, {x}, dims(x));
    last().axis = axis;
    return id;
  }
  TensorId Reduce(Prim prim, TensorId x, int axis) {
    Dims out = dims(x);
    out[static_cast<std::size_t>(axis)] = 1;
    const TensorId id = Node(prim, {x}, out);
    last().axis = axis;
    return id;
  }
  TensorId Reshape(TensorId x, Dims to) { return Node(Prim::kReshape, {x}, to); }
  TensorId Transpose(TensorId x, std::array<int, 4> perm) {
    Dims out{};
    for (std::size_t a = 0; a < 4; ++a) out[a] = dims(x)[static_cast<std::size_t>(perm[a])];
    const TensorId id = Node(Prim::kTranspose, {x}, out);
    last().perm = perm;
    return id;
  }
  TensorId Slice(TensorId x, Dims begin, Dims size) {
    const TensorId id = Node(Prim::kSlice, {x}, size);
    last().begin = begin;
    return id;
  }
  TensorId Concat(std::vector<TensorId> inputs, int axis) {
    Dims out = dims(inputs[0]);
    out[static_cast<std::size_t>(axis)] = 0;
    for (const TensorId id : inputs) {
      out[static_cast<std::size_t>(axis)] += dims(id)[static_cast<std::size_t>(axis)];
    }
    const TensorId id = Node(Prim::kConcat, std::move(inputs), out);
    last().axis = axis;
    return id;
  }

  // A surface [1, channels, 1, width] for the tensor: dims[1] by dims[3], where there
  // is nothing else, or everything by its last extent.
  SurfaceId Output(TensorId id) {
    const Dims& d = dims(id);
    const SurfaceId surface = Surface(Elements(d) / d[3], d[3]);
    region_.outputs.push_back({id, surface});
    return surface;
  }

 private:
  TensorId Add(Dims dims, Origin origin) {
    IrTensor tensor;
    tensor.name = StrCat("t", region_.tensors.size());
    tensor.dims = dims;
    tensor.origin = origin;
    region_.tensors.push_back(std::move(tensor));
    return static_cast<TensorId>(region_.tensors.size()) - 1;
  }

  Region region_;
  std::vector<SurfaceSpec> surfaces_;
  Philox random_;
};

// Runs the region on `data` and gives the surfaces it writes.
inline SurfaceData OutputsOf(const Region& region, SurfaceData data) {
  Interpret(region, &data);
  SurfaceData out;
  for (const RegionOutput& output : region.outputs) {
    out[output.surface] = data.at(output.surface);
  }
  return out;
}

// The largest difference, relative to the larger of 1 and the value.
inline double Distance(const SurfaceData& a, const SurfaceData& b) {
  if (a.size() != b.size()) return HUGE_VAL;
  double worst = 0;
  for (const auto& [surface, numbers] : a) {
    const auto other = b.find(surface);
    if (other == b.end() || other->second.size() != numbers.size()) return HUGE_VAL;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      const double scale = std::max(1.0, std::abs(numbers[i]));
      const double difference = std::abs(numbers[i] - other->second[i]) / scale;
      if (!(difference <= HUGE_VAL)) return HUGE_VAL;  // NaN.
      worst = std::max(worst, difference);
    }
  }
  return worst;
}

}  // namespace attune::ane::testing
