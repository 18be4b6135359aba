#include "ane/compiler/ir.h"

#include "base/strings.h"

namespace attune::ane {
namespace {

std::string Text(const Dims& dims) { return StrCat("[", StrJoin(dims, ", "), "]"); }

std::string Quoted(std::string_view label) {
  return label.empty() ? std::string() : StrCat("  # ", label);
}

std::string Attributes(const IrNode& node) {
  switch (node.prim) {
    case Prim::kMatMul:
      return StrCat(node.transpose_x ? " transpose_x" : "", node.transpose_y ? " transpose_y" : "");
    case Prim::kSoftmax:
    case Prim::kReduceSum:
    case Prim::kReduceMax:
    case Prim::kConcat:
      return StrCat(" axis=", node.axis);
    case Prim::kSlice:
      return StrCat(" begin=", Text(node.begin));
    case Prim::kTranspose:
      return StrCat(" perm=[", StrJoin(node.perm, ", "), "]");
    default:
      return "";
  }
}

std::string PieceText(const WeightPiece& piece) {
  std::string out = StrCat(DTypeName(piece.source.dtype), piece.source.shape.ToString());
  if (piece.transposed) out += "^T";
  if (piece.scale != 1.0f) out += StrCat(" * ", piece.scale);
  return StrCat(out, " as [", piece.rows, ", ", piece.columns, "]");
}

std::string_view StorageText(WeightStorage storage) {
  switch (storage) {
    case WeightStorage::kInt8:
      return " int8";
    case WeightStorage::kPalette4:
      return " palette4";
    case WeightStorage::kElement:
      break;
  }
  return "";
}

std::string WeightText(const Weight& weight) {
  std::string out =
      StrCat("weight ", weight.name, Text(weight.dims), StorageText(weight.storage), " =");
  for (std::size_t i = 0; i < weight.pieces.size(); ++i) {
    if (i > 0) out += weight.side_by_side ? " |" : " /";
    out += StrCat(" ", PieceText(weight.pieces[i]));
  }
  return out + "\n";
}

std::string TensorText(const Region& region, TensorId id) {
  const IrTensor& tensor = region.tensor(id);
  return tensor.origin == Origin::kScalar ? StrCat(tensor.scalar) : tensor.name;
}

}  // namespace

std::string_view PrimName(Prim prim) {
  switch (prim) {
    case Prim::kConv:
      return "conv";
    case Prim::kMatMul:
      return "matmul";
    case Prim::kAdd:
      return "add";
    case Prim::kSub:
      return "sub";
    case Prim::kMul:
      return "mul";
    case Prim::kDiv:
      return "real_div";
    case Prim::kPow:
      return "pow";
    case Prim::kMaximum:
      return "maximum";
    case Prim::kMinimum:
      return "minimum";
    case Prim::kExp:
      return "exp";
    case Prim::kLog:
      return "log";
    case Prim::kSqrt:
      return "sqrt";
    case Prim::kAbs:
      return "abs";
    case Prim::kTanh:
      return "tanh";
    case Prim::kRelu:
      return "relu";
    case Prim::kSoftmax:
      return "softmax";
    case Prim::kReduceSum:
      return "reduce_sum";
    case Prim::kReduceMax:
      return "reduce_max";
    case Prim::kReshape:
      return "reshape";
    case Prim::kTranspose:
      return "transpose";
    case Prim::kSlice:
      return "slice_by_size";
    case Prim::kConcat:
      return "concat";
    case Prim::kIdentity:
      return "identity";
  }
  return "?";
}

std::int64_t RowsOf(const Weight& weight) {
  std::int64_t rows = 0;
  for (const WeightPiece& piece : weight.pieces) {
    rows = weight.side_by_side ? piece.rows : rows + piece.rows;
  }
  return rows;
}

std::int64_t ColumnsOf(const Weight& weight) {
  std::int64_t columns = 0;
  for (const WeightPiece& piece : weight.pieces) {
    columns = weight.side_by_side ? columns + piece.columns : piece.columns;
  }
  return columns;
}

std::string Print(const Region& region) {
  std::string out = StrCat("region ", region.name, "\n");
  for (const Weight& weight : region.weights) out += WeightText(weight);
  for (const IrTensor& tensor : region.tensors) {
    if (tensor.origin == Origin::kSurface) {
      out += StrCat(tensor.name, Text(tensor.dims), " = surface ", tensor.surface, "\n");
    } else if (tensor.origin == Origin::kWeight) {
      const Weight& weight = region.weights[static_cast<std::size_t>(tensor.weight)];
      out += StrCat(tensor.name, Text(tensor.dims), " = weight ", weight.name, "\n");
    }
  }
  for (const IrNode& node : region.nodes) {
    const IrTensor& result = region.tensor(node.output);
    out += StrCat(result.name, Text(result.dims), " = ", PrimName(node.prim), "(");
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      out += StrCat(i > 0 ? ", " : "", TensorText(region, node.inputs[i]));
    }
    out += StrCat(")", Attributes(node), Quoted(node.label), "\n");
  }
  for (const RegionOutput& output : region.outputs) {
    out += StrCat("surface ", output.surface, " = ", TensorText(region, output.tensor), "\n");
  }
  return out;
}

}  // namespace attune::ane
