#include "ane/compiler/lowering/region_builder.h"

#include <algorithm>

#include "base/check.h"
#include "base/strings.h"

namespace attune::ane {

TensorId RegionBuilder::NewTensor(Dims dims, Origin origin) {
  const auto id = static_cast<TensorId>(region_->tensors.size());
  IrTensor tensor;
  tensor.name = StrCat("t", id);
  tensor.dims = dims;
  tensor.origin = origin;
  region_->tensors.push_back(std::move(tensor));
  return id;
}

TensorId RegionBuilder::Append(Prim prim, std::vector<TensorId> inputs, Dims dims) {
  IrNode node{};
  node.prim = prim;
  node.inputs = std::move(inputs);
  node.output = NewTensor(dims, Origin::kComputed);
  node.label = label_;
  region_->nodes.push_back(std::move(node));
  return last().output;
}

TensorId RegionBuilder::Surface(SurfaceId surface, const SurfaceSpec& spec) {
  const auto found = surfaces_.find(surface);
  if (found != surfaces_.end()) return found->second;
  const TensorId id = NewTensor({1, spec.channels, 1, spec.width}, Origin::kSurface);
  region_->tensors.back().surface = surface;
  return surfaces_[surface] = id;
}

TensorId RegionBuilder::Scalar(double value) {
  const auto found = scalars_.find(value);
  if (found != scalars_.end()) return found->second;
  const TensorId id = NewTensor({1, 1, 1, 1}, Origin::kScalar);
  region_->tensors.back().scalar = value;
  return scalars_[value] = id;
}

TensorId RegionBuilder::Bake(std::string name, Dims dims, std::vector<WeightPiece> pieces,
                             WeightStorage storage) {
  const TensorId id = NewTensor(dims, Origin::kWeight);
  region_->tensors.back().weight = static_cast<WeightId>(region_->weights.size());
  Weight weight;
  // A parameter may be baked several times, in several shapes.
  weight.name = StrCat(name, " ", region_->weights.size());
  weight.dims = dims;
  weight.pieces = std::move(pieces);
  weight.storage = storage;
  ATTUNE_CHECK(RowsOf(weight) * ColumnsOf(weight) == Elements(dims));
  region_->weights.push_back(std::move(weight));
  return id;
}

TensorId RegionBuilder::Literal(const std::string& name, Dims dims, Shape source,
                                const std::function<void(std::span<float>)>& fill) {
  const auto found = literals_.find(name);
  if (found != literals_.end()) return found->second;
  auto tensor = std::make_shared<Tensor>(DType::kF32, source);
  fill(tensor->f32());
  WeightPiece piece;
  piece.source = tensor->view();
  piece.literal = std::move(tensor);
  // The matrix inside `dims`: [rows, columns, 1, 1], [1, rows, 1, 1] or the last two.
  const bool inner = dims[0] == 1 && dims[2] * dims[3] > 1;
  piece.rows = inner ? dims[1] * dims[2] : dims[0];
  piece.columns = inner ? dims[3] : dims[1];
  const TensorId id = literals_[name] = Bake(name, dims, {std::move(piece)});
  region_->weights.back().fixed = true;
  return id;
}

TensorId RegionBuilder::Conv(TensorId x, TensorId weight) {
  const Dims &in = dims(x), &w = dims(weight);
  ATTUNE_CHECK(in[0] == 1 && in[2] == 1 && in[1] == w[1] && w[2] * w[3] == 1);
  return Append(Prim::kConv, {x, weight}, {1, w[0], 1, in[3]});
}

TensorId RegionBuilder::MatMul(TensorId x, TensorId y, Transposed transposed) {
  // The device's compiler gives an operand that comes twice one name twice.
  if (x == y) return Mul(MatMul(x, Mul(y, -1.0), transposed), -1.0);
  const Dims a = dims(x), b = dims(y);
  const std::int64_t rows = a[transposed.x ? 3 : 2], depth = a[transposed.x ? 2 : 3];
  const std::int64_t columns = b[transposed.y ? 2 : 3];
  ATTUNE_CHECK(depth == b[transposed.y ? 3 : 2] && a[0] == b[0] && a[1] == b[1]);
  const TensorId id = Append(Prim::kMatMul, {x, y}, {a[0], a[1], rows, columns});
  last().transpose_x = transposed.x;
  last().transpose_y = transposed.y;
  return id;
}

TensorId RegionBuilder::Binary(Prim prim, TensorId x, TensorId y) {
  Dims out = dims(x);
  for (std::size_t axis = 0; axis < 4; ++axis) {
    const std::int64_t other = dims(y)[axis];
    ATTUNE_CHECK(out[axis] == other || out[axis] == 1 || other == 1);
    out[axis] = std::max(out[axis], other);
  }
  return Append(prim, {x, y}, out);
}

TensorId RegionBuilder::Unary(Prim prim, TensorId x) { return Append(prim, {x}, dims(x)); }

TensorId RegionBuilder::Softmax(TensorId x, int axis) {
  const TensorId id = Append(Prim::kSoftmax, {x}, dims(x));
  last().axis = axis;
  return id;
}

TensorId RegionBuilder::Reduce(Prim prim, TensorId x, int axis) {
  Dims out = dims(x);
  out[static_cast<std::size_t>(axis)] = 1;
  const TensorId id = Append(prim, {x}, out);
  last().axis = axis;
  return id;
}

TensorId RegionBuilder::Reshape(TensorId x, Dims to) {
  if (dims(x) == to) return x;
  ATTUNE_CHECK(Elements(dims(x)) == Elements(to));
  return Append(Prim::kReshape, {x}, to);
}

TensorId RegionBuilder::Slice(TensorId x, int axis, std::int64_t begin, std::int64_t size) {
  Dims out = dims(x);
  const auto at = static_cast<std::size_t>(axis);
  if (begin == 0 && size == out[at]) return x;
  ATTUNE_CHECK(begin >= 0 && size > 0 && begin + size <= out[at]);
  out[at] = size;
  const TensorId id = Append(Prim::kSlice, {x}, out);
  last().axis = axis;
  last().begin[at] = begin;
  return id;
}

TensorId RegionBuilder::Concat(std::vector<TensorId> pieces, int axis) {
  if (pieces.size() == 1) return pieces[0];
  const auto at = static_cast<std::size_t>(axis);
  Dims out = dims(pieces[0]);
  out[at] = 0;
  for (const TensorId piece : pieces) out[at] += dims(piece)[at];
  const TensorId id = Append(Prim::kConcat, std::move(pieces), out);
  last().axis = axis;
  return id;
}

TensorId RegionBuilder::Zeros(Dims dims) {
  return Literal(StrCat("zeros ", StrJoin(dims, "x")), dims, {1},
                 [](std::span<float> data) { data[0] = 0; });
}

TensorId RegionBuilder::Extend(TensorId x, int axis, std::int64_t extent) {
  Dims zeros = dims(x);
  const auto at = static_cast<std::size_t>(axis);
  if (zeros[at] == extent) return x;
  ATTUNE_CHECK(zeros[at] < extent);
  zeros[at] = extent - zeros[at];
  return Concat({x, Zeros(zeros)}, axis);
}

void RegionBuilder::Output(TensorId id, SurfaceId surface, const SurfaceSpec& spec) {
  id = Reshape(id, {1, spec.channels, 1, spec.width});
  const bool written = std::any_of(region_->outputs.begin(), region_->outputs.end(),
                                   [&](const RegionOutput& output) { return output.tensor == id; });
  if (written || region_->tensor(id).origin != Origin::kComputed) {
    id = Append(Prim::kIdentity, {id}, dims(id));
  }
  region_->outputs.push_back({id, surface});
}

}  // namespace attune::ane
