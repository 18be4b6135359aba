// Products. With M^ for M [rows, columns] as it lies on the device, [columns, rows]:
//   y = x W^T    y^ = W x^
//   c = a b      c^ = b^ a^,  and an operand that is transposed in the graph is
//                             transposed the other way round here
#include <algorithm>

#include "ane/compiler/lowering/rules.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Which axis of [.., rows, columns] a product sums over.
int DepthAxis(bool is_x, bool transposed) { return is_x != transposed ? 3 : 2; }

// One factor of a product, as [1, 1, a, b] of its surface: axis 2 has the channels,
// axis 3 the width.
struct Factor {
  TensorId tensor;
  bool transposed;
  bool clean;  // The padding of its width.
};

TensorId AsPlane(RegionBuilder& b, TensorId x) {
  return b.Reshape(x, {1, 1, b.dim(x, 1), b.dim(x, 3)});
}

// x y, both [1, 1, ., .], where the depth is `depth` without padding. Padding goes
// along for free when both have it, zero in one and finite in the other. Channels are
// padded with zeros only; of widths, one must be clean.
TensorId Product(RegionBuilder& b, Factor x, Factor y, std::int64_t depth) {
  const int x_axis = DepthAxis(true, x.transposed), y_axis = DepthAxis(false, y.transposed);
  const bool zero = x_axis == 2 || y_axis == 2 || x.clean || y.clean;
  if (b.dim(x.tensor, x_axis) != b.dim(y.tensor, y_axis) || !zero) {
    x.tensor = b.Slice(x.tensor, x_axis, 0, depth);
    y.tensor = b.Slice(y.tensor, y_axis, 0, depth);
  }
  return b.MatMul(x.tensor, y.tensor, {x.transposed, y.transposed});
}

// [1, 1, channels, w] as a value of `matrix`: its width is brought to the padded rows.
TensorId AsValue(RegionBuilder& b, TensorId product, const Matrix& matrix) {
  if (b.dim(product, 3) > matrix.width()) product = b.Slice(product, 3, 0, matrix.width());
  product = b.Extend(product, 3, matrix.width());
  return b.Reshape(product, {1, b.dim(product, 2), 1, matrix.width()});
}

// Axis 3 of a factor becomes channels of the result, where only zeros may be padding.
TensorId WidthAsChannels(RegionBuilder& b, TensorId x, bool clean, std::int64_t rows) {
  return clean ? x : b.Slice(x, 3, 0, rows);
}

TensorId RuntimeLinear(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<LinearAttrs>();
  const ValueId x = node.inputs[0], w = node.inputs[1];
  TensorId operand = in.Read(x);
  const Matrix result = in.matrix(node.outputs[0]);
  const bool scale_operand = b.dim(operand, 1) <= result.columns;
  if (scale_operand) operand = b.Mul(operand, static_cast<double>(attrs.scale));
  operand = AsPlane(b, operand);
  TensorId weight = AsPlane(b, in.Read(w));
  const std::int64_t depth = in.matrix(x).columns;
  TensorId y = kNone;
  if (attrs.transposed) {
    // W [in, out] lies as [out, in]: its width is summed over, against channels of x
    // that are zero beyond the depth.
    y = Product(b, {weight, false, in.clean(w)}, {operand, false, true}, depth);
  } else {
    // W [out, in] lies as [in, out].
    weight = WidthAsChannels(b, weight, in.clean(w), result.columns);
    y = Product(b, {weight, true, true}, {operand, false, true}, depth);
  }
  y = AsValue(b, y, result);
  return scale_operand ? y : b.Mul(y, static_cast<double>(attrs.scale));
}

// Ranks are padded here too: the device refuses products of very few channels.
TensorId KnownLinear(Lowering& in, const Node& node) {
  const auto& attrs = node.attrs<LinearAttrs>();
  const ValueId w = node.inputs[1];
  const TensorId x = in.Read(node.inputs[0]);
  WeightPiece piece = in.Piece(w, attrs.transposed, attrs.scale);
  piece.rows = std::max(piece.rows, kWidthUnit);
  piece.columns = in.builder().dim(x, 1);
  return BakedProduct(in, in.graph().value(w).name, std::move(piece), x);
}

// y + accumulator; both without padded channels, or both with the same.
TensorId Accumulate(Lowering& in, TensorId y, ValueId accumulator, std::int64_t columns) {
  RegionBuilder& b = in.builder();
  TensorId start = in.Read(accumulator);
  if (b.dim(start, 1) != b.dim(y, 1)) {
    start = in.ReadExact(accumulator);
    y = b.Slice(y, 1, 0, columns);
  }
  return b.Add(y, start);
}

}  // namespace

TensorId BakedProduct(Lowering& in, const std::string& name, WeightPiece piece, TensorId x) {
  RegionBuilder& b = in.builder();
  const std::int64_t rows = piece.rows, columns = piece.columns, width = b.dim(x, 3);
  const bool product =
      in.options().linear == LinearForm::kMatMul ||
      (in.options().linear == LinearForm::kByChip && in.options().target.chip == Chip::kM3Ultra);
  if (!product) {
    const TensorId weight =
        b.Bake(name, {rows, columns, 1, 1}, {std::move(piece)}, in.options().weights);
    return b.Conv(x, weight);
  }
  const TensorId weight = b.Bake(name, {1, 1, rows, columns}, {std::move(piece)});
  return b.Reshape(b.MatMul(weight, b.Reshape(x, {1, 1, columns, width})), {1, rows, 1, width});
}

TensorId SumOverRows(Lowering& in, TensorId x, std::int64_t rows) {
  RegionBuilder& b = in.builder();
  const std::int64_t channels = b.dim(x, 1), width = b.dim(x, 3);
  const TensorId ones =
      b.Literal(StrCat("ones of ", rows, " rows"), {1, 1, kWidthUnit, width}, {1, rows},
                [](std::span<float> data) { std::fill(data.begin(), data.end(), kSumLift); });
  const TensorId sums = b.Mul(b.MatMul(AsPlane(b, x), ones, {.y = true}), 1.0 / kSumLift);
  return b.Reshape(sums, {1, channels, 1, kWidthUnit});
}

void LowerLinear(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<LinearAttrs>();
  const ValueId result = node.outputs[0];
  const std::int64_t columns = in.matrix(result).columns;
  bool clean = in.clean(node.inputs[0]);
  TensorId y = in.known(node.inputs[1]) ? KnownLinear(in, node) : RuntimeLinear(in, node);
  if (attrs.bias) {
    y = b.Add(b.Slice(y, 1, 0, columns), in.ReadVector(node.inputs[2]));
    clean = false;
  }
  if (attrs.accumulate) {
    y = Accumulate(in, y, node.inputs.back(), columns);
    clean = clean && in.clean(node.inputs.back());
  }
  in.Write(result, y, clean);
}

void LowerMatMul(Lowering& in, const Node& node) {
  RegionBuilder& b = in.builder();
  const auto& attrs = node.attrs<MatMulAttrs>();
  const ValueId a = node.inputs[0], second = node.inputs[1];
  const Matrix result = in.matrix(node.outputs[0]);
  const Matrix of_a = in.matrix(a);
  const std::int64_t depth = attrs.transpose_a ? of_a.rows : of_a.columns;
  TensorId x = AsPlane(b, in.Read(second)), y = AsPlane(b, in.Read(a));
  const auto scale = static_cast<double>(attrs.scale);
  const std::int64_t of_x = Elements(b.dims(x)), of_y = Elements(b.dims(y));
  const std::int64_t of_result = result.columns * result.width();
  const bool scale_x = of_x <= of_y && of_x <= of_result;
  const bool scale_y = !scale_x && of_y <= of_result;
  if (scale_x) x = b.Mul(x, scale);
  if (scale_y) y = b.Mul(y, scale);
  // The rows of b^T b become the result's channels.
  if (attrs.transpose_b) x = WidthAsChannels(b, x, in.clean(second), result.columns);
  TensorId product = Product(b, {x, attrs.transpose_b, in.clean(second)},
                             {y, attrs.transpose_a, in.clean(a)}, depth);
  product = AsValue(b, product, result);
  if (!scale_x && !scale_y) product = b.Mul(product, scale);
  bool clean = attrs.transpose_a || in.clean(a);
  if (attrs.accumulate) {
    product = Accumulate(in, product, node.inputs[2], result.columns);
    clean = clean && in.clean(node.inputs[2]);
  }
  in.Write(node.outputs[0], product, clean);
}

void LowerReduceSum(Lowering& in, const Node& node) {
  const ValueId x = node.inputs[0];
  in.Write(node.outputs[0], SumOverRows(in, in.ReadExact(x), in.matrix(x).rows), true);
}

}  // namespace attune::ane
