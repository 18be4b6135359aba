// Verify(): the invariants that every pass keeps.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "ane/compiler/ir.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Far above anything a device takes; products of dims stay below 2^63.
constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

std::string Text(const Dims& dims) { return StrCat("[", StrJoin(dims, ", "), "]"); }

Status CheckDims(const IrTensor& tensor) {
  std::int64_t elements = 1;
  for (const std::int64_t extent : tensor.dims) {
    if (extent < 1 || extent > kMaxExtent) {
      return Internal(
          StrCat("tensor ", tensor.name, ": dims ", Text(tensor.dims), ", each from 1"));
    }
    const auto product = CheckedMul(elements, extent);
    if (!product.has_value() || *product > kMaxElements) {
      return Internal(StrCat("tensor ", tensor.name, ": dims ", Text(tensor.dims), ", at most ",
                             kMaxElements, " elements"));
    }
    elements = *product;
  }
  return OkStatus();
}

class Verifier {
 public:
  Verifier(const Region& region, std::span<const SurfaceSpec> surfaces)
      : region_(region), surfaces_(surfaces) {}

  Status Run() {
    for (const Weight& weight : region_.weights) ATTUNE_RETURN_IF_ERROR(CheckWeight(weight));
    ATTUNE_RETURN_IF_ERROR(CheckTensors());
    for (const IrNode& node : region_.nodes) {
      ATTUNE_RETURN_IF_ERROR(CheckNode(node).WithContext(StrCat("region ", region_.name)));
    }
    return CheckOutputs();
  }

 private:
  bool HasTensor(TensorId id) const {
    return id >= 0 && static_cast<std::size_t>(id) < region_.tensors.size();
  }
  const Dims& DimsOf(TensorId id) const { return region_.tensor(id).dims; }
  bool IsWeight(TensorId id) const { return region_.tensor(id).origin == Origin::kWeight; }

  Status CheckWeight(const Weight& weight) {
    if (!weight_names_.insert(weight.name).second) {
      return Internal(StrCat("two weights are called ", weight.name));
    }
    const std::int64_t rows = RowsOf(weight), columns = ColumnsOf(weight);
    for (const WeightPiece& piece : weight.pieces) {
      const bool fits = weight.side_by_side ? piece.rows == rows : piece.columns == columns;
      const Shape& shape = piece.source.shape;
      if (!fits || shape.rank() < 1 || shape.rank() > 2) {
        return Internal(StrCat("weight ", weight.name, ": a piece of [", piece.rows, ", ",
                               piece.columns, "] of ", shape.ToString(), " in [", rows, ", ",
                               columns, "]"));
      }
      const std::int64_t a = shape[0], b = shape.rank() == 2 ? shape[1] : 1;
      if ((piece.transposed ? b : a) > piece.rows || (piece.transposed ? a : b) > piece.columns) {
        return Internal(StrCat("weight ", weight.name, ": source ", shape.ToString(),
                               " is larger than its piece [", piece.rows, ", ", piece.columns,
                               "]"));
      }
    }
    if (rows < 1 || columns < 1 || rows * columns != Elements(weight.dims)) {
      return Internal(StrCat("weight ", weight.name, ": pieces of [", rows, ", ", columns,
                             "] for dims ", Text(weight.dims)));
    }
    const bool per_row = weight.dims[0] == rows && weight.dims[2] == 1 && weight.dims[3] == 1;
    if (weight.storage != WeightStorage::kElement && !per_row) {
      return Internal(StrCat("weight ", weight.name, ": stored by rows, with dims ",
                             Text(weight.dims), " and ", rows, " rows"));
    }
    return OkStatus();
  }

  Status CheckTensors() {
    for (const IrTensor& tensor : region_.tensors) {
      ATTUNE_RETURN_IF_ERROR(CheckDims(tensor));
      if (tensor.origin != Origin::kScalar && !names_.insert(tensor.name).second) {
        return Internal(StrCat("two tensors are called ", tensor.name));
      }
      ATTUNE_RETURN_IF_ERROR(CheckOrigin(tensor));
      defined_.push_back(tensor.origin != Origin::kComputed);
    }
    return OkStatus();
  }

  Status CheckOrigin(const IrTensor& tensor) {
    switch (tensor.origin) {
      case Origin::kComputed:
        return OkStatus();
      case Origin::kScalar:
        if (Elements(tensor.dims) == 1) return OkStatus();
        return Internal(StrCat("scalar ", tensor.name, " has dims ", Text(tensor.dims)));
      case Origin::kSurface:
        read_.insert(tensor.surface);
        return CheckSurface(tensor, tensor.surface);
      case Origin::kWeight:
        break;
    }
    if (tensor.weight < 0 || static_cast<std::size_t>(tensor.weight) >= region_.weights.size()) {
      return Internal(StrCat("tensor ", tensor.name, ": weight ", tensor.weight, " of ",
                             region_.weights.size()));
    }
    const Weight& weight = region_.weights[static_cast<std::size_t>(tensor.weight)];
    if (weight.dims == tensor.dims) return OkStatus();
    return Internal(StrCat("tensor ", tensor.name, ": dims ", Text(tensor.dims), ", its weight ",
                           Text(weight.dims)));
  }

  Status CheckSurface(const IrTensor& tensor, SurfaceId surface) const {
    if (surface < 0 || static_cast<std::size_t>(surface) >= surfaces_.size()) {
      return Internal(
          StrCat("tensor ", tensor.name, ": surface ", surface, " of ", surfaces_.size()));
    }
    const SurfaceSpec& spec = surfaces_[static_cast<std::size_t>(surface)];
    if (spec.channels * spec.width == Elements(tensor.dims)) return OkStatus();
    return Internal(StrCat("tensor ", tensor.name, ": dims ", Text(tensor.dims), ", surface ",
                           surface, " has ", spec.channels, " channels of ", spec.width));
  }

  Status CheckNode(const IrNode& node) {
    if (!HasTensor(node.output)) return Internal(StrCat("node without result, ", node.label));
    const IrTensor& result = region_.tensor(node.output);
    const std::string what = StrCat(result.name, " = ", PrimName(node.prim));
    for (const TensorId input : node.inputs) {
      if (!HasTensor(input)) return Internal(StrCat(what, ": operand ", input));
      if (!defined_[static_cast<std::size_t>(input)]) {
        return Internal(StrCat(what, ": ", region_.tensor(input).name, " before it is computed"));
      }
    }
    if (defined_[static_cast<std::size_t>(node.output)]) {
      return Internal(StrCat(what, ": computed twice, or a leaf"));
    }
    defined_[static_cast<std::size_t>(node.output)] = true;
    return CheckShape(node).WithContext(what);
  }

  Status Expect(const IrNode& node, const Dims& wanted) const {
    if (DimsOf(node.output) == wanted) return OkStatus();
    return Internal(
        StrCat("dims ", Text(DimsOf(node.output)), ", its operands give ", Text(wanted)));
  }

  Status Operands(const IrNode& node, std::size_t count) const {
    if (node.inputs.size() == count) return OkStatus();
    return Internal(StrCat(node.inputs.size(), " operands, takes ", count));
  }

  Status CheckShape(const IrNode& node) const {
    switch (node.prim) {
      case Prim::kConv:
        return CheckConv(node);
      case Prim::kMatMul:
        return CheckMatMul(node);
      case Prim::kAdd:
      case Prim::kSub:
      case Prim::kMul:
      case Prim::kDiv:
      case Prim::kPow:
      case Prim::kMaximum:
      case Prim::kMinimum:
        return CheckBroadcast(node);
      case Prim::kReshape:
        return CheckReshape(node);
      case Prim::kTranspose:
        return CheckTranspose(node);
      case Prim::kSlice:
        return CheckSlice(node);
      case Prim::kConcat:
        return CheckConcat(node);
      case Prim::kSoftmax:
      case Prim::kReduceSum:
      case Prim::kReduceMax:
        return CheckAlongAxis(node);
      default:
        ATTUNE_RETURN_IF_ERROR(Operands(node, 1));
        return Expect(node, DimsOf(node.inputs[0]));
    }
  }

  Status CheckConv(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 2));
    const Dims &x = DimsOf(node.inputs[0]), &weight = DimsOf(node.inputs[1]);
    if (!IsWeight(node.inputs[1]) || x[0] != 1 || x[2] != 1 || weight[1] != x[1] ||
        weight[2] != 1 || weight[3] != 1) {
      return Internal(StrCat("x ", Text(x), ", weight ", Text(weight),
                             IsWeight(node.inputs[1]) ? "" : " that is not baked"));
    }
    return Expect(node, {1, weight[0], 1, x[3]});
  }

  Status CheckMatMul(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 2));
    Dims x = DimsOf(node.inputs[0]), y = DimsOf(node.inputs[1]);
    if (node.transpose_x) std::swap(x[2], x[3]);
    if (node.transpose_y) std::swap(y[2], y[3]);
    const auto batch = [](std::int64_t a, std::int64_t b) { return a == b || a == 1 || b == 1; };
    if (x[3] != y[2] || !batch(x[0], y[0]) || !batch(x[1], y[1])) {
      return Internal(StrCat("x ", Text(x), ", y ", Text(y)));
    }
    return Expect(node, {std::max(x[0], y[0]), std::max(x[1], y[1]), x[2], y[3]});
  }

  Status CheckBroadcast(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 2));
    const Dims &x = DimsOf(node.inputs[0]), &y = DimsOf(node.inputs[1]);
    Dims wanted{};
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if (x[axis] != y[axis] && x[axis] != 1 && y[axis] != 1) {
        return Internal(StrCat("x ", Text(x), ", y ", Text(y)));
      }
      wanted[axis] = std::max(x[axis], y[axis]);
    }
    return Expect(node, wanted);
  }

  Status CheckReshape(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 1));
    const Dims &x = DimsOf(node.inputs[0]), &result = DimsOf(node.output);
    if (Elements(x) == Elements(result)) return OkStatus();
    return Internal(StrCat(Text(x), " to ", Text(result)));
  }

  Status CheckTranspose(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 1));
    Dims wanted{};
    std::array<bool, 4> seen{};
    for (std::size_t axis = 0; axis < 4; ++axis) {
      const int from = node.perm[axis];
      if (from < 0 || from > 3 || seen[static_cast<std::size_t>(from)]) {
        return Internal(StrCat("perm [", StrJoin(node.perm, ", "), "]"));
      }
      seen[static_cast<std::size_t>(from)] = true;
      wanted[axis] = DimsOf(node.inputs[0])[static_cast<std::size_t>(from)];
    }
    return Expect(node, wanted);
  }

  Status CheckSlice(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 1));
    const Dims &x = DimsOf(node.inputs[0]), &size = DimsOf(node.output);
    for (std::size_t axis = 0; axis < 4; ++axis) {
      if (node.begin[axis] < 0 || node.begin[axis] > x[axis] - size[axis]) {
        return Internal(StrCat(Text(size), " from ", Text(node.begin), " of ", Text(x)));
      }
    }
    return OkStatus();
  }

  Status CheckConcat(const IrNode& node) const {
    if (node.inputs.empty() || node.axis < 0 || node.axis > 3) {
      return Internal(StrCat(node.inputs.size(), " operands on axis ", node.axis));
    }
    const auto axis = static_cast<std::size_t>(node.axis);
    Dims wanted = DimsOf(node.inputs[0]);
    wanted[axis] = 0;
    for (const TensorId input : node.inputs) {
      Dims other = DimsOf(input);
      wanted[axis] += other[axis];
      other[axis] = wanted[axis];
      if (other != wanted) {
        return Internal(StrCat(Text(DimsOf(input)), " beside ", Text(DimsOf(node.inputs[0])),
                               " on axis ", node.axis));
      }
    }
    return Expect(node, wanted);
  }

  Status CheckAlongAxis(const IrNode& node) const {
    ATTUNE_RETURN_IF_ERROR(Operands(node, 1));
    if (node.axis < 0 || node.axis > 3) return Internal(StrCat("axis ", node.axis, ", 0 to 3"));
    Dims wanted = DimsOf(node.inputs[0]);
    if (node.prim != Prim::kSoftmax) wanted[static_cast<std::size_t>(node.axis)] = 1;
    return Expect(node, wanted);
  }

  Status CheckOutputs() const {
    if (region_.outputs.empty()) return Internal(StrCat("region ", region_.name, ": no output"));
    std::set<SurfaceId> written;
    for (const RegionOutput& output : region_.outputs) {
      if (!HasTensor(output.tensor) || !defined_[static_cast<std::size_t>(output.tensor)]) {
        return Internal(StrCat("surface ", output.surface, ": nothing computes it"));
      }
      const IrTensor& tensor = region_.tensor(output.tensor);
      ATTUNE_RETURN_IF_ERROR(CheckSurface(tensor, output.surface));
      if (!written.insert(output.surface).second || read_.contains(output.surface)) {
        return Internal(
            StrCat("surface ", output.surface,
                   read_.contains(output.surface) ? ": read and written" : ": written twice"));
      }
    }
    return OkStatus();
  }

  const Region& region_;
  std::span<const SurfaceSpec> surfaces_;
  std::set<std::string> names_, weight_names_;
  std::set<SurfaceId> read_;
  std::vector<bool> defined_;
};

}  // namespace

Status Verify(const Region& region, std::span<const SurfaceSpec> surfaces) {
  return Verifier(region, surfaces).Run();
}

}  // namespace attune::ane
