#include "ane/simulator/layout.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>

#include "ane/simulator/builder.h"
#include "ane/simulator/kernels/convert.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Rows are packed before macOS 26.
constexpr int kPaddedRowsFrom = 26;

Result<SymbolLayout> LayoutOf(const mil::Output& symbol, const Target& target) {
  const mil::Type& type = symbol.type;
  SymbolLayout layout;
  layout.name = symbol.name;
  if (type.dtype == mil::DataType::kFp16) {
    layout.element = ElementType::kF16;
  } else if (type.dtype == mil::DataType::kFp32) {
    layout.element = ElementType::kF32;
  } else {
    return InvalidArgument(StrCat("Unsupported function input or output dtype ",
                                  mil::DataTypeName(type.dtype), " of \"", symbol.name, "\""));
  }
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
  if (!type.is_buffer || type.strides.size() != rank || rank < 3) return layout;
  // The text says where rows and planes begin.
  layout.row_stride = type.strides[rank - 2] * SizeOf(layout.element);
  layout.plane_stride = type.strides[rank - 3] * SizeOf(layout.element);
  if (layout.row_stride < bytes || layout.plane_stride < layout.row_stride * layout.height ||
      layout.plane_stride > (std::int64_t{1} << 40) / layout.channels) {
    return InvalidArgument(StrCat("strides of \"", symbol.name, "\": rows of ", layout.row_stride,
                                  " and planes of ", layout.plane_stride, " bytes for ",
                                  mil::ToString(type)));
  }
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
  return row / layout.height * layout.plane_stride + row % layout.height * layout.row_stride;
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
    const std::byte* from = surface.data() + ByteOf(layout, row);
    float* to = values.data() + row * layout.width;
    if (layout.element == ElementType::kF16) {
      WidenHalves(from, to, layout.width);
    } else {
      std::memcpy(to, from, static_cast<std::size_t>(layout.width) * sizeof(float));
    }
  }
}

void WriteSurface(const SymbolLayout& layout, std::span<const float> values,
                  std::span<std::byte> surface, const WorkRange& rows) {
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    const float* from = values.data() + row * layout.width;
    std::byte* to = surface.data() + ByteOf(layout, row);
    if (layout.element == ElementType::kF16) {
      NarrowToHalves(from, to, layout.width);
    } else {
      std::memcpy(to, from, static_cast<std::size_t>(layout.width) * sizeof(float));
    }
  }
}

}  // namespace attune::ane
