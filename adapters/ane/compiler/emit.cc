#include "ane/compiler/emit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "ane/compiler/blob_writer.h"
#include "ane/compiler/mil_writer.h"
#include "ane/compiler/weight_data.h"
#include "ane/compiler/work.h"
#include "base/half.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

Dims NativeDims(const SurfaceSpec& spec) { return {1, spec.channels, 1, spec.width}; }

class Emitter {
 public:
  Emitter(const Region& region, std::span<const SurfaceSpec> surfaces, ElementType element)
      : region_(region),
        surfaces_(surfaces),
        element_(element),
        writer_(element),
        names_(region.tensors.size()) {}

  Result<ProgramImage> Run() {
    ReserveWeights();
    NameResults();
    Parameters();
    for (const IrNode& node : region_.nodes) ATTUNE_RETURN_IF_ERROR(EmitNode(node));
    std::vector<std::string> returns;
    for (const RegionOutput& output : region_.outputs) {
      ATTUNE_RETURN_IF_ERROR(EmitOutput(output));
      returns.push_back(SymbolOf(output.surface));
    }
    return ProgramImage{writer_.Finish(returns), blobs_.Finish()};
  }

 private:
  const SurfaceSpec& SpecOf(SurfaceId id) const { return surfaces_[static_cast<std::size_t>(id)]; }
  std::string& NameOf(TensorId id) { return names_[static_cast<std::size_t>(id)]; }
  std::string NewName() { return StrCat("v", next_name_++); }

  void ReserveWeights() {
    std::int64_t bytes = 0, records = 0;
    for (const Weight& weight : region_.weights) {
      bytes += BytesOf(weight, element_);
      records += TensorsOf(weight);
    }
    blobs_.Reserve(static_cast<std::uint64_t>(bytes), static_cast<std::uint64_t>(records));
  }

  // A result that may be returned as it is carries its symbol from the start.
  void NameResults() {
    std::set<TensorId> consumed;
    for (const IrNode& node : region_.nodes) {
      consumed.insert(node.inputs.begin(), node.inputs.end());
      producers_[node.output] = &node;
    }
    for (const RegionOutput& output : region_.outputs) {
      const IrTensor& tensor = region_.tensor(output.tensor);
      if (tensor.origin == Origin::kComputed && NameOf(output.tensor).empty() &&
          tensor.dims == NativeDims(SpecOf(output.surface)) && !consumed.contains(output.tensor) &&
          !IsUnsafeTail(output.tensor)) {
        NameOf(output.tensor) = SymbolOf(output.surface);
      }
    }
  }

  // What the device's compiler does not take, or gets wrong, as a program's only
  // result: an identity, and a matrix product that is only reshaped.
  bool IsUnsafeTail(TensorId id) const {
    if (region_.outputs.size() > 1) return false;
    const auto found = producers_.find(id);
    return found != producers_.end() &&
           (found->second->prim == Prim::kIdentity || EndsInProduct(id, false));
  }

  bool EndsInProduct(TensorId id, bool reshaped) const {
    for (auto found = producers_.find(id); found != producers_.end(); found = producers_.find(id)) {
      const IrNode& node = *found->second;
      if (node.prim == Prim::kMatMul) return reshaped;
      if (node.prim != Prim::kReshape) return false;
      reshaped = true;
      id = node.inputs[0];
    }
    return false;
  }

  void Parameters() {
    std::map<SurfaceId, Dims> inputs;
    for (const IrNode& node : region_.nodes) {
      for (const TensorId input : node.inputs) AddInput(input, &inputs);
    }
    for (const RegionOutput& output : region_.outputs) AddInput(output.tensor, &inputs);
    for (const auto& [surface, dims] : inputs) writer_.Parameter(dims, SymbolOf(surface));
  }

  void AddInput(TensorId id, std::map<SurfaceId, Dims>* inputs) const {
    const IrTensor& tensor = region_.tensor(id);
    if (tensor.origin != Origin::kSurface) return;
    inputs->emplace(tensor.surface, NativeDims(SpecOf(tensor.surface)));
  }

  // The name of an operand; leaves are written down where they are first used.
  Result<std::string> Operand(TensorId id) {
    if (!NameOf(id).empty()) return NameOf(id);
    const IrTensor& tensor = region_.tensor(id);
    switch (tensor.origin) {
      case Origin::kComputed:
        return Internal(StrCat("emit: ", tensor.name, " is used before it is computed"));
      case Origin::kScalar:
        if (element_ == ElementType::kF16 &&
            !std::isfinite(F32FromF16(F16FromF32(tensor.scalar)))) {
          return InvalidArgument(
              StrCat("scalar ", tensor.scalar, " is beyond fp16, which ends at 65504"));
        }
        return NameOf(id) = writer_.Number(tensor.scalar);
      case Origin::kSurface:
        return NameOf(id) = SurfaceOperand(tensor);
      case Origin::kWeight:
        break;
    }
    ATTUNE_ASSIGN_OR_RETURN(NameOf(id), WeightOperand(tensor.weight));
    return NameOf(id);
  }

  std::string SurfaceOperand(const IrTensor& tensor) {
    const std::string symbol = SymbolOf(tensor.surface);
    if (tensor.dims == NativeDims(SpecOf(tensor.surface))) return symbol;
    std::string name = NewName();
    Reshape(tensor.dims, name, symbol);
    return name;
  }

  Result<std::string> WeightOperand(WeightId id) {
    const auto found = weight_names_.find(id);
    if (found != weight_names_.end()) return found->second;
    const Weight& weight = region_.weights[static_cast<std::size_t>(id)];
    const std::string name = StrCat("w", weight_names_.size());
    switch (weight.storage) {
      case WeightStorage::kElement: {
        ATTUNE_ASSIGN_OR_RETURN(const BlobWriter::Record record, AddElements(weight.dims));
        ATTUNE_RETURN_IF_ERROR(FillElements(weight, element_, record.data));
        writer_.Blob(writer_.TensorType(weight.dims), name, record.offset);
        break;
      }
      case WeightStorage::kInt8:
        ATTUNE_RETURN_IF_ERROR(EmitInt8(weight, name));
        break;
      case WeightStorage::kPalette4:
        ATTUNE_RETURN_IF_ERROR(EmitPalette(weight, name));
        break;
    }
    weight_names_.emplace(id, name);
    return name;
  }

  Result<BlobWriter::Record> AddElements(std::span<const std::int64_t> dims) {
    std::int64_t bytes = SizeOf(element_);
    for (const std::int64_t extent : dims) bytes *= extent;
    const BlobType type = element_ == ElementType::kF16 ? BlobType::kFloat16 : BlobType::kFloat32;
    return blobs_.Add(type, static_cast<std::uint64_t>(bytes));
  }

  // What a weight needs beside it, the same for each of its rows: [rows, 1, 1, 1, ...].
  Status EmitBeside(std::span<const float> numbers, std::span<const std::int64_t> dims,
                    const std::string& name) {
    ATTUNE_ASSIGN_OR_RETURN(const BlobWriter::Record record, AddElements(dims));
    WeightPiece column;
    column.source = {DType::kF32, Shape{static_cast<std::int64_t>(numbers.size())},
                     std::as_bytes(numbers).data()};
    column.rows = static_cast<std::int64_t>(numbers.size());
    column.columns = 1;
    Weight beside;
    beside.name = name;
    beside.pieces = {column};
    ATTUNE_RETURN_IF_ERROR(FillElements(beside, element_, record.data));
    writer_.Blob(writer_.TensorType(dims), name, record.offset);
    return OkStatus();
  }

  Status EmitInt8(const Weight& weight, const std::string& name) {
    ATTUNE_ASSIGN_OR_RETURN(const Int8Weight quantized, QuantizeRows(weight, element_));
    ATTUNE_ASSIGN_OR_RETURN(const BlobWriter::Record record,
                            blobs_.Add(BlobType::kInt8, quantized.data.size()));
    std::ranges::copy(std::as_bytes(std::span(quantized.data)), record.data.begin());
    const std::string data = name + "_data", scale = name + "_scale";
    writer_.Blob(StrCat("tensor<int8, [", StrJoin(weight.dims, ", "), "]>"), data, record.offset);
    const std::int64_t dims[] = {weight.dims[0], 1, 1, 1};
    ATTUNE_RETURN_IF_ERROR(EmitBeside(quantized.scales, dims, scale));
    writer_.Statement(weight.dims, name, "constexpr_blockwise_shift_scale",
                      {{"data", data}, {"scale", scale}});
    return OkStatus();
  }

  Status EmitPalette(const Weight& weight, const std::string& name) {
    ATTUNE_ASSIGN_OR_RETURN(const PaletteWeight palette, PaletteRows(weight, element_));
    const std::uint64_t padding_bits = Elements(weight.dims) % 2 == 0 ? 0 : 4;
    ATTUNE_ASSIGN_OR_RETURN(const BlobWriter::Record record,
                            blobs_.Add(BlobType::kUInt4, palette.indices.size(), padding_bits));
    std::ranges::copy(palette.indices, record.data.begin());
    const std::string indices = name + "_indices", lut = name + "_lut";
    writer_.Blob(StrCat("tensor<uint4, [", StrJoin(weight.dims, ", "), "]>"), indices,
                 record.offset);
    const std::int64_t dims[] = {weight.dims[0], 1, 1, 1, kPaletteColours, 1};
    ATTUNE_RETURN_IF_ERROR(EmitBeside(palette.palettes, dims, lut));
    writer_.Statement(weight.dims, name, "constexpr_lut_to_dense",
                      {{"indices", indices}, {"lut", lut}});
    return OkStatus();
  }

  void Reshape(const Dims& dims, const std::string& name, const std::string& x) {
    writer_.Statement(dims, name, "reshape", {{"shape", writer_.Ints(dims)}, {"x", x}});
  }

  Status EmitNode(const IrNode& node) {
    const auto is_constant = [this](TensorId id) {
      const Origin origin = region_.tensor(id).origin;
      return origin == Origin::kScalar || origin == Origin::kWeight;
    };
    if (std::ranges::all_of(node.inputs, is_constant)) {
      return Internal(StrCat("emit: ", PrimName(node.prim), " of constants alone, ", node.label));
    }
    std::vector<std::string> operands;
    for (const TensorId input : node.inputs) {
      ATTUNE_ASSIGN_OR_RETURN(std::string name, Operand(input));
      operands.push_back(std::move(name));
    }
    if (NameOf(node.output).empty()) NameOf(node.output) = NewName();
    const Dims& dims = region_.tensor(node.output).dims;
    if (node.prim == Prim::kMatMul && node.inputs[0] == node.inputs[1]) {
      EmitSquare(node, operands[0]);
      return OkStatus();
    }
    writer_.Statement(dims, NameOf(node.output), PrimName(node.prim), ArgumentsOf(node, operands));
    return OkStatus();
  }

  // The device's compiler refuses the same tensor twice in a product: -(x (-x)).
  void EmitSquare(const IrNode& node, const std::string& x) {
    const std::string minus_one = writer_.Number(-1);
    const std::string negated = NewName(), product = NewName();
    const Dims& dims = region_.tensor(node.output).dims;
    writer_.Statement(region_.tensor(node.inputs[0]).dims, negated, "mul",
                      {{"x", x}, {"y", minus_one}});
    writer_.Statement(dims, product, "matmul", ArgumentsOf(node, {x, negated}));
    writer_.Statement(dims, NameOf(node.output), "mul", {{"x", product}, {"y", minus_one}});
  }

  MilWriter::Arguments ArgumentsOf(const IrNode& node, const std::vector<std::string>& operands) {
    switch (node.prim) {
      case Prim::kConv: {
        const std::int64_t ones[] = {1, 1}, zeros[] = {0, 0, 0, 0};
        return {{"dilations", writer_.Ints(ones)},
                {"groups", writer_.Int(1)},
                {"pad", writer_.Ints(zeros)},
                {"pad_type", writer_.Text("valid")},
                {"strides", writer_.Ints(ones)},
                {"weight", operands[1]},
                {"x", operands[0]}};
      }
      case Prim::kMatMul:
        return {{"transpose_x", writer_.Bool(node.transpose_x)},
                {"transpose_y", writer_.Bool(node.transpose_y)},
                {"x", operands[0]},
                {"y", operands[1]}};
      case Prim::kLog:
        return {{"epsilon", writer_.Number(0)}, {"x", operands[0]}};
      case Prim::kSoftmax:
        return {{"axis", writer_.Int(node.axis)}, {"x", operands[0]}};
      case Prim::kReduceSum:
      case Prim::kReduceMax: {
        const std::int64_t axes[] = {node.axis};
        return {
            {"axes", writer_.Ints(axes)}, {"keep_dims", writer_.Bool(true)}, {"x", operands[0]}};
      }
      case Prim::kReshape:
        return {{"shape", writer_.Ints(region_.tensor(node.output).dims)}, {"x", operands[0]}};
      case Prim::kTranspose: {
        const std::vector<std::int64_t> perm(node.perm.begin(), node.perm.end());
        return {{"perm", writer_.Ints(perm)}, {"x", operands[0]}};
      }
      case Prim::kSlice:
        return {{"begin", writer_.Ints(node.begin)},
                {"size", writer_.Ints(region_.tensor(node.output).dims)},
                {"x", operands[0]}};
      case Prim::kConcat:
        return {{"axis", writer_.Int(node.axis)},
                {"interleave", writer_.Bool(false)},
                {"values", StrCat("(", StrJoin(operands, ", "), ")")}};
      default:
        break;
    }
    if (operands.size() == 2) return {{"x", operands[0]}, {"y", operands[1]}};
    return {{"x", operands[0]}};
  }

  // Results that could not be called by their symbol: of another shape, read inside
  // the program too, or unsafe at its end.
  Status EmitOutput(const RegionOutput& output) {
    const std::string symbol = SymbolOf(output.surface);
    const IrTensor& tensor = region_.tensor(output.tensor);
    if (tensor.origin == Origin::kWeight || tensor.origin == Origin::kScalar) {
      return Internal(StrCat("emit: ", tensor.name, " is a constant and a result"));
    }
    ATTUNE_ASSIGN_OR_RETURN(std::string name, Operand(output.tensor));
    if (name == symbol) return OkStatus();

    const Dims dims = NativeDims(SpecOf(output.surface));
    const bool alone = region_.outputs.size() == 1;
    if (tensor.dims != dims) {
      if (!alone || !EndsInProduct(output.tensor, true)) {
        Reshape(dims, symbol, name);
        return OkStatus();
      }
      const std::string reshaped = NewName();
      Reshape(dims, reshaped, name);
      name = reshaped;
    }
    if (alone) {
      writer_.Statement(dims, symbol, "mul", {{"x", name}, {"y", writer_.Number(1)}});
    } else {
      writer_.Statement(dims, symbol, "identity", {{"x", name}});
    }
    return OkStatus();
  }

  const Region& region_;
  std::span<const SurfaceSpec> surfaces_;
  ElementType element_;
  MilWriter writer_;
  BlobWriter blobs_;
  std::vector<std::string> names_;  // By tensor; empty: not written down yet.
  std::map<TensorId, const IrNode*> producers_;
  std::map<WeightId, std::string> weight_names_;
  int next_name_ = 0;
};

}  // namespace

std::string SymbolOf(SurfaceId surface) { return StrCat("s", surface); }

Result<ProgramImage> Emit(const Region& region, std::span<const SurfaceSpec> surfaces,
                          ElementType element) {
  Result<ProgramImage> image = Emitter(region, surfaces, element).Run();
  if (!image.ok()) return std::move(image).status().WithContext(StrCat("region ", region.name));
  return image;
}

}  // namespace attune::ane
