// Computes a region in double, primitive by primitive: what passes must preserve,
// what lowering must match and what an emitted program is held to.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "ane/compiler/ir.h"
#include "base/check.h"

namespace attune::ane::testing {

using Numbers = std::vector<double>;
// Surfaces as [channels, width], row-major.
using SurfaceData = std::map<SurfaceId, Numbers>;

// The matrix a weight stands for. Its int8 storage is not looked at.
inline Numbers MatrixOf(const Weight& weight) {
  const std::int64_t columns = ColumnsOf(weight);
  Numbers out(static_cast<std::size_t>(RowsOf(weight) * columns), 0.0);
  std::int64_t row0 = 0, column0 = 0;
  for (const WeightPiece& piece : weight.pieces) {
    const Shape& shape = piece.source.shape;
    const std::int64_t b = shape.rank() == 2 ? shape[1] : 1;
    for (std::int64_t i = 0; i < shape.elements(); ++i) {
      const std::int64_t row = piece.transposed ? i % b : i / b;
      const std::int64_t column = piece.transposed ? i / b : i % b;
      out[static_cast<std::size_t>((row0 + row) * columns + column0 + column)] =
          static_cast<double>(ElementAsF32(piece.source, i)) * static_cast<double>(piece.scale);
    }
    (weight.side_by_side ? column0 : row0) += weight.side_by_side ? piece.columns : piece.rows;
  }
  return out;
}

class RegionInterpreter {
 public:
  // Every tensor's numbers, by TensorId; those of unused leaves too.
  // REQUIRES: Verify() and a surface in `data` for every one that is read.
  RegionInterpreter(const Region& region, const SurfaceData& data) : region_(region) {
    values_.resize(region.tensors.size());
    for (std::size_t i = 0; i < region.tensors.size(); ++i) {
      const IrTensor& tensor = region.tensors[i];
      if (tensor.origin == Origin::kSurface) values_[i] = data.at(tensor.surface);
      if (tensor.origin == Origin::kScalar) values_[i] = {static_cast<double>(tensor.scalar)};
      if (tensor.origin == Origin::kWeight) {
        values_[i] = MatrixOf(region.weights[static_cast<std::size_t>(tensor.weight)]);
      }
    }
    for (const IrNode& node : region.nodes) {
      Numbers result = Compute(node);
      const auto wanted = static_cast<std::size_t>(Elements(DimsOf(node.output)));
      ATTUNE_CHECK(result.size() == wanted);
      values_[static_cast<std::size_t>(node.output)] = std::move(result);
    }
  }

  const Numbers& value(TensorId id) const { return values_[static_cast<std::size_t>(id)]; }

 private:
  const Dims& DimsOf(TensorId id) const { return region_.tensor(id).dims; }

  static std::int64_t At(const Dims& dims, const Dims& index) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < 4; ++axis) {
      offset = offset * dims[axis] + (dims[axis] == 1 ? 0 : index[axis]);  // Broadcasts.
    }
    return offset;
  }

  template <typename Visit>
  static void ForEach(const Dims& dims, Visit visit) {
    Dims i{};
    for (i[0] = 0; i[0] < dims[0]; ++i[0]) {
      for (i[1] = 0; i[1] < dims[1]; ++i[1]) {
        for (i[2] = 0; i[2] < dims[2]; ++i[2]) {
          for (i[3] = 0; i[3] < dims[3]; ++i[3]) visit(i);
        }
      }
    }
  }

  double Get(TensorId id, const Dims& index) const {
    return value(id)[static_cast<std::size_t>(At(DimsOf(id), index))];
  }

  // The result, element by element of its index.
  template <typename Element>
  Numbers Map(const IrNode& node, Element element) const {
    Numbers out;
    out.reserve(static_cast<std::size_t>(Elements(DimsOf(node.output))));
    ForEach(DimsOf(node.output), [&](const Dims& i) { out.push_back(element(i)); });
    return out;
  }

  Numbers Compute(const IrNode& node) const {
    switch (node.prim) {
      case Prim::kConv:
        return Conv(node);
      case Prim::kMatMul:
        return MatMul(node);
      case Prim::kReshape:
      case Prim::kIdentity:
        return value(node.inputs[0]);
      case Prim::kTranspose:
        return Map(node, [&](const Dims& i) {
          Dims from{};
          for (std::size_t a = 0; a < 4; ++a) from[static_cast<std::size_t>(node.perm[a])] = i[a];
          return Get(node.inputs[0], from);
        });
      case Prim::kSlice:
        return Map(node, [&](Dims i) {
          for (std::size_t a = 0; a < 4; ++a) i[a] += node.begin[a];
          return Get(node.inputs[0], i);
        });
      case Prim::kConcat:
        return Concat(node);
      case Prim::kSoftmax:
      case Prim::kReduceSum:
      case Prim::kReduceMax:
        return AlongAxis(node);
      default:
        break;
    }
    if (node.inputs.size() == 2) {
      return Map(node, [&](const Dims& i) {
        return Binary(node.prim, Get(node.inputs[0], i), Get(node.inputs[1], i));
      });
    }
    return Map(node, [&](const Dims& i) { return Unary(node.prim, Get(node.inputs[0], i)); });
  }

  static double Binary(Prim prim, double x, double y) {
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
      default:
        ATTUNE_CHECK(false && "not a binary primitive");
        return 0;
    }
  }

  static double Unary(Prim prim, double x) {
    switch (prim) {
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
        ATTUNE_CHECK(false && "not a unary primitive");
        return 0;
    }
  }

  Numbers Conv(const IrNode& node) const {
    const std::int64_t channels = DimsOf(node.inputs[0])[1];
    return Map(node, [&](const Dims& i) {
      double sum = 0;
      for (std::int64_t c = 0; c < channels; ++c) {
        sum += Get(node.inputs[1], {i[1], c, 0, 0}) * Get(node.inputs[0], {0, c, 0, i[3]});
      }
      return sum;
    });
  }

  Numbers MatMul(const IrNode& node) const {
    const std::int64_t depth = DimsOf(node.inputs[0])[node.transpose_x ? 2 : 3];
    return Map(node, [&](const Dims& i) {
      double sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const Dims x = {i[0], i[1], node.transpose_x ? k : i[2], node.transpose_x ? i[2] : k};
        const Dims y = {i[0], i[1], node.transpose_y ? i[3] : k, node.transpose_y ? k : i[3]};
        sum += Get(node.inputs[0], x) * Get(node.inputs[1], y);
      }
      return sum;
    });
  }

  Numbers Concat(const IrNode& node) const {
    const auto axis = static_cast<std::size_t>(node.axis);
    return Map(node, [&](Dims i) {
      for (const TensorId input : node.inputs) {
        if (i[axis] < DimsOf(input)[axis]) return Get(input, i);
        i[axis] -= DimsOf(input)[axis];
      }
      return 0.0;
    });
  }

  Numbers AlongAxis(const IrNode& node) const {
    const auto axis = static_cast<std::size_t>(node.axis);
    const std::int64_t extent = DimsOf(node.inputs[0])[axis];
    return Map(node, [&](const Dims& i) {
      Dims at = i;
      double largest = -HUGE_VAL, sum = 0, exponentials = 0;
      for (at[axis] = 0; at[axis] < extent; ++at[axis]) {
        largest = std::max(largest, Get(node.inputs[0], at));
        sum += Get(node.inputs[0], at);
      }
      if (node.prim == Prim::kReduceMax) return largest;
      if (node.prim == Prim::kReduceSum) return sum;
      for (at[axis] = 0; at[axis] < extent; ++at[axis]) {
        exponentials += std::exp(Get(node.inputs[0], at) - largest);
      }
      return std::exp(Get(node.inputs[0], i) - largest) / exponentials;
    });
  }

  const Region& region_;
  std::vector<Numbers> values_;
};

// Reads the region's inputs from `data` and adds its outputs.
inline void Interpret(const Region& region, SurfaceData* data) {
  const RegionInterpreter interpreter(region, *data);
  for (const RegionOutput& output : region.outputs) {
    (*data)[output.surface] = interpreter.value(output.tensor);
  }
}

}  // namespace attune::ane::testing
