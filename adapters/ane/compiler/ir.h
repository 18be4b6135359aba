// Regions: programs of MIL primitives, between the graph and the MIL text.
//
// A graph matrix [rows, columns] (activations, adapters, gradients) lies here as
// [1, columns, 1, width]: columns are channels, rows run along the width, padded with
// zeros to a multiple of 32. Inside a region a tensor may take any rank-4 shape of
// as many elements. Names of values are unique within a region.
//
// Threads: values.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "tensor/tensor.h"

namespace attune::ane {

using TensorId = std::int32_t;
using WeightId = std::int32_t;
using SurfaceId = std::int32_t;
inline constexpr std::int32_t kNone = -1;

using Dims = std::array<std::int64_t, 4>;
constexpr std::int64_t Elements(const Dims& dims) { return dims[0] * dims[1] * dims[2] * dims[3]; }

inline constexpr std::int64_t kWidthUnit = 32;
constexpr std::int64_t PadWidth(std::int64_t rows) {
  return (rows + kWidthUnit - 1) / kWidthUnit * kWidthUnit;
}

// A surface of the plan: [1, channels, 1, width].
struct SurfaceSpec {
  std::string name;  // Of the graph value or of what feeds it; unique in a plan.
  std::int64_t channels = 0;
  std::int64_t width = 0;
};

enum class Prim : std::uint8_t {
  kConv,    // x [1,I,1,S], weight [O,I,1,1] -> [1,O,1,S]
  kMatMul,  // x, y; transpose_x, transpose_y
  kAdd,
  kSub,
  kMul,
  kDiv,
  kPow,
  kMaximum,
  kMinimum,  // x, y, broadcast
  kExp,
  kLog,
  kSqrt,
  kAbs,
  kTanh,
  kRelu,     // x
  kSoftmax,  // x; axis
  kReduceSum,
  kReduceMax,  // x; axis, the dimension stays as 1
  kReshape,    // x; to the result's dims
  kTranspose,  // x; perm
  kSlice,      // x; begin, size is the result's dims
  kConcat,     // values...; axis
  kIdentity,   // x
};
std::string_view PrimName(Prim prim);  // As MIL calls it: "real_div", "slice_by_size".

// Where a weight's numbers come from: pieces along one axis, so that several
// weights can be baked as one. Nothing is copied before the blob is written.
struct WeightPiece {
  TensorView source;  // 2-D [a, b] or 1-D [a], a column: a frozen parameter, or `literal`.
  std::shared_ptr<const Tensor> literal;  // Keeps a constant of the compiler alive.
  bool transposed = false;                // Swap its two axes.
  float scale = 1.0f;
  std::int64_t rows = 0, columns = 0;  // Of the piece; beyond the source: zeros.
};
enum class WeightStorage : std::uint8_t { kElement, kInt8, kPalette4 };

// A row-major matrix of pieces, stacked or side by side, in the shape `dims`: of a
// convolution [rows, columns, 1, 1], of a constant operand [1, 1, rows, columns] or
// [1, heads, rows / heads, columns], of a vector [1, rows, 1, 1].
struct Weight {
  std::string name;
  Dims dims{};
  bool side_by_side = false;
  // Its numbers were chosen for the range of products: no pass scales them.
  bool fixed = false;
  std::vector<WeightPiece> pieces;
  // kElement: fp16, or f32 for the exact profile. kInt8: a scale for each row.
  // kPalette4: sixteen numbers for each row. The latter two of convolutions only.
  WeightStorage storage = WeightStorage::kElement;
};
// Rows and columns of all pieces together.
std::int64_t RowsOf(const Weight& weight);
std::int64_t ColumnsOf(const Weight& weight);

enum class Origin : std::uint8_t { kComputed, kSurface, kWeight, kScalar };

struct IrTensor {
  std::string name;
  Dims dims{};
  Origin origin = Origin::kComputed;
  SurfaceId surface = kNone;  // kSurface.
  WeightId weight = kNone;    // kWeight: index into Region::weights.
  double scalar = 0;          // kScalar.
};

struct IrNode {
  Prim prim;
  std::vector<TensorId> inputs;
  TensorId output = kNone;
  bool transpose_x = false, transpose_y = false;
  int axis = 1;
  Dims begin{};               // kSlice.
  std::array<int, 4> perm{};  // kTranspose.
  // The graph node it comes from, for reports: "model.layers.0.mlp.down_proj".
  std::string label;
};

struct RegionOutput {
  TensorId tensor = kNone;
  SurfaceId surface = kNone;
};

struct Region {
  std::string name;  // "forward", "backward 2".
  std::vector<IrTensor> tensors;
  std::vector<Weight> weights;
  std::vector<IrNode> nodes;  // In topological order.
  std::vector<RegionOutput> outputs;

  const IrTensor& tensor(TensorId id) const { return tensors[static_cast<std::size_t>(id)]; }
};

// Inputs defined before use and once, dims as the primitive's rule says, surfaces of
// as many elements as their tensors, none both read and written, weights of as many
// numbers as their pieces, no name twice. `surfaces` is the plan's.
//
//   kInternal  which node or tensor, and both numbers
Status Verify(const Region& region, std::span<const SurfaceSpec> surfaces);

// As text, one node a line, for tests and reports.
std::string Print(const Region& region);

}  // namespace attune::ane
