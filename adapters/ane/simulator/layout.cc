#include "ane/simulator/layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <string>

#include "ane/simulator/builder.h"
#include "ane/simulator/kernels/convert.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Rows are packed before macOS 26.
constexpr int kPaddedRowsFrom = 26;

std::optional<ElementType> ElementOf(mil::DataType dtype) {
  switch (dtype) {
    case mil::DataType::kFp16:
      return ElementType::kF16;
    case mil::DataType::kFp32:
      return ElementType::kF32;
    case mil::DataType::kInt8:
      return ElementType::kI8;
    case mil::DataType::kUint8:
      return ElementType::kU8;
    case mil::DataType::kInt32:
      return ElementType::kI32;
    default:
      return std::nullopt;
  }
}

Status WrongStrides(const mil::Output& symbol) {
  return InvalidArgument(StrCat("strides of \"", symbol.name, "\": [",
                                StrJoin(symbol.type.strides, ","), "] elements for ",
                                mil::ToString(symbol.type)));
}

// What the text of a tensor_buffer says: where rows, planes and batches begin.
Status SetStrides(const mil::Output& symbol, SymbolLayout* layout) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  const mil::Type& type = symbol.type;
  for (const std::int64_t factor : type.interleave) {
    if (factor == 1) continue;
    return InvalidArgument(
        StrCat("\"", symbol.name, "\" is interleaved by ", factor, "; only 1 is known to work"));
  }
  const std::size_t rank = type.dims.size();
  if (type.strides.size() != rank || rank < 3) return OkStatus();
  for (const std::int64_t stride : type.strides) {
    if (stride < 0 || stride > kMost) return WrongStrides(symbol);
  }
  const std::int64_t size = SizeOf(layout->element);
  layout->row_stride = type.strides[rank - 2] * size;
  layout->plane_stride = type.strides[rank - 3] * size;
  if (layout->row_stride < layout->width * size ||
      layout->plane_stride / layout->height < layout->row_stride ||
      layout->plane_stride > kMost / layout->channels) {
    return WrongStrides(symbol);
  }
  for (std::size_t i = 1; i + 3 < rank; ++i) {
    const auto planes = CheckedMul(type.strides[i + 1], type.dims[i + 1]);
    if (planes != type.strides[i]) return WrongStrides(symbol);
  }
  if (rank == 3) return OkStatus();
  const std::int64_t batch = type.strides[0] * size;
  const std::int64_t planes = layout->plane_stride * (layout->channels / type.dims[0]);
  if (batch < planes || batch > kMost / type.dims[0]) return WrongStrides(symbol);
  if (batch == planes) return OkStatus();
  layout->batch_stride = batch;
  layout->batches = type.dims[0];
  return OkStatus();
}

Result<SymbolLayout> LayoutOf(const mil::Output& symbol, const Target& target) {
  const mil::Type& type = symbol.type;
  SymbolLayout layout;
  layout.name = symbol.name;
  const std::optional<ElementType> element = ElementOf(type.dtype);
  if (!element) {
    return InvalidArgument(StrCat("Unsupported function input or output dtype ",
                                  mil::DataTypeName(type.dtype), " of \"", symbol.name, "\""));
  }
  layout.element = *element;
  const std::size_t rank = type.dims.size();
  for (std::size_t i = 0; i < rank; ++i) {
    std::int64_t& extent = i + 1 == rank   ? layout.width
                           : i + 2 == rank ? layout.height
                                           : layout.channels;
    extent *= type.dims[i];
  }
  const std::int64_t bytes = layout.width * SizeOf(layout.element);
  layout.row_stride = target.os >= kPaddedRowsFrom ? RoundUp(bytes, kRowAlignment) : bytes;
  layout.plane_stride = layout.row_stride * layout.height;
  if (type.is_buffer) ATTUNE_RETURN_IF_ERROR(SetStrides(symbol, &layout));
  return layout;
}

Status Sort(const std::vector<mil::Output>& symbols, std::string_view suffix, const Target& target,
            std::vector<SymbolLayout>* layouts, std::vector<std::size_t>* order) {
  order->resize(symbols.size());
  std::iota(order->begin(), order->end(), std::size_t{0});
  std::sort(order->begin(), order->end(), [&](std::size_t a, std::size_t b) {
    return StrCat(symbols[a].name, suffix) < StrCat(symbols[b].name, suffix);
  });
  for (const std::size_t i : *order) {
    ATTUNE_ASSIGN_OR_RETURN(SymbolLayout layout, LayoutOf(symbols[i], target));
    layouts->push_back(std::move(layout));
  }
  return OkStatus();
}

// Byte of a row of the surface.
std::int64_t ByteOf(const SymbolLayout& layout, std::int64_t row) {
  const std::int64_t plane = row / layout.height;
  const std::int64_t in_row = row % layout.height * layout.row_stride;
  if (layout.batches == 1) return plane * layout.plane_stride + in_row;
  const std::int64_t planes = layout.channels / layout.batches;
  return plane / planes * layout.batch_stride + plane % planes * layout.plane_stride + in_row;
}

template <typename T>
void ReadIntegers(const std::byte* from, float* to, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    T value;
    std::memcpy(&value, from + i * static_cast<std::int64_t>(sizeof value), sizeof value);
    to[i] = static_cast<float>(value);
  }
}

// What the type does not hold becomes the nearest that it does.
template <typename T>
void WriteIntegers(const float* from, std::byte* to, std::int64_t n) {
  using Limits = std::numeric_limits<T>;
  for (std::int64_t i = 0; i < n; ++i) {
    const double x = std::isnan(from[i]) ? 0 : static_cast<double>(from[i]);
    const auto value = static_cast<T>(
        std::clamp(x, static_cast<double>(Limits::min()), static_cast<double>(Limits::max())));
    std::memcpy(to + i * static_cast<std::int64_t>(sizeof value), &value, sizeof value);
  }
}

void ReadRow(ElementType element, const std::byte* from, float* to, std::int64_t n) {
  switch (element) {
    case ElementType::kF16:
      return WidenHalves(from, to, n);
    case ElementType::kF32:
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case ElementType::kI8:
      return ReadIntegers<std::int8_t>(from, to, n);
    case ElementType::kU8:
      return ReadIntegers<std::uint8_t>(from, to, n);
    case ElementType::kI32:
      return ReadIntegers<std::int32_t>(from, to, n);
  }
}

void WriteRow(ElementType element, const float* from, std::byte* to, std::int64_t n) {
  switch (element) {
    case ElementType::kF16:
      return NarrowToHalves(from, to, n);
    case ElementType::kF32:
      std::memcpy(to, from, static_cast<std::size_t>(n) * sizeof(float));
      return;
    case ElementType::kI8:
      return WriteIntegers<std::int8_t>(from, to, n);
    case ElementType::kU8:
      return WriteIntegers<std::uint8_t>(from, to, n);
    case ElementType::kI32:
      return WriteIntegers<std::int32_t>(from, to, n);
  }
}

}  // namespace

Result<SurfaceOrder> OrderOf(const std::vector<mil::Output>& parameters,
                             const std::vector<mil::Output>& results, const Target& target) {
  SurfaceOrder order;
  ATTUNE_RETURN_IF_ERROR(Sort(parameters, "", target, &order.symbols.inputs, &order.inputs));
  ATTUNE_RETURN_IF_ERROR(Sort(results, "@output", target, &order.symbols.outputs, &order.outputs));
  return order;
}

void ReadSurface(const SymbolLayout& layout, std::span<const std::byte> surface,
                 std::span<float> values, const WorkRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    ReadRow(layout.element, surface.data() + ByteOf(layout, row),
            values.data() + row * layout.width, layout.width);
  }
}

void WriteSurface(const SymbolLayout& layout, std::span<const float> values,
                  std::span<std::byte> surface, const WorkRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    WriteRow(layout.element, values.data() + row * layout.width,
             surface.data() + ByteOf(layout, row), layout.width);
  }
}

}  // namespace attune::ane
