#include <cmath>

#include "cpu/kernels/attention.h"
#include "cpu/kernels/attention_plan.h"
#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/attention_backward.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/math-inl.h"
#include "cpu/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

struct BackwardScratch {
  // One tile of keys.
  float* k;    // [kKeyTile, padded dim], times scale
  float* k_t;  // [dim, kKeyTile]
  float* v_t;  // [dim, kKeyTile]
  float* dk;   // [kKeyTile, padded dim]
  float* dv;   // same shape
  // One tile of queries.
  float* q;         // [kQueryTile, padded dim], times scale
  float* dout;      // same shape
  float* dq;        // same shape
  float* p;         // [kQueryTile, kKeyTile]
  float* ds;        // same shape
  KeyRange* range;  // [kQueryTile]
  // All queries of the heads that share the key head.
  float* delta;  // [group, queries], sum(dout * out)
};

BackwardScratch LayOut(const AttentionShape& shape, const Worker& worker) {
  ScratchCursor cursor(worker.scratch);
  const std::int64_t tile = RoundUp(shape.head_dim, kMaxLanes) * kKeyTile;
  static_assert(kKeyTile == kQueryTile);
  BackwardScratch s;
  for (float** piece : {&s.k, &s.k_t, &s.v_t, &s.dk, &s.dv, &s.q, &s.dout, &s.dq}) {
    *piece = cursor.Take(tile);
  }
  s.p = cursor.Take(kQueryTile * kKeyTile);
  s.ds = cursor.Take(kQueryTile * kKeyTile);
  s.range = cursor.Take<KeyRange>(kQueryTile);
  s.delta = cursor.Take(shape.query_heads / shape.key_heads * shape.queries);
  return s;
}

// Where in the work a worker is: entry, key head, and one tile of each side.
struct BackwardTile {
  std::int64_t b = 0;
  std::int64_t key_head = 0;
  std::int64_t head = 0;
  std::int64_t key0 = 0;
  std::int64_t keys = 0;
  std::int64_t row0 = 0;
  std::int64_t rows = 0;
};

HWY_INLINE float DotRows(const float* x, const float* y, std::int64_t n) {
  V sum = Zero();
  std::int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) sum = hn::MulAdd(Load(x + c), Load(y + c), sum);
  if (c < n) sum = hn::MulAdd(LoadN(x + c, n - c), LoadN(y + c, n - c), sum);
  return Sum(sum);
}

// p = exp(s - lse) and ds = p * (dp - delta) over `columns` columns; what the
// row does not see becomes 0, and so does the rest of the tile.
HWY_INLINE void GradientRow(float* p, float* ds, const KeyRange& range, std::int64_t key0,
                            std::int64_t columns, float lse, float delta) {
  const V shift = Set(lse);
  const V mean = Set(delta);
  const bool all = range.lo <= key0 && range.hi >= key0 + columns;
  const V lo = Set(static_cast<float>(std::clamp<std::int64_t>(range.lo - key0, 0, kKeyTile)));
  const V hi = Set(static_cast<float>(std::clamp<std::int64_t>(range.hi - key0, 0, kKeyTile)));
  for (std::int64_t c = 0; c < columns; c += kLanes) {
    V e = ExpNonPositive(hn::Sub(Load(p + c), shift));
    V d = hn::Mul(e, hn::Sub(Load(ds + c), mean));
    if (!all) {
      const V index = hn::Iota(D(), static_cast<float>(c));
      const auto seen = hn::And(hn::Ge(index, lo), hn::Lt(index, hi));
      e = hn::IfThenElseZero(seen, e);
      d = hn::IfThenElseZero(seen, d);
    }
    Store(e, p + c);
    Store(d, ds + c);
  }
  std::fill(p + columns, p + kKeyTile, 0.0f);
  std::fill(ds + columns, ds + kKeyTile, 0.0f);
}

// p and ds of a tile, row group by row group, and dq += ds k on the way.
HWY_INLINE void ScoreTile(const AttentionBackwardArgs& args, const BackwardTile& tile,
                          const BackwardScratch& s, std::int64_t padded) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t in_group = tile.head % (shape.query_heads / shape.key_heads);
  for (std::int64_t row = 0; row < tile.rows; row += kTileRows) {
    const std::int64_t rows = std::min<std::int64_t>(kTileRows, tile.rows - row);
    const KeyRange hull = Hull({s.range + row, static_cast<std::size_t>(rows)});
    const std::int64_t visible = std::clamp<std::int64_t>(hull.hi - tile.key0, 0, tile.keys);
    const std::int64_t columns = RoundUpToLanes(visible);
    float* p = s.p + row * kKeyTile;
    float* ds = s.ds + row * kKeyTile;
    Tile<TileA::kRows, TileC::kReplace>(
        {s.q + row * padded, padded, s.k_t, kKeyTile, p, kKeyTile, rows, columns, dim});
    Tile<TileA::kRows, TileC::kReplace>(
        {s.dout + row * padded, padded, s.v_t, kKeyTile, ds, kKeyTile, rows, columns, dim});
    for (std::int64_t r = 0; r < rows; ++r) {
      const std::int64_t t = tile.row0 + row + r;
      const float lse = args.lse[(tile.b * shape.queries + t) * shape.query_heads + tile.head];
      GradientRow(p + r * kKeyTile, ds + r * kKeyTile, s.range[row + r], tile.key0, columns, lse,
                  s.delta[in_group * shape.queries + t]);
    }
    Tile<TileA::kRows, TileC::kAdd>(
        {ds, kKeyTile, s.k, padded, s.dq + row * padded, padded, rows, padded, visible});
  }
}

// dv += p^T dout and dk += ds^T q, leaving out the query rows before the first
// that sees a group of keys.
HWY_INLINE void KeyGradients(const AttentionShape& shape, const BackwardTile& tile,
                             const BackwardScratch& s, std::int64_t padded) {
  for (std::int64_t key = 0; key < tile.keys; key += kTileRows) {
    std::int64_t first = 0;
    if (shape.mask == AttentionMask::kCausal) {
      first = tile.key0 + key - (shape.keys - shape.queries) - tile.row0;
      first = std::clamp<std::int64_t>(first, 0, tile.rows);
    }
    TileArgs t{s.p + first * kKeyTile + key,
               kKeyTile,
               s.dout + first * padded,
               padded,
               s.dv + key * padded,
               padded,
               std::min<std::int64_t>(kTileRows, tile.keys - key),
               padded,
               tile.rows - first};
    Tile<TileA::kTransposed, TileC::kAdd>(t);
    t.a = s.ds + first * kKeyTile + key;
    t.b = s.q + first * padded;
    t.c = s.dk + key * padded;
    Tile<TileA::kTransposed, TileC::kAdd>(t);
  }
}

HWY_INLINE void StoreRows(const float* source, std::int64_t padded, std::int64_t rows,
                          std::int64_t columns, float* target, std::int64_t stride) {
  for (std::int64_t row = 0; row < rows; ++row) {
    std::copy_n(source + row * padded, columns, target + row * stride);
  }
}

void BackwardOneTile(const AttentionBackwardArgs& args, const BackwardTile& tile,
                     const BackwardScratch& s) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t padded = RoundUpToLanes(dim);
  for (std::int64_t r = 0; r < tile.rows; ++r) {
    s.range[r] = VisibleKeys(shape, args.lo, args.hi, tile.b, tile.row0 + r);
  }
  const KeyRange hull = Hull({s.range, static_cast<std::size_t>(tile.rows)});
  if (hull.hi <= tile.key0 || hull.lo >= tile.key0 + tile.keys) return;

  const auto row_of = [&](const auto& m) {
    return HeadRow(m, shape.queries, tile.b, tile.row0, tile.head, dim);
  };
  float* dq = row_of(args.dq);
  PackRows(row_of(args.q), args.q.row_stride, tile.rows, dim, padded, shape.scale, s.q);
  PackRows(row_of(args.dout), args.dout.row_stride, tile.rows, dim, padded, 1.0f, s.dout);
  PackRows(dq, args.dq.row_stride, tile.rows, dim, padded, 1.0f, s.dq);
  ScoreTile(args, tile, s, padded);
  KeyGradients(shape, tile, s, padded);
  StoreRows(s.dq, padded, tile.rows, dim, dq, args.dq.row_stride);
}

// delta of every query row of the group; dq starts from 0.
void StartGroup(const AttentionBackwardArgs& args, std::int64_t b, std::int64_t key_head,
                const BackwardScratch& s) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t group = shape.query_heads / shape.key_heads;
  for (std::int64_t g = 0; g < group; ++g) {
    const std::int64_t head = key_head * group + g;
    for (std::int64_t t = 0; t < shape.queries; ++t) {
      const float* out = HeadRow(args.out, shape.queries, b, t, head, dim);
      const float* dout = HeadRow(args.dout, shape.queries, b, t, head, dim);
      s.delta[g * shape.queries + t] = DotRows(out, dout, dim);
      std::fill_n(HeadRow(args.dq, shape.queries, b, t, head, dim), dim, 0.0f);
    }
  }
}

// One tile of keys against every query of its group.
void BackwardKeyTile(const AttentionBackwardArgs& args, BackwardTile tile,
                     const BackwardScratch& s) {
  const AttentionShape& shape = args.shape;
  const std::int64_t dim = shape.head_dim;
  const std::int64_t padded = RoundUpToLanes(dim);
  const std::int64_t group = shape.query_heads / shape.key_heads;
  const float* k = HeadRow(args.k, shape.keys, tile.b, tile.key0, tile.key_head, dim);
  const float* v = HeadRow(args.v, shape.keys, tile.b, tile.key0, tile.key_head, dim);
  PackRows(k, args.k.row_stride, tile.keys, dim, padded, shape.scale, s.k);
  PackTransposed(k, args.k.row_stride, tile.keys, dim, kKeyTile, s.k_t);
  PackTransposed(v, args.v.row_stride, tile.keys, dim, kKeyTile, s.v_t);
  std::fill_n(s.dk, tile.keys * padded, 0.0f);
  std::fill_n(s.dv, tile.keys * padded, 0.0f);
  for (std::int64_t g = 0; g < group; ++g) {
    tile.head = tile.key_head * group + g;
    for (tile.row0 = 0; tile.row0 < shape.queries; tile.row0 += kQueryTile) {
      tile.rows = std::min(kQueryTile, shape.queries - tile.row0);
      BackwardOneTile(args, tile, s);
    }
  }
  float* dk = HeadRow(args.dk, shape.keys, tile.b, tile.key0, tile.key_head, dim);
  float* dv = HeadRow(args.dv, shape.keys, tile.b, tile.key0, tile.key_head, dim);
  StoreRows(s.dk, padded, tile.keys, dim, dk, args.dk.row_stride);
  StoreRows(s.dv, padded, tile.keys, dim, dv, args.dv.row_stride);
}

void AttentionBackwardImpl(const AttentionBackwardArgs& args, const Worker& worker) {
  const AttentionShape& shape = args.shape;
  const BackwardScratch s = LayOut(shape, worker);
  const WorkRange range = worker.Range(shape.batch * shape.key_heads);
  for (std::int64_t unit = range.begin; unit < range.end; ++unit) {
    BackwardTile tile;
    tile.b = unit / shape.key_heads;
    tile.key_head = unit % shape.key_heads;
    StartGroup(args, tile.b, tile.key_head, s);
    for (tile.key0 = 0; tile.key0 < shape.keys; tile.key0 += kKeyTile) {
      tile.keys = std::min(kKeyTile, shape.keys - tile.key0);
      BackwardKeyTile(args, tile, s);
    }
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(AttentionBackward, AttentionBackwardArgs);

std::size_t AttentionBackwardScratchBytes(const AttentionShape& shape) {
  const std::int64_t tile = RoundUp(shape.head_dim, kMaxLanes) * kKeyTile;
  const std::int64_t delta = shape.query_heads / shape.key_heads * shape.queries;
  const std::int64_t floats = 8 * tile + 2 * kQueryTile * kKeyTile + delta;
  const std::int64_t ranges = kQueryTile * static_cast<std::int64_t>(sizeof(KeyRange));
  // Each of the twelve pieces is rounded up to 64 bytes.
  return static_cast<std::size_t>(floats * 4 + ranges + 12 * 64);
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
