#include "ane/runtime/step_surfaces.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/half.h"
#include "base/philox.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

struct KeyRange {
  std::int64_t lo = 0, hi = 0;
};

// The rows that row `query` sees, none for padding.
KeyRange VisibleKeys(const MakeMask& step, std::span<const std::int32_t> lo,
                     std::span<const std::int32_t> hi, std::int64_t query) {
  if (query >= step.rows) return {};
  const std::int64_t length = step.rows / step.batch;
  const std::int64_t first = query / length * length;
  switch (step.mask) {
    case AttentionMask::kCausal:
      return {first, query + 1};
    case AttentionMask::kFull:
      return {first, first + length};
    case AttentionMask::kBounded:
      break;
  }
  const auto at = static_cast<std::size_t>(query);
  return {first + std::clamp<std::int64_t>(lo[at], 0, length),
          first + std::clamp<std::int64_t>(hi[at], 0, length)};
}

template <typename T>
void FillMaskAs(const MakeMask& step, std::span<const std::int32_t> lo,
                std::span<const std::int32_t> hi, const PlaneLayout& layout, T masked,
                std::byte* surface) {
  for (std::int64_t query = 0; query < layout.channels; ++query) {
    auto* plane = reinterpret_cast<T*>(surface + query * layout.plane_stride);
    std::fill_n(plane, layout.width, masked);
    const KeyRange keys = VisibleKeys(step, lo, hi, query);
    if (keys.lo < keys.hi) std::fill(plane + keys.lo, plane + keys.hi, T{});
  }
}

}  // namespace

void FillMask(const MakeMask& step, std::span<const std::int32_t> lo,
              std::span<const std::int32_t> hi, const PlaneLayout& layout, std::byte* surface) {
  if (layout.element == ElementType::kF16) {
    FillMaskAs<std::uint16_t>(step, lo, hi, layout, F16FromF32(kMasked), surface);
  } else {
    FillMaskAs<float>(step, lo, hi, layout, kMasked, surface);
  }
}

void FillRotation(const MakeRotation& step, std::span<const std::int32_t> positions,
                  std::span<const float> table, const PlaneLayout& layout, std::byte* cosine,
                  std::byte* sine) {
  const std::int64_t half = step.head_dim / 2;
  std::memset(cosine, 0, static_cast<std::size_t>(layout.bytes()));
  std::memset(sine, 0, static_cast<std::size_t>(layout.bytes()));
  for (std::int64_t d = 0; d < step.head_dim; ++d) {
    const std::int64_t pair = step.layout == RopeLayout::kRotateHalf ? d % half : d / 2;
    for (std::size_t row = 0; row < positions.size(); ++row) {
      const auto at = static_cast<std::size_t>(positions[row] * step.head_dim + pair);
      const auto column = static_cast<std::int64_t>(row);
      WriteElement(table[at], layout, d, column, cosine);
      WriteElement(table[at + static_cast<std::size_t>(half)], layout, d, column, sine);
    }
  }
}

// The draws of the host's kernel: four elements a counter, row-major.
void FillDropout(const MakeDropoutMask& step, std::span<const std::int32_t> seed,
                 const PlaneLayout& layout, std::byte* surface) {
  const float p = step.attrs.probability;
  const auto threshold = static_cast<std::uint32_t>(static_cast<double>(p) * 0x1p32);
  const float kept = 1.0f / (1.0f - p);
  const std::array key = {static_cast<std::uint32_t>(seed[0]), static_cast<std::uint32_t>(seed[1])};
  std::memset(surface, 0, static_cast<std::size_t>(layout.bytes()));
  const std::int64_t elements = step.rows * step.columns;
  for (std::int64_t i = 0; i < elements; i += 4) {
    const auto draws = Philox4x32({static_cast<std::uint32_t>(i / 4), step.attrs.salt, 0, 0}, key);
    for (std::int64_t lane = 0; lane < 4 && i + lane < elements; ++lane) {
      if (draws[static_cast<std::size_t>(lane)] < threshold) continue;
      WriteElement(kept, layout, (i + lane) % step.columns, (i + lane) / step.columns, surface);
    }
  }
}

Status CheckIndices(std::string_view name, std::span<const std::int32_t> indices,
                    std::int64_t limit) {
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] >= 0 && indices[i] < limit) continue;
    return InvalidArgument(
        StrCat(name, "[", i, "] is ", indices[i], ", must be in [0, ", limit, ")"));
  }
  return OkStatus();
}

}  // namespace attune::ane
