#include "ane/runtime/transfers.h"

#include <algorithm>
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
// Tiles are turned in the L1 cache and converted along their planes, in vectors. The odd
// stride keeps columns off one cache set.
constexpr std::int64_t kTile = 64, kTileStride = kTile + 2;

DType DTypeOf(ElementType element) {
  return element == ElementType::kF16 ? DType::kF16 : DType::kF32;
}

// Calls visit(first row, rows, first column, columns) for tiles of all, shared by columns.
template <typename Visit>
void ForEachTile(MatrixExtent extent, Parallel& parallel, const Visit& visit) {
  const auto share = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; c += kTile) {
      for (std::int64_t r = 0; r < extent.rows; r += kTile) {
        visit(r, std::min(kTile, extent.rows - r), c, std::min(kTile, end - c));
      }
    }
  };
  if (extent.rows * extent.columns < kParallelElements) return share(0, extent.columns);
  parallel.Run([&](int worker) {
    const WorkRange range = RangeOf(worker, parallel.workers(), extent.columns, kTile);
    share(range.begin, range.end);
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
  if (symbol.element != ElementType::kF16 && symbol.element != ElementType::kF32) {
    return Internal(StrCat(symbol.name, ": the program has integers, the plan real numbers"));
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
  ForEachTile(extent, parallel,
              [&](std::int64_t r0, std::int64_t rows, std::int64_t c0, std::int64_t columns) {
                float tile[kTile * kTileStride];
                for (std::int64_t r = 0; r < rows; ++r) {
                  const float* row = source + (r0 + r) * extent.columns + c0;
                  for (std::int64_t c = 0; c < columns; ++c) tile[c * kTileStride + r] = row[c];
                }
                cpu::ConvertArgs args;
                args.source = tile;
                args.target = surface + c0 * layout.plane_stride + r0 * size;
                args.target_dtype = DTypeOf(layout.element);
                args.rows = columns;
                args.columns = rows;
                args.source_stride = kTileStride;
                args.target_stride = layout.plane_stride / size;
                cpu::Convert(args, cpu::Worker{});
              });
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
  const std::int64_t size = SizeOf(layout.element);
  ForEachTile(extent, parallel,
              [&](std::int64_t r0, std::int64_t rows, std::int64_t c0, std::int64_t columns) {
                float tile[kTile * kTileStride];
                cpu::ConvertArgs args;
                args.source = surface + c0 * layout.plane_stride + r0 * size;
                args.source_dtype = DTypeOf(layout.element);
                args.target = tile;
                args.rows = columns;
                args.columns = rows;
                args.source_stride = layout.plane_stride / size;
                args.target_stride = kTileStride;
                cpu::Convert(args, cpu::Worker{});
                for (std::int64_t r = 0; r < rows; ++r) {
                  float* row = target + (r0 + r) * extent.columns + c0;
                  for (std::int64_t c = 0; c < columns; ++c) row[c] = tile[c * kTileStride + r];
                }
              });
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
