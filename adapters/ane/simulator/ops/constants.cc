// const and the constexpr ops: values that are known before anything runs.

#include <algorithm>

#include "ane/simulator/call.h"
#include "ane/simulator/literals.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

Status BuildConst(Call& call) {
  const mil::Argument* argument = call.statement().FindAttribute("val");
  if (argument == nullptr) argument = call.statement().Find("val");
  if (argument == nullptr) return call.Fail("attribute \"val\" is missing");
  const auto* literal = std::get_if<mil::Literal>(&argument->value);
  if (literal == nullptr) return call.Fail("val: a literal is expected");
  Result<Value> value = call.builder().FromLiteral(*literal);
  if (!value.ok()) {
    return call.Fail(value.status().code(), StrCat("val: ", value.status().message()));
  }
  return call.Define(*value);
}

// An argument of a constexpr op: some tools write them as attributes.
Result<Value> Known(Call& call, std::string_view key) {
  const mil::Argument* attribute = call.statement().FindAttribute(key);
  if (attribute == nullptr) return call.ConstantTensor(key);
  const auto* literal = std::get_if<mil::Literal>(&attribute->value);
  if (literal == nullptr) return call.Fail(StrCat(key, ": a literal is expected"));
  Result<Value> value = call.builder().FromLiteral(*literal);
  if (value.ok()) return value;
  return call.Fail(value.status().code(), StrCat(key, ": ", value.status().message()));
}

bool IsGiven(Call& call, std::string_view key) {
  return call.Has(key) || call.statement().FindAttribute(key) != nullptr;
}

Status DefineConstant(Call& call, mil::DataType dtype, const Dims& dims,
                      std::vector<float> numbers) {
  if (mil::IsReal(dtype)) {
    for (float& number : numbers) number = Entered(number, call.numerics());
  }
  Value value;
  value.type = TensorType(dtype, dims);
  value.constant =
      std::make_shared<const Constant>(Constant{.numbers = std::move(numbers), .text = ""});
  return call.Define(value);
}

Result<std::vector<float>> Room(Call& call, const Dims& dims) {
  const std::optional<std::int64_t> elements = ElementsOf(dims);
  if (!elements || dims.size() > 5) {
    return call.Fail(StrCat("shape [", StrJoin(dims, ","), "] is not possible"));
  }
  if (Status status = call.builder().Reserve(*elements); !status.ok()) {
    return call.Fail(status.code(), status.message());
  }
  return std::vector<float>(static_cast<std::size_t>(*elements));
}

// Index into an array of blocks of what element `at` of `dims` belongs to.
std::size_t BlockOf(std::int64_t at, const Dims& dims, const Dims& blocks) {
  std::int64_t index = 0, stride = 1;
  for (std::size_t i = dims.size(); i-- > 0;) {
    const std::int64_t position = at % dims[i];
    at /= dims[i];
    index += position / (dims[i] / blocks[i]) * stride;
    stride *= blocks[i];
  }
  return static_cast<std::size_t>(index);
}

bool Divides(const Dims& blocks, const Dims& dims) {
  if (blocks.size() != dims.size()) return false;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] % blocks[i] != 0) return false;
  }
  return true;
}

// scale * (data - offset), scale and offset one a block.
Status BuildBlockwise(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value data, Known(call, "data"));
  ATTUNE_ASSIGN_OR_RETURN(const Value scale, Known(call, "scale"));
  Value offset = scale;
  const bool shifted = IsGiven(call, "offset");
  if (shifted) {
    ATTUNE_ASSIGN_OR_RETURN(offset, Known(call, "offset"));
  }
  const Dims& dims = data.type.dims;
  if (!Divides(scale.type.dims, dims) || offset.type.dims != scale.type.dims) {
    return call.Fail(
        StrCat("scale [", StrJoin(scale.type.dims, ","), "] for data [", StrJoin(dims, ","), "]"));
  }
  ATTUNE_ASSIGN_OR_RETURN(std::vector<float> out, Room(call, dims));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t block = BlockOf(static_cast<std::int64_t>(i), dims, scale.type.dims);
    const float shift = shifted ? offset.constant->numbers[block] : 0;
    out[i] = scale.constant->numbers[block] * (data.constant->numbers[i] - shift);
  }
  return DefineConstant(call, scale.type.dtype, dims, std::move(out));
}

// scale * (data - zero_point), each one number or one a position of an axis.
Status BuildAffine(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value data, Known(call, "quantized_data"));
  ATTUNE_ASSIGN_OR_RETURN(const Value scale, Known(call, "scale"));
  ATTUNE_ASSIGN_OR_RETURN(const Value zero, Known(call, "zero_point"));
  ATTUNE_ASSIGN_OR_RETURN(const Value axis_value, Known(call, "axis"));
  const Dims& dims = data.type.dims;
  const auto rank = static_cast<std::int64_t>(dims.size());
  if (axis_value.constant->numbers.empty()) return call.Fail("axis: one integer is expected");
  const float written = axis_value.constant->numbers[0];
  if (!(written >= static_cast<float>(-rank) && written < static_cast<float>(rank))) {
    return call.Fail(StrCat("axis: ", written, " for rank ", rank));
  }
  auto axis = static_cast<std::int64_t>(written);
  if (axis < 0) axis += rank;
  const std::int64_t extent = dims[static_cast<std::size_t>(axis)];
  for (const Value* value : {&scale, &zero}) {
    const auto count = static_cast<std::int64_t>(value->constant->numbers.size());
    if (count != 1 && count != extent) {
      return call.Fail(StrCat("scale or zero_point with ", count, " numbers for ", extent));
    }
  }
  const std::int64_t stride = StridesOf(dims)[static_cast<std::size_t>(axis)];
  ATTUNE_ASSIGN_OR_RETURN(std::vector<float> out, Room(call, dims));
  const auto at = [](const Value& value, std::int64_t position) {
    const std::vector<float>& numbers = value.constant->numbers;
    return numbers[numbers.size() == 1 ? 0 : static_cast<std::size_t>(position)];
  };
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t position = static_cast<std::int64_t>(i) / stride % extent;
    out[i] = at(scale, position) * (data.constant->numbers[i] - at(zero, position));
  }
  return DefineConstant(call, scale.type.dtype, dims, std::move(out));
}

// The older form: packed indices, a palette for all, and the shape beside them.
Status BuildOldPalette(Call& call, const Value& indices, const Value& lut) {
  ATTUNE_ASSIGN_OR_RETURN(const Value shape, Known(call, "shape"));
  Dims dims;
  for (const float extent : shape.constant->numbers) {
    if (!(extent >= 1 && extent <= 0x1p24f)) return call.Fail(StrCat("shape: extent ", extent));
    dims.push_back(static_cast<std::int64_t>(extent));
  }
  const std::vector<float>& palette = lut.constant->numbers;
  int bits = 0;
  while (bits < 8 && (std::size_t{1} << bits) < palette.size()) ++bits;
  ATTUNE_ASSIGN_OR_RETURN(std::vector<float> out, Room(call, dims));
  const std::vector<float>& bytes = indices.constant->numbers;
  if (bytes.size() < (out.size() * static_cast<std::size_t>(bits) + 7) / 8) {
    return call.Fail(
        StrCat("indices: ", bytes.size(), " bytes for ", out.size(), " of ", bits, " bits"));
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::size_t index = 0;
    for (int bit = 0; bit < bits; ++bit) {
      const std::size_t at = i * static_cast<std::size_t>(bits) + static_cast<std::size_t>(bit);
      index |= (static_cast<std::size_t>(bytes[at / 8]) >> at % 8 & 1) << bit;
    }
    out[i] = index < palette.size() ? palette[index] : 0;
  }
  return DefineConstant(call, lut.type.dtype, dims, std::move(out));
}

// lut: [blocks of each axis..., palette, 1].
Status BuildPalette(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value indices, Known(call, "indices"));
  ATTUNE_ASSIGN_OR_RETURN(const Value lut, Known(call, "lut"));
  if (IsGiven(call, "shape")) return BuildOldPalette(call, indices, lut);
  const Dims& dims = indices.type.dims;
  const Dims& all = lut.type.dims;
  if (all.size() != dims.size() + 2 || all.back() != 1) {
    return call.Fail(StrCat("lut [", StrJoin(all, ","), "] for indices [", StrJoin(dims, ","),
                            "]: only palettes of single numbers are simulated"));
  }
  const Dims blocks(all.begin(), all.end() - 2);
  if (!Divides(blocks, dims)) {
    return call.Fail(StrCat("lut [", StrJoin(all, ","), "] does not divide the indices"));
  }
  const auto colours = static_cast<std::size_t>(all[all.size() - 2]);
  ATTUNE_ASSIGN_OR_RETURN(std::vector<float> out, Room(call, dims));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const float index = indices.constant->numbers[i];
    if (!(index >= 0 && index < static_cast<float>(colours))) {
      return call.Fail(StrCat("indices: ", index, " of a palette of ", colours));
    }
    const std::size_t block = BlockOf(static_cast<std::int64_t>(i), dims, blocks);
    out[i] = lut.constant->numbers[block * colours + static_cast<std::size_t>(index)];
  }
  return DefineConstant(call, lut.type.dtype, dims, std::move(out));
}

Status BuildConstantCast(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value source, Known(call, "source_val"));
  ATTUNE_ASSIGN_OR_RETURN(const Value name, Known(call, "output_dtype"));
  const std::optional<mil::DataType> dtype = mil::ParseDataType(name.constant->text);
  if (!dtype || !mil::IsReal(*dtype)) {
    return call.Fail(StrCat("output_dtype \"", name.constant->text, "\" is not a real type"));
  }
  return DefineConstant(call, *dtype, source.type.dims, source.constant->numbers);
}

constexpr OpEntry kOps[] = {
    {"const", "val", BuildConst},
    {"constexpr_blockwise_shift_scale", "data scale offset", BuildBlockwise},
    {"constexpr_affine_dequantize", "quantized_data scale zero_point axis", BuildAffine},
    {"constexpr_lut_to_dense", "indices lut shape", BuildPalette},
    {"constexpr_cast", "source_val output_dtype", BuildConstantCast},
};

}  // namespace

std::span<const OpEntry> ConstantOps() { return kOps; }

}  // namespace attune::ane
