// quantize and dequantize of activations.

#include <algorithm>
#include <cmath>
#include <limits>

#include "ane/simulator/call.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// scale and zero_point: one number each, or one a position of an axis.
struct Grid {
  std::vector<float> scale, zero;
  std::int64_t extent = 1, stride = 1;

  std::size_t At(std::int64_t i) const {
    return scale.size() == 1 ? 0 : static_cast<std::size_t>(i / stride % extent);
  }
};

Result<Grid> GridOf(Call& call, const Dims& dims) {
  Grid grid;
  ATTUNE_ASSIGN_OR_RETURN(const Value scale, call.ConstantTensor("scale"));
  grid.scale = scale.constant->numbers;
  grid.zero.assign(grid.scale.size(), 0);
  if (call.Has("zero_point")) {
    ATTUNE_ASSIGN_OR_RETURN(const Value zero, call.ConstantTensor("zero_point"));
    if (zero.constant->numbers.size() != grid.scale.size()) {
      return call.Fail("scale and zero_point differ in their number");
    }
    grid.zero = zero.constant->numbers;
  }
  if (scale.type.dims.empty()) return grid;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t axis, call.AxisOr("axis", dims.size(), -1));
  if (!call.Has("axis")) return call.Fail("scale has rank 1: \"axis\" is needed");
  grid.extent = dims[static_cast<std::size_t>(axis)];
  grid.stride = StridesOf(dims)[static_cast<std::size_t>(axis)];
  if (scale.type.dims.size() != 1 || scale.type.dims[0] != grid.extent) {
    return call.Fail(
        StrCat("scale [", StrJoin(scale.type.dims, ","), "] for an axis of ", grid.extent));
  }
  return grid;
}

Status BuildQuantize(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("input"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string name, call.TextOr("output_dtype", ""));
  const std::optional<mil::DataType> dtype = mil::ParseDataType(name);
  if (dtype != mil::DataType::kInt8 && dtype != mil::DataType::kUint8) {
    return call.Fail(StrCat("output_dtype \"", name, "\" is neither int8 nor uint8"));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Grid grid, GridOf(call, x.type.dims));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(*dtype, x.type.dims));
  const float least = dtype == mil::DataType::kInt8 ? -128 : 0;
  const std::int64_t n = *ElementsOf(x.type.dims);
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}};
  effect.elementwise_flops = static_cast<double>(n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(n, 64);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const std::size_t at = grid.At(i);
      const float q = std::nearbyint(lane.At(px)[i] / grid.scale[at]) + grid.zero[at];
      lane.At(pz)[i] = std::clamp(q, least, least + 255);
    }
  });
  return call.Define(z);
}

Status BuildDequantize(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("input"));
  if (mil::IsReal(x.type.dtype)) {
    return call.Fail(StrCat("input: an integer type is expected, not ", mil::ToString(x.type)));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value scale, call.ConstantTensor("scale"));
  ATTUNE_ASSIGN_OR_RETURN(const Grid grid, GridOf(call, x.type.dims));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(scale.type.dtype, x.type.dims));
  const Rounding rounding = RoundingOf(call.numerics(), scale.type.dtype);
  const std::int64_t n = *ElementsOf(x.type.dims);
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}};
  effect.elementwise_flops = static_cast<double>(n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(n, 64);
    float* out = lane.At(pz);
    for (std::int64_t i = range.begin; i < range.end; ++i) {
      const std::size_t at = grid.At(i);
      out[i] = (lane.At(px)[i] - grid.zero[at]) * grid.scale[at];
    }
    UnaryArgs round;
    round.rounding = rounding;
    UnaryRow(round, out + range.begin, out + range.begin, range.end - range.begin);
  });
  return call.Define(z);
}

constexpr OpEntry kOps[] = {
    {"quantize", "input scale zero_point axis output_dtype", BuildQuantize},
    {"dequantize", "input scale zero_point axis", BuildDequantize},
};

}  // namespace

std::span<const OpEntry> QuantizationOps() { return kOps; }

}  // namespace attune::ane
