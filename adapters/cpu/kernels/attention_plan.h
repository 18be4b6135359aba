// What the attention kernels agree on, whatever the instruction set: tile
// sizes, which keys a row sees, and which worker takes which part.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/checked_math.h"
#include "cpu/kernels/attention.h"

namespace attune::cpu {

// Keys per tile: at head_dim 64 a packed tile of K and one of V take 32 KiB.
inline constexpr std::int64_t kKeyTile = 64;
// Query rows per tile of the backward pass.
inline constexpr std::int64_t kQueryTile = 64;
// Query rows that share one packing of K and V in the forward pass.
inline constexpr std::int64_t kQueryBlock = 256;
// At most this many queries: no packing, each row reads K and V in place.
inline constexpr std::int64_t kFewQueries = 4;
// Sizes are the same for every instruction set: lanes of the widest one.
inline constexpr std::int64_t kMaxLanes = 16;

struct KeyRange {
  std::int64_t lo = 0;
  std::int64_t hi = 0;
  bool empty() const { return lo >= hi; }
};

// The keys that row t of entry b sees.
inline KeyRange VisibleKeys(const AttentionShape& shape, const std::int32_t* lo,
                            const std::int32_t* hi, std::int64_t b, std::int64_t t) {
  switch (shape.mask) {
    case AttentionMask::kFull:
      return {0, shape.keys};
    case AttentionMask::kCausal:
      return {0, std::clamp<std::int64_t>(t + shape.keys - shape.queries + 1, 0, shape.keys)};
    case AttentionMask::kBounded:
      break;
  }
  const std::int64_t at = b * shape.queries + t;
  return {std::clamp<std::int64_t>(lo[at], 0, shape.keys),
          std::clamp<std::int64_t>(hi[at], 0, shape.keys)};
}

// The smallest range that holds those of `rows` rows.
inline KeyRange Hull(std::span<const KeyRange> rows) {
  KeyRange hull{INT64_MAX, 0};
  for (const KeyRange& row : rows) {
    if (row.empty()) continue;
    hull.lo = std::min(hull.lo, row.lo);
    hull.hi = std::max(hull.hi, row.hi);
  }
  return hull;
}

template <typename Matrix>
inline std::int64_t BatchStride(const Matrix& matrix, std::int64_t rows) {
  return matrix.batch_stride != 0 ? matrix.batch_stride : rows * matrix.row_stride;
}
// First element of head `head` of row `row` of entry `b`.
template <typename Matrix>
inline auto* HeadRow(const Matrix& matrix, std::int64_t rows, std::int64_t b, std::int64_t row,
                     std::int64_t head, std::int64_t head_dim) {
  return matrix.data + b * BatchStride(matrix, rows) + row * matrix.row_stride + head * head_dim;
}

// Hands out consecutive pieces of a worker's scratch, each 64-byte aligned.
class ScratchCursor {
 public:
  explicit ScratchCursor(std::span<std::byte> scratch) : at_(scratch.data()) {}

  template <typename T = float>
  T* Take(std::int64_t count) {
    auto* piece = reinterpret_cast<T*>(at_);
    at_ += RoundUp(count * static_cast<std::int64_t>(sizeof(T)), 64);
    return piece;
  }

 private:
  std::byte* at_;
};

}  // namespace attune::cpu
