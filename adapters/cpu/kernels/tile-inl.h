// Small matrix products on tiles that stay in the caches: the inner loops of
// attention and of the LoRA products.

#if defined(ATTUNE_CPU_KERNELS_TILE_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTUNE_CPU_KERNELS_TILE_INL_H
#undef ATTUNE_CPU_KERNELS_TILE_INL_H
#else
#define ATTUNE_CPU_KERNELS_TILE_INL_H
#endif

#include "cpu/kernels/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {

// The register block: 24 accumulators, 4 vectors of B and a broadcast of A fit
// the 32 registers of AVX-512 and NEON; AVX2 has 16.
#if HWY_TARGET == HWY_AVX2
inline constexpr int kTileVectors = 2;
#else
inline constexpr int kTileVectors = 4;
#endif
inline constexpr int kTileRows = 6;

struct TileArgs {
  const float* a = nullptr;
  std::int64_t lda = 0;
  const float* b = nullptr;
  std::int64_t ldb = 0;
  float* c = nullptr;
  std::int64_t ldc = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;  // a multiple of kLanes
  std::int64_t depth = 0;
};

// How A is stored: [rows, depth] or [depth, rows].
enum class TileA { kRows, kTransposed };
// c = a b or c += a b.
enum class TileC { kReplace, kAdd };

template <TileA kA, TileC kC, int kRows, int kVectors>
HWY_INLINE void TileBlock(const TileArgs& t, std::int64_t row, std::int64_t column) {
  const float* HWY_RESTRICT a = t.a + (kA == TileA::kRows ? row * t.lda : row);
  const float* HWY_RESTRICT b = t.b + column;
  float* HWY_RESTRICT c = t.c + row * t.ldc + column;
  V sums[kRows][kVectors];
  ATTUNE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ATTUNE_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      sums[r][v] = kC == TileC::kAdd ? Load(c + r * t.ldc + v * kLanes) : Zero();
    }
  }
  for (std::int64_t k = 0; k < t.depth; ++k) {
    V bs[kVectors];
    ATTUNE_UNROLL
    for (int v = 0; v < kVectors; ++v) bs[v] = Load(b + k * t.ldb + v * kLanes);
    ATTUNE_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V ar = Set(kA == TileA::kRows ? a[r * t.lda + k] : a[k * t.lda + r]);
      ATTUNE_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(ar, bs[v], sums[r][v]);
    }
  }
  ATTUNE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ATTUNE_UNROLL
    for (int v = 0; v < kVectors; ++v) Store(sums[r][v], c + r * t.ldc + v * kLanes);
  }
}

// All rows of kVectors vectors of columns.
template <TileA kA, TileC kC, int kVectors>
HWY_NOINLINE void TileColumns(const TileArgs& t, std::int64_t column) {
  std::int64_t row = 0;
  for (; row + kTileRows <= t.rows; row += kTileRows) {
    TileBlock<kA, kC, kTileRows, kVectors>(t, row, column);
  }
  switch (t.rows - row) {
    case 5:
      return TileBlock<kA, kC, 5, kVectors>(t, row, column);
    case 4:
      return TileBlock<kA, kC, 4, kVectors>(t, row, column);
    case 3:
      return TileBlock<kA, kC, 3, kVectors>(t, row, column);
    case 2:
      return TileBlock<kA, kC, 2, kVectors>(t, row, column);
    case 1:
      return TileBlock<kA, kC, 1, kVectors>(t, row, column);
    default:
      return;
  }
}

// c[rows, columns] (+)= a b.
template <TileA kA, TileC kC>
HWY_INLINE void Tile(const TileArgs& t) {
  std::int64_t column = 0;
  for (; column + kTileVectors * kLanes <= t.columns; column += kTileVectors * kLanes) {
    TileColumns<kA, kC, kTileVectors>(t, column);
  }
  switch ((t.columns - column) / kLanes) {
    case 3:
      return TileColumns<kA, kC, 3>(t, column);
    case 2:
      return TileColumns<kA, kC, 2>(t, column);
    case 1:
      return TileColumns<kA, kC, 1>(t, column);
    default:
      return;
  }
}

// target[rows, padded] = factor * source[rows, columns], zeros to the right.
HWY_INLINE void PackRows(const float* source, std::int64_t stride, std::int64_t rows,
                         std::int64_t columns, std::int64_t padded, float factor, float* target) {
  const V scale = Set(factor);
  for (std::int64_t row = 0; row < rows; ++row) {
    const float* x = source + row * stride;
    float* y = target + row * padded;
    std::int64_t c = 0;
    for (; c + kLanes <= columns; c += kLanes) Store(hn::Mul(scale, Load(x + c)), y + c);
    if (c < columns) Store(hn::Mul(scale, LoadN(x + c, columns - c)), y + c);
  }
}

// target[columns, target_stride] = transpose of source[rows, columns].
HWY_INLINE void PackTransposed(const float* source, std::int64_t stride, std::int64_t rows,
                               std::int64_t columns, std::int64_t target_stride, float* target) {
  std::int64_t row = 0;
#if HWY_TARGET != HWY_SCALAR
  const hn::CappedTag<float, 4> d4;
  const std::int64_t columns4 = columns / 4 * 4;
  for (; row + 4 <= rows; row += 4) {
    const float* x = source + row * stride;
    for (std::int64_t c = 0; c < columns4; c += 4) {
      const auto r0 = hn::LoadU(d4, x + c);
      const auto r1 = hn::LoadU(d4, x + stride + c);
      const auto r2 = hn::LoadU(d4, x + 2 * stride + c);
      const auto r3 = hn::LoadU(d4, x + 3 * stride + c);
      const auto even0 = hn::InterleaveLower(d4, r0, r2);
      const auto even1 = hn::InterleaveLower(d4, r1, r3);
      const auto odd0 = hn::InterleaveUpper(d4, r0, r2);
      const auto odd1 = hn::InterleaveUpper(d4, r1, r3);
      float* y = target + c * target_stride + row;
      hn::StoreU(hn::InterleaveLower(d4, even0, even1), d4, y);
      hn::StoreU(hn::InterleaveUpper(d4, even0, even1), d4, y + target_stride);
      hn::StoreU(hn::InterleaveLower(d4, odd0, odd1), d4, y + 2 * target_stride);
      hn::StoreU(hn::InterleaveUpper(d4, odd0, odd1), d4, y + 3 * target_stride);
    }
    for (std::int64_t c = columns4; c < columns; ++c) {
      for (std::int64_t r = 0; r < 4; ++r) {
        target[c * target_stride + row + r] = x[r * stride + c];
      }
    }
  }
#endif
  for (; row < rows; ++row) {
    for (std::int64_t c = 0; c < columns; ++c) {
      target[c * target_stride + row] = source[row * stride + c];
    }
  }
}

}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target guard
