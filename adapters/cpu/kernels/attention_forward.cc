#include <cmath>
#include <limits>

#include "cpu/kernels/attention.h"
#include "cpu/kernels/attention_plan.h"
#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/attention_forward.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/math-inl.h"
#include "cpu/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// A block of query rows of one head, and its running softmax.
struct ForwardBlock {
  std::int64_t b = 0;
  std::int64_t head = 0;
  std::int64_t row0 = 0;
  std::int64_t rows = 0;
};

struct ForwardScratch {
  float* q;         // [kQueryBlock, padded dim], times scale
  float* out;       // same shape, not yet divided by the sum
  float* k;         // [dim, kKeyTile]
  float* v;         // [kKeyTile, padded dim]
  float* p;         // [kTileRows, kKeyTile]
  float* maximum;   // [kQueryBlock]
  float* sums;      // [kQueryBlock, kLanes], per lane
  KeyRange* range;  // [kQueryBlock]
};

ForwardScratch LayOut(const AttentionShape& shape, const Worker& worker) {
  ScratchCursor cursor(worker.scratch);
  const std::int64_t dim = RoundUp(shape.head_dim, kMaxLanes);
  const std::int64_t rows = std::min(kQueryBlock, shape.queries);
  ForwardScratch s;
  s.q = cursor.Take(rows * dim);
  s.out = cursor.Take(rows * dim);
  s.k = cursor.Take(dim * kKeyTile);
  s.v = cursor.Take(dim * kKeyTile);
  s.p = cursor.Take(kTileRows * kKeyTile);
  s.maximum = cursor.Take(rows);
  s.sums = cursor.Take(rows * kMaxLanes);
  s.range = cursor.Take<KeyRange>(rows);
  return s;
}

// Sets to -infinity what the row does not see of the tile's first `columns`
// keys, the tile starting at key `key0`.
HWY_INLINE void MaskRow(float* p, const KeyRange& range, std::int64_t key0, std::int64_t columns) {
  if (range.lo <= key0 && range.hi >= key0 + columns) return;
  const V lo = Set(static_cast<float>(std::clamp<std::int64_t>(range.lo - key0, 0, kKeyTile)));
  const V hi = Set(static_cast<float>(std::clamp<std::int64_t>(range.hi - key0, 0, kKeyTile)));
  for (std::int64_t c = 0; c < columns; c += kLanes) {
    const V index = hn::Iota(D(), static_cast<float>(c));
    const auto seen = hn::And(hn::Ge(index, lo), hn::Lt(index, hi));
    Store(hn::IfThenElse(seen, Load(p + c), Set(kMinusInfinity)), p + c);
  }
}

// p = exp(p - maximum) and the row's state moved to the new maximum.
HWY_INLINE void SoftmaxRow(float* p, std::int64_t columns, float* maximum, float* sums, float* out,
                           std::int64_t dim) {
  V m = Load(p);
  for (std::int64_t c = kLanes; c < columns; c += kLanes) m = hn::Max(m, Load(p + c));
  const float before = *maximum;
  const float now = std::max(before, Max(m));
  V sum = Load(sums);
  if (now != before) {
    // The first visible tile arrives with -infinity: the factor is then 0.
    const V factor = ExpNonPositive(Set(before - now));
    sum = hn::Mul(sum, factor);
    for (std::int64_t c = 0; c < dim; c += kLanes) {
      Store(hn::Mul(Load(out + c), factor), out + c);
    }
    *maximum = now;
  }
  const V shift = Set(now == kMinusInfinity ? 0.0f : now);
  for (std::int64_t c = 0; c < columns; c += kLanes) {
    const V e = ExpNonPositive(hn::Sub(Load(p + c), shift));
    sum = hn::Add(sum, e);
    Store(e, p + c);
  }
  Store(sum, sums);
}

// Folds one tile of keys into `rows` rows: p = q k, softmax, out += p v.
HWY_INLINE void FoldTile(const ForwardScratch& s, std::int64_t row, std::int64_t rows,
                         std::int64_t key0, std::int64_t dim, std::int64_t padded) {
  const KeyRange hull = Hull({s.range + row, static_cast<std::size_t>(rows)});
  const std::int64_t visible = std::min(kKeyTile, hull.hi - key0);
  if (visible <= 0 || hull.lo >= key0 + kKeyTile) return;
  const std::int64_t columns = RoundUpToLanes(visible);
  Tile<TileA::kRows, TileC::kReplace>(
      {s.q + row * padded, padded, s.k, kKeyTile, s.p, kKeyTile, rows, columns, dim});
  for (std::int64_t r = 0; r < rows; ++r) {
    float* p = s.p + r * kKeyTile;
    MaskRow(p, s.range[row + r], key0, columns);
    SoftmaxRow(p, columns, s.maximum + row + r, s.sums + (row + r) * kLanes,
               s.out + (row + r) * padded, padded);
  }
  Tile<TileA::kRows, TileC::kAdd>(
      {s.p, kKeyTile, s.v, padded, s.out + row * padded, padded, rows, padded, visible});
}

// out / sum and lse of one row.
HWY_INLINE void FinishRow(const AttentionArgs& args, const ForwardBlock& block,
                          const ForwardScratch& s, std::int64_t r, std::int64_t padded) {
  const AttentionShape& shape = args.shape;
  const float sum = Sum(Load(s.sums + r * kLanes));
  const V factor = Set(sum > 0.0f || sum != sum ? 1.0f / sum : 0.0f);
  const std::int64_t t = block.row0 + r;
  float* out = HeadRow(args.out, shape.queries, block.b, t, block.head, shape.head_dim);
  for (std::int64_t c = 0; c < shape.head_dim; c += kLanes) {
    const V x = hn::Mul(Load(s.out + r * padded + c), factor);
    StoreN(x, out + c, std::min(kLanes, shape.head_dim - c));
  }
  if (args.lse == nullptr) return;
  const std::int64_t at = (block.b * shape.queries + t) * shape.query_heads + block.head;
  // A padding row sees no key. Its statistic is 0, not log(0): the search for
  // non-finite numbers must not stop there.
  args.lse[at] = sum == 0.0f ? 0.0f : s.maximum[r] + std::log(sum);
}

void StartBlock(const AttentionArgs& args, const ForwardBlock& block, const ForwardScratch& s,
                std::int64_t padded) {
  const AttentionShape& shape = args.shape;
  const float* q = HeadRow(args.q, shape.queries, block.b, block.row0, block.head, shape.head_dim);
  PackRows(q, args.q.row_stride, block.rows, shape.head_dim, padded, shape.scale, s.q);
  std::fill(s.out, s.out + block.rows * padded, 0.0f);
  std::fill(s.sums, s.sums + block.rows * kLanes, 0.0f);
  std::fill(s.maximum, s.maximum + block.rows, kMinusInfinity);
  for (std::int64_t r = 0; r < block.rows; ++r) {
    s.range[r] = VisibleKeys(shape, args.lo, args.hi, block.b, block.row0 + r);
  }
}

void ForwardOneBlock(const AttentionArgs& args, const ForwardBlock& block,
                     const ForwardScratch& s) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t padded = RoundUpToLanes(dim);
  const std::int64_t key_head = block.head / (shape.query_heads / shape.key_heads);
  StartBlock(args, block, s, padded);
  const KeyRange hull = Hull({s.range, static_cast<std::size_t>(block.rows)});
  for (std::int64_t key0 = hull.lo; key0 < hull.hi; key0 += kKeyTile) {
    const std::int64_t keys = std::min(kKeyTile, hull.hi - key0);
    const float* k = HeadRow(args.k, shape.keys, block.b, key0, key_head, dim);
    const float* v = HeadRow(args.v, shape.keys, block.b, key0, key_head, dim);
    PackTransposed(k, args.k.row_stride, keys, dim, kKeyTile, s.k);
    PackRows(v, args.v.row_stride, keys, dim, padded, 1.0f, s.v);
    for (std::int64_t row = 0; row < block.rows; row += kTileRows) {
      const std::int64_t rows = std::min<std::int64_t>(kTileRows, block.rows - row);
      FoldTile(s, row, rows, key0, dim, padded);
    }
  }
  for (std::int64_t r = 0; r < block.rows; ++r) FinishRow(args, block, s, r, padded);
}

// Scores of one query against `keys` keys where they lie, four at a time.
HWY_INLINE void ScoreInPlace(const float* q, const float* k, std::int64_t stride, std::int64_t keys,
                             std::int64_t dim, float* p) {
  for (std::int64_t key = 0; key < keys; key += 4) {
    // The last ones may repeat a key; their scores are overwritten or unused.
    const std::int64_t last = keys - 1;
    const float* k0 = k + key * stride;
    const float* k1 = k + std::min(key + 1, last) * stride;
    const float* k2 = k + std::min(key + 2, last) * stride;
    const float* k3 = k + std::min(key + 3, last) * stride;
    V s0 = Zero(), s1 = Zero(), s2 = Zero(), s3 = Zero();
    for (std::int64_t c = 0; c < dim; c += kLanes) {
      const std::int64_t n = std::min(kLanes, dim - c);
      const V x = Load(q + c);
      s0 = hn::MulAdd(x, LoadN(k0 + c, n), s0);
      s1 = hn::MulAdd(x, LoadN(k1 + c, n), s1);
      s2 = hn::MulAdd(x, LoadN(k2 + c, n), s2);
      s3 = hn::MulAdd(x, LoadN(k3 + c, n), s3);
    }
    p[key] = Sum(s0);
    p[key + 1] = Sum(s1);
    p[key + 2] = Sum(s2);
    p[key + 3] = Sum(s3);
  }
}

// The same for few queries: packing would cost more than it saves.
void ForwardFewQueries(const AttentionArgs& args, const ForwardBlock& block,
                       const ForwardScratch& s) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t padded = RoundUpToLanes(dim);
  const std::int64_t key_head = block.head / (shape.query_heads / shape.key_heads);
  StartBlock(args, block, s, padded);
  for (std::int64_t r = 0; r < block.rows; ++r) {
    const KeyRange& range = s.range[r];
    for (std::int64_t key0 = range.lo; key0 < range.hi; key0 += kKeyTile) {
      const std::int64_t keys = std::min(kKeyTile, range.hi - key0);
      const std::int64_t columns = RoundUpToLanes(keys);
      const float* k = HeadRow(args.k, shape.keys, block.b, key0, key_head, dim);
      const float* v = HeadRow(args.v, shape.keys, block.b, key0, key_head, dim);
      ScoreInPlace(s.q + r * padded, k, args.k.row_stride, keys, dim, s.p);
      std::fill(s.p + keys, s.p + columns, kMinusInfinity);
      SoftmaxRow(s.p, columns, s.maximum + r, s.sums + r * kLanes, s.out + r * padded, padded);
      std::int64_t stride = args.v.row_stride;
      if (padded != dim) {
        PackRows(v, stride, keys, dim, padded, 1.0f, s.v);
        v = s.v;
        stride = padded;
      }
      Tile<TileA::kRows, TileC::kAdd>(
          {s.p, kKeyTile, v, stride, s.out + r * padded, padded, 1, padded, keys});
    }
    FinishRow(args, block, s, r, padded);
  }
}

// Score entries of a block, the measure by which work is split.
std::int64_t CostOf(const AttentionArgs& args, std::int64_t b, std::int64_t row0,
                    std::int64_t rows) {
  std::int64_t cost = 1;
  for (std::int64_t t = row0; t < row0 + rows; ++t) {
    const KeyRange range = VisibleKeys(args.shape, args.lo, args.hi, b, t);
    cost += std::max<std::int64_t>(0, range.hi - range.lo);
  }
  return cost;
}

// Fewer rows a block when there would not be enough blocks to balance.
std::int64_t BlockRows(const AttentionShape& shape, int workers) {
  std::int64_t rows = std::min(kQueryBlock, shape.queries);
  if (workers == 1) return rows;
  const std::int64_t heads = shape.batch * shape.query_heads;
  while (rows > 64 && heads * CeilDiv(shape.queries, rows) < 4 * workers) rows = CeilDiv(rows, 2);
  return rows;
}

// Calls visit(block) for this worker's blocks: those whose middle, in the order
// of (entry, head, rows), falls into its share of the total cost.
template <typename Visit>
HWY_INLINE void ForOwnBlocks(const AttentionArgs& args, const Worker& worker, const Visit& visit) {
  const AttentionShape& shape = args.shape;
  const std::int64_t step = BlockRows(shape, worker.count);
  std::int64_t total = 0;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t row = 0; row < shape.queries; row += step) {
      total += shape.query_heads * CostOf(args, b, row, std::min(step, shape.queries - row));
    }
  }
  std::int64_t before = 0;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t head = 0; head < shape.query_heads; ++head) {
      for (std::int64_t row = 0; row < shape.queries; row += step) {
        const std::int64_t rows = std::min(step, shape.queries - row);
        const std::int64_t cost = CostOf(args, b, row, rows);
        const auto owner = static_cast<int>((2 * before + cost) * worker.count / (2 * total));
        if (owner == worker.index) visit({b, head, row, rows});
        before += cost;
      }
    }
  }
}

struct VisitForward {
  const AttentionArgs& args;
  ForwardScratch scratch;
  void operator()(const ForwardBlock& block) const {
    if (args.shape.queries <= kFewQueries) {
      ForwardFewQueries(args, block, scratch);
    } else {
      ForwardOneBlock(args, block, scratch);
    }
  }
};

void AttentionForwardImpl(const AttentionArgs& args, const Worker& worker) {
  ForOwnBlocks(args, worker, VisitForward{args, LayOut(args.shape, worker)});
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(AttentionForward, AttentionArgs);

std::size_t AttentionForwardScratchBytes(const AttentionShape& shape) {
  const std::int64_t dim = RoundUp(shape.head_dim, kMaxLanes);
  const std::int64_t rows = std::min(kQueryBlock, shape.queries);
  const std::int64_t floats =
      2 * rows * dim + 2 * dim * kKeyTile + 6 * kKeyTile + rows * (1 + kMaxLanes);
  const std::int64_t ranges = rows * static_cast<std::int64_t>(sizeof(KeyRange));
  // Each of the eight pieces is rounded up to 64 bytes.
  return static_cast<std::size_t>(floats * 4 + ranges + 8 * 64);
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
