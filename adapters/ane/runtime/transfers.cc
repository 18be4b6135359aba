#include "ane/runtime/transfers.h"

#include <cmath>
#include <cstring>

#include "base/checked_math.h"
#include "base/half.h"
#include "base/strings.h"
#include "cpu/kernels/convert.h"

namespace attune::ane {
namespace {

// Below, waking other threads takes longer than the conversion.
constexpr std::int64_t kParallelElements = std::int64_t{1} << 16;

DType DTypeOf(ElementType element) {
  return element == ElementType::kF16 ? DType::kF16 : DType::kF32;
}

void Transpose(const cpu::ConvertArgs& args, Parallel& parallel) {
  if (args.rows * args.columns < kParallelElements) {
    return cpu::TransposeConvert(args, cpu::Worker{});
  }
  const int count = parallel.workers();
  parallel.Run([&](int index) {
    cpu::TransposeConvert(args, cpu::Worker{index, count, {}, &parallel});
  });
}

}  // namespace

PlaneLayout DefaultLayout(const SurfaceSpec& spec, ElementType element) {
  return {element, spec.channels, spec.width, RoundUp(spec.width * SizeOf(element), kRowAlignment)};
}

Result<PlaneLayout> LayoutOf(const SymbolLayout& symbol, const SurfaceSpec& spec) {
  if (symbol.channels != spec.channels || symbol.width != spec.width || symbol.height != 1) {
    return Internal(StrCat(symbol.name, ": the program has [1, ", symbol.channels, ", ",
                           symbol.height, ", ", symbol.width, "], the plan [1, ", spec.channels,
                           ", 1, ", spec.width, "]"));
  }
  if (symbol.plane_stride < spec.width * SizeOf(symbol.element)) {
    return Internal(StrCat(symbol.name, ": planes of ", symbol.plane_stride, " bytes hold no ",
                           spec.width, " elements"));
  }
  return PlaneLayout{symbol.element, symbol.channels, symbol.width, symbol.plane_stride};
}

Result<MatrixExtent> ExtentIn(const Shape& shape, const SurfaceSpec& spec) {
  MatrixExtent extent{shape.rows(), shape.back()};
  if (shape.rank() <= 1 && spec.channels == 1) extent = {shape.elements(), 1};
  if (extent.rows > spec.width || extent.columns > spec.channels) {
    return Internal(StrCat(spec.name, ": ", shape.ToString(), " does not fit [1, ", spec.channels,
                           ", 1, ", spec.width, "]"));
  }
  return extent;
}

void UploadMatrix(const float* source, MatrixExtent extent, const PlaneLayout& layout,
                  std::byte* surface, Parallel& parallel) {
  const std::int64_t size = SizeOf(layout.element);
  cpu::ConvertArgs args;
  args.source = source;
  args.target = surface;
  args.target_dtype = DTypeOf(layout.element);
  args.rows = extent.rows;
  args.columns = extent.columns;
  args.source_stride = extent.columns;
  args.target_stride = layout.plane_stride / size;
  Transpose(args, parallel);
  // Slots are shared: whatever was there before shows in the padding otherwise.
  const std::int64_t used = extent.rows * size;
  for (std::int64_t c = 0; used < layout.plane_stride && c < extent.columns; ++c) {
    std::memset(surface + c * layout.plane_stride + used, 0,
                static_cast<std::size_t>(layout.plane_stride - used));
  }
  std::memset(surface + extent.columns * layout.plane_stride, 0,
              static_cast<std::size_t>((layout.channels - extent.columns) * layout.plane_stride));
}

void DownloadMatrix(const std::byte* surface, const PlaneLayout& layout, MatrixExtent extent,
                    float* target, Parallel& parallel) {
  cpu::ConvertArgs args;
  args.source = surface;
  args.source_dtype = DTypeOf(layout.element);
  args.target = target;
  args.rows = extent.columns;
  args.columns = extent.rows;
  args.source_stride = layout.plane_stride / SizeOf(layout.element);
  args.target_stride = extent.columns;
  Transpose(args, parallel);
}

bool IsFinite(const std::byte* surface, const PlaneLayout& layout) {
  for (std::int64_t c = 0; c < layout.channels; ++c) {
    const std::byte* plane = surface + c * layout.plane_stride;
    bool finite = true;
    if (layout.element == ElementType::kF16) {
      const auto* half = reinterpret_cast<const std::uint16_t*>(plane);
      for (std::int64_t w = 0; w < layout.width; ++w) finite &= (half[w] & 0x7C00u) != 0x7C00u;
    } else {
      const auto* full = reinterpret_cast<const float*>(plane);
      for (std::int64_t w = 0; w < layout.width; ++w) finite &= std::isfinite(full[w]);
    }
    if (!finite) return false;
  }
  return true;
}

float ReadElement(const std::byte* surface, const PlaneLayout& layout, std::int64_t channel,
                  std::int64_t column) {
  const std::byte* at = surface + channel * layout.plane_stride + column * SizeOf(layout.element);
  if (layout.element == ElementType::kF32) return *reinterpret_cast<const float*>(at);
  return F32FromF16(*reinterpret_cast<const std::uint16_t*>(at));
}

void WriteElement(float value, const PlaneLayout& layout, std::int64_t channel, std::int64_t column,
                  std::byte* surface) {
  std::byte* at = surface + channel * layout.plane_stride + column * SizeOf(layout.element);
  if (layout.element == ElementType::kF32) {
    *reinterpret_cast<float*>(at) = value;
  } else {
    *reinterpret_cast<std::uint16_t*>(at) = F16FromF32(value);
  }
}

Result<LockedSurface> LockedSurface::Lock(Surface* surface, bool read_only) {
  ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> bytes, surface->Lock(read_only));
  return LockedSurface(surface, bytes.data());
}

}  // namespace attune::ane
