#include "ane/simulator/kernels/product.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ane/simulator/kernels/targets.h"
#include "base/checked_math.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ane/simulator/kernels/product.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "ane/simulator/kernels/half-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::ane::HWY_NAMESPACE {
namespace {

// 32 vector registers hold 8 rows of two vectors and what the flush needs; 16 hold 4.
constexpr int kRows = kLanes >= 16 ? 8 : 4;
constexpr int kVectors = 2;
constexpr std::int64_t kColumns = kVectors * kLanes;

// How one product joins a sum.
struct Plain {
  explicit Plain(const MacRules&) {}
  HWY_INLINE V operator()(V a, V b, V sum) const { return hn::MulAdd(a, b, sum); }
};

struct Flush {
  V smallest;
  explicit Flush(const MacRules& rules) : smallest(Splat(rules.smallest_product)) {}
  HWY_INLINE V operator()(V a, V b, V sum) const {
    const V p = hn::Mul(a, b);
    return hn::IfThenElse(hn::Ge(hn::Abs(p), smallest), hn::Add(sum, p), sum);
  }
};

struct RoundProduct {
  V smallest;
  explicit RoundProduct(const MacRules& rules) : smallest(Splat(rules.smallest_product)) {}
  HWY_INLINE V operator()(V a, V b, V sum) const {
    const V p = Half(hn::Mul(a, b));
    return hn::IfThenElse(hn::Ge(hn::Abs(p), smallest), hn::Add(sum, p), sum);
  }
};

// A sum that has reached the saturation stays there.
HWY_INLINE V Stuck(V sum, V next, V saturation) {
  const V infinity = Splat(std::numeric_limits<float>::infinity());
  const V limited =
      hn::IfThenElse(hn::Ge(hn::Abs(next), saturation), hn::CopySign(infinity, next), next);
  return hn::IfThenElse(hn::Eq(hn::Abs(sum), infinity), sum, limited);
}

template <typename Mac>
struct Checked {
  Mac mac;
  V saturation;
  explicit Checked(const MacRules& rules) : mac(rules), saturation(Splat(rules.saturation)) {}
  HWY_INLINE V operator()(V a, V b, V sum) const { return Stuck(sum, mac(a, b, sum), saturation); }
};

template <typename Mac>
HWY_INLINE void Accumulate(const float* HWY_RESTRICT a, const float* HWY_RESTRICT b, std::int64_t k,
                           const Mac& mac, float* HWY_RESTRICT tile) {
  V sums[kRows][kVectors];
  ATTUNE_ANE_UNROLL
  for (int i = 0; i < kRows; ++i) {
    ATTUNE_ANE_UNROLL
    for (int j = 0; j < kVectors; ++j) sums[i][j] = hn::Zero(D());
  }
  for (std::int64_t p = 0; p < k; ++p, a += kRows, b += kColumns) {
    const V b0 = hn::Load(D(), b);
    const V b1 = hn::Load(D(), b + kLanes);
    ATTUNE_ANE_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const V ai = Splat(a[i]);
      sums[i][0] = mac(ai, b0, sums[i][0]);
      sums[i][1] = mac(ai, b1, sums[i][1]);
    }
  }
  ATTUNE_ANE_UNROLL
  for (int i = 0; i < kRows; ++i) {
    ATTUNE_ANE_UNROLL
    for (int j = 0; j < kVectors; ++j) {
      hn::Store(sums[i][j], D(), tile + i * kColumns + j * kLanes);
    }
  }
}

// Four products at a time are summed in fp16, pair by pair, before they join the sum.
HWY_NOINLINE void AccumulateInTiles(const float* a, const float* b, std::int64_t k,
                                    const MacRules& rules, float* tile) {
  const V smallest = Splat(rules.smallest_product);
  const V saturation = Splat(rules.saturation);
  const auto added = [&](V x, V y) { return Stuck(x, Half(hn::Add(x, y)), saturation); };
  for (int i = 0; i < kRows; ++i) {
    for (std::int64_t j = 0; j < kColumns; j += kLanes) {
      V sum = hn::Zero(D());
      for (std::int64_t p = 0; p < k; p += 4) {
        V products[4];
        for (std::int64_t q = 0; q < 4; ++q) {
          products[q] = hn::Zero(D());
          if (p + q >= k) continue;
          const std::int64_t at = p + q;
          const V x = Half(hn::Mul(Splat(a[at * kRows + i]), hn::Load(D(), b + at * kColumns + j)));
          products[q] = Stuck(products[q], Or0(hn::Ge(hn::Abs(x), smallest), x), saturation);
        }
        const V four = added(added(products[0], products[1]), added(products[2], products[3]));
        sum = Stuck(sum, hn::Add(sum, four), saturation);
      }
      hn::Store(sum, D(), tile + i * kColumns + j);
    }
  }
}

template <typename Mac>
HWY_NOINLINE void AccumulateWith(const float* a, const float* b, std::int64_t k,
                                 const MacRules& rules, float* tile) {
  Accumulate(a, b, k, Mac(rules), tile);
}

// `bounded`: no partial sum can reach the saturation.
void AccumulateBy(const float* a, const float* b, std::int64_t k, const MacRules& rules,
                  bool bounded, float* tile) {
  if (!rules.half) return AccumulateWith<Plain>(a, b, k, rules, tile);
  if (rules.round_tiles) return AccumulateInTiles(a, b, k, rules, tile);
  if (rules.round_products) return AccumulateWith<Checked<RoundProduct>>(a, b, k, rules, tile);
  if (rules.smallest_product > 0) {
    return bounded ? AccumulateWith<Flush>(a, b, k, rules, tile)
                   : AccumulateWith<Checked<Flush>>(a, b, k, rules, tile);
  }
  return bounded ? AccumulateWith<Plain>(a, b, k, rules, tile)
                 : AccumulateWith<Checked<Plain>>(a, b, k, rules, tile);
}

HWY_INLINE V Finish(V sum, const MacRules& rules) {
  if (!rules.half) return sum;
  const V r = Kept<true, true>(sum);
  const V limit = hn::CopySign(Splat(rules.saturated), r);
  return hn::Add(hn::IfThenElse(hn::Ge(hn::Abs(r), Splat(rules.saturation)), limit, r),
                 hn::Zero(D()));
}

void MultiplyTilesImpl(const ProductArgs& args, std::int64_t begin, std::int64_t end) {
  const std::int64_t left_panels = CeilDiv(args.m, kRows);
  const float* left_bounds = args.left + left_panels * kRows * args.k;
  const float* right_bounds = args.right + CeilDiv(args.n, kColumns) * kColumns * args.k;
  HWY_ALIGN float tile[kRows * kColumns];
  for (std::int64_t t = begin; t < end; ++t) {
    const std::int64_t left = t % left_panels;
    const std::int64_t right = t / left_panels;
    // A hundredth for the rounding of the sums.
    const bool bounded = left_bounds[left] * right_bounds[right] < 0.99f * args.rules.saturation;
    AccumulateBy(args.left + left * kRows * args.k, args.right + right * kColumns * args.k, args.k,
                 args.rules, bounded, tile);
    const std::int64_t rows = std::min<std::int64_t>(kRows, args.m - left * kRows);
    const std::int64_t columns = std::min(kColumns, args.n - right * kColumns);
    for (std::int64_t i = 0; i < rows; ++i) {
      float* c = args.c + (left * kRows + i) * args.c_stride + right * kColumns;
      for (std::int64_t j = 0; j < columns; j += kLanes) {
        const V v = Finish(hn::Load(D(), tile + i * kColumns + j), args.rules);
        if (j + kLanes <= columns) {
          Write(v, c + j);
        } else {
          WritePart(v, c + j, columns - j);
        }
      }
    }
  }
}

// One panel of `kWidth` rows: source (i, p) with i inside the panel.
template <std::int64_t kWidth>
void PackPanel(const float* source, std::int64_t i_stride, std::int64_t p_stride,
               std::int64_t width, std::int64_t k, float* packed) {
  if (i_stride == 1 && width == kWidth) {
    for (std::int64_t p = 0; p < k; ++p) {
      std::memcpy(packed + p * kWidth, source + p * p_stride, kWidth * sizeof(float));
    }
    return;
  }
  for (std::int64_t p = 0; p < k; ++p) {
    for (std::int64_t i = 0; i < kWidth; ++i) {
      packed[p * kWidth + i] = i < width ? source[i * i_stride + p * p_stride] : 0.0f;
    }
  }
}

void PackLeftImpl(const Strided& a, std::int64_t m, std::int64_t k, std::int64_t begin,
                  std::int64_t end, float* packed) {
  float* bounds = packed + CeilDiv(m, kRows) * kRows * k;
  for (std::int64_t panel = begin; panel < end; ++panel) {
    float* out = packed + panel * kRows * k;
    PackPanel<kRows>(a.data + panel * kRows * a.row_stride, a.row_stride, a.column_stride,
                     std::min<std::int64_t>(kRows, m - panel * kRows), k, out);
    float sums[kRows] = {};
    for (std::int64_t p = 0; p < k; ++p) {
      for (int i = 0; i < kRows; ++i) sums[i] += std::abs(out[p * kRows + i]);
    }
    bounds[panel] = *std::max_element(sums, sums + kRows);
  }
}

void PackRightImpl(const Strided& b, std::int64_t n, std::int64_t k, std::int64_t begin,
                   std::int64_t end, float* packed) {
  float* bounds = packed + CeilDiv(n, kColumns) * kColumns * k;
  for (std::int64_t panel = begin; panel < end; ++panel) {
    float* out = packed + panel * kColumns * k;
    PackPanel<kColumns>(b.data + panel * kColumns * b.column_stride, b.column_stride, b.row_stride,
                        std::min(kColumns, n - panel * kColumns), k, out);
    V largest = hn::Zero(D());
    for (std::int64_t i = 0; i < kColumns * k; i += kLanes) {
      largest = hn::Max(largest, hn::Abs(Read(out + i)));
    }
    bounds[panel] = hn::GetLane(hn::MaxOfLanes(D(), largest));
  }
}

std::int64_t RowsImpl() { return kRows; }
std::int64_t ColumnsImpl() { return kColumns; }

}  // namespace
}  // namespace attune::ane::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::ane {

HWY_EXPORT(MultiplyTilesImpl);
HWY_EXPORT(PackLeftImpl);
HWY_EXPORT(PackRightImpl);
HWY_EXPORT(RowsImpl);
HWY_EXPORT(ColumnsImpl);

namespace {
constexpr std::int64_t kAligned = 16;  // Elements of a cache line.
std::int64_t Rows() { return HWY_DYNAMIC_DISPATCH(RowsImpl)(); }
std::int64_t Columns() { return HWY_DYNAMIC_DISPATCH(ColumnsImpl)(); }
}  // namespace

std::int64_t LeftPanels(std::int64_t m) { return CeilDiv(m, Rows()); }
std::int64_t RightPanels(std::int64_t n) { return CeilDiv(n, Columns()); }
std::int64_t PackedLeft(std::int64_t m, std::int64_t k) {
  return RoundUp(LeftPanels(m) * (Rows() * k + 1), kAligned);
}
std::int64_t PackedRight(std::int64_t n, std::int64_t k) {
  return RoundUp(RightPanels(n) * (Columns() * k + 1), kAligned);
}

void PackLeft(const Strided& a, std::int64_t m, std::int64_t k, std::int64_t begin,
              std::int64_t end, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackLeftImpl)(a, m, k, begin, end, packed);
}
void PackRight(const Strided& b, std::int64_t n, std::int64_t k, std::int64_t begin,
               std::int64_t end, float* packed) {
  HWY_DYNAMIC_DISPATCH(PackRightImpl)(b, n, k, begin, end, packed);
}
void MultiplyTiles(const ProductArgs& args, std::int64_t begin, std::int64_t end) {
  HWY_DYNAMIC_DISPATCH(MultiplyTilesImpl)(args, begin, end);
}

}  // namespace attune::ane
#endif  // HWY_ONCE
