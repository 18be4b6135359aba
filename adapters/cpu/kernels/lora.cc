#include "cpu/kernels/lora.h"

#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/lora.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// The shared shape of h = x A^T: all rows of `a` are `n` long.
struct DotArgs {
  const float* x = nullptr;
  std::int64_t x_stride = 0;
  const float* a = nullptr;
  std::int64_t a_stride = 0;
  float* h = nullptr;
  std::int64_t h_stride = 0;
  std::int64_t n = 0;
  bool accumulate = false;
};

// h[token .. +kTokens, rank .. +kRanks): kTokens * kRanks sums over vectors,
// added up across lanes at the end. Unlike a product with A^T packed by rank
// it fills the lanes at any rank.
template <int kTokens, int kRanks>
HWY_INLINE void DotBlock(const DotArgs& args, std::int64_t token, std::int64_t rank) {
  const float* x = args.x + token * args.x_stride;
  const float* a = args.a + rank * args.a_stride;
  V sums[kTokens][kRanks];
  ATTUNE_UNROLL
  for (int t = 0; t < kTokens; ++t) {
    ATTUNE_UNROLL
    for (int r = 0; r < kRanks; ++r) sums[t][r] = Zero();
  }
  std::int64_t c = 0;
  for (; c + kLanes <= args.n; c += kLanes) {
    V xs[kTokens];
    ATTUNE_UNROLL
    for (int t = 0; t < kTokens; ++t) xs[t] = Load(x + t * args.x_stride + c);
    ATTUNE_UNROLL
    for (int r = 0; r < kRanks; ++r) {
      const V ar = Load(a + r * args.a_stride + c);
      ATTUNE_UNROLL
      for (int t = 0; t < kTokens; ++t) sums[t][r] = hn::MulAdd(xs[t], ar, sums[t][r]);
    }
  }
  for (int t = 0; t < kTokens; ++t) {
    for (int r = 0; r < kRanks; ++r) {
      float sum = Sum(sums[t][r]);
      for (std::int64_t k = c; k < args.n; ++k) {
        sum += x[t * args.x_stride + k] * a[r * args.a_stride + k];
      }
      float* h = args.h + (token + t) * args.h_stride + rank + r;
      *h = args.accumulate ? *h + sum : sum;
    }
  }
}

#if HWY_TARGET == HWY_AVX2
constexpr int kDotTokens = 3;
constexpr int kDotRanks = 4;
#else
constexpr int kDotTokens = 3;
constexpr int kDotRanks = 8;
#endif

// kRanks rows of A, which stay in the L1 cache, against all tokens.
template <int kRanks>
HWY_NOINLINE void DotTokens(const DotArgs& args, std::int64_t tokens, std::int64_t rank) {
  std::int64_t token = 0;
  for (; token + kDotTokens <= tokens; token += kDotTokens) {
    DotBlock<kDotTokens, kRanks>(args, token, rank);
  }
  for (; token < tokens; ++token) DotBlock<1, kRanks>(args, token, rank);
}

void Dot(const DotArgs& args, std::int64_t tokens, std::int64_t ranks) {
  std::int64_t rank = 0;
  for (; rank + kDotRanks <= ranks; rank += kDotRanks) DotTokens<kDotRanks>(args, tokens, rank);
  if (rank + 4 <= ranks) {
    DotTokens<4>(args, tokens, rank);
    rank += 4;
  }
  if (rank + 2 <= ranks) {
    DotTokens<2>(args, tokens, rank);
    rank += 2;
  }
  if (rank < ranks) DotTokens<1>(args, tokens, rank);
}

void LoraDownImpl(const LoraDownArgs& args, const Worker& worker) {
  const WorkRange range = worker.Range(args.tokens, kDotTokens);
  for (std::int64_t t = range.begin; t < range.end; t += kLoraTokenBlock) {
    const DotArgs dot{args.x + t * args.x_stride, args.x_stride, args.a,  args.in,
                      args.h + t * args.rank,     args.rank,     args.in, false};
    Dot(dot, std::min(kLoraTokenBlock, range.end - t), args.rank);
  }
}

// c[rows, columns] += a b for any number of columns: the last ones go through
// a padded copy of C's tile in `spare` [rows, kLanes] and of B's in the other.
template <TileA kA>
HWY_INLINE void AddProduct(TileArgs t, float* spare) {
  const std::int64_t whole = t.columns / kLanes * kLanes;
  const std::int64_t rest = t.columns - whole;
  t.columns = whole;
  Tile<kA, TileC::kAdd>(t);
  if (rest == 0) return;
  float* b = spare;
  float* c = spare + t.depth * kLanes;
  PackRows(t.b + whole, t.ldb, t.depth, rest, kLanes, 1.0f, b);
  PackRows(t.c + whole, t.ldc, t.rows, rest, kLanes, 1.0f, c);
  Tile<kA, TileC::kAdd>({t.a, t.lda, b, kLanes, c, kLanes, t.rows, kLanes, t.depth});
  for (std::int64_t r = 0; r < t.rows; ++r) {
    StoreN(Load(c + r * kLanes), t.c + r * t.ldc + whole, rest);
  }
}

void LoraUpImpl(const LoraUpArgs& args, const Worker& worker) {
  auto* spare = reinterpret_cast<float*>(worker.scratch.data());
  float* b_t = spare + 2 * kLoraTokenBlock * kLanes;  // [rank, kLoraColumnBlock]
  const WorkRange range = worker.Range(args.out, kTileVectors * kLanes);
  for (std::int64_t o = range.begin; o < range.end; o += kLoraColumnBlock) {
    const std::int64_t columns = std::min(kLoraColumnBlock, range.end - o);
    PackTransposed(args.b + o * args.rank, args.rank, columns, args.rank, kLoraColumnBlock, b_t);
    PackRows(b_t, kLoraColumnBlock, args.rank, columns, kLoraColumnBlock, args.scale, b_t);
    for (std::int64_t t = 0; t < args.tokens; t += kLoraTokenBlock) {
      AddProduct<TileA::kRows>(
          {args.h + t * args.rank, args.rank, b_t, kLoraColumnBlock, args.y + t * args.y_stride + o,
           args.y_stride, std::min(kLoraTokenBlock, args.tokens - t), columns, args.rank},
          spare);
    }
  }
}

// This worker's columns of dy: db for them, and what they add to dh.
void UpBackwardColumns(const LoraUpBackwardArgs& args, const WorkRange& range, float* dh,
                       float* scratch) {
  float* spare = scratch;
  float* b_t = spare + 2 * kLoraTokenBlock * kLanes;  // [rank, kLoraColumnBlock]
  float* db_t = b_t + args.rank * kLoraColumnBlock;   // same shape
  for (std::int64_t o = range.begin; o < range.end; o += kLoraColumnBlock) {
    const std::int64_t columns = std::min(kLoraColumnBlock, range.end - o);
    PackTransposed(args.b + o * args.rank, args.rank, columns, args.rank, kLoraColumnBlock, b_t);
    std::fill_n(db_t, args.rank * kLoraColumnBlock, 0.0f);
    for (std::int64_t t = 0; t < args.tokens; t += kLoraTokenBlock) {
      const std::int64_t tokens = std::min(kLoraTokenBlock, args.tokens - t);
      const float* dy = args.dy + t * args.dy_stride + o;
      Dot({dy, args.dy_stride, b_t, kLoraColumnBlock, dh + t * args.rank, args.rank, columns,
           o != range.begin},
          tokens, args.rank);
      AddProduct<TileA::kTransposed>({args.h + t * args.rank, args.rank, dy, args.dy_stride, db_t,
                                      kLoraColumnBlock, args.rank, columns, tokens},
                                     spare);
    }
    for (std::int64_t c = 0; c < columns; ++c) {
      float* db = args.db + (o + c) * args.rank;
      for (std::int64_t r = 0; r < args.rank; ++r) {
        const float sum = args.scale * db_t[r * kLoraColumnBlock + c];
        db[r] = args.accumulate_db ? db[r] + sum : sum;
      }
    }
  }
}

void LoraUpBackwardImpl(const LoraUpBackwardArgs& args, const Worker& worker) {
  const std::int64_t n = args.tokens * args.rank;
  float* dh = worker.count == 1 ? args.dh : args.workspace + worker.index * n;
  const WorkRange range = worker.Range(args.out, kTileVectors * kLanes);
  if (range.begin == range.end) std::fill_n(dh, n, 0.0f);
  UpBackwardColumns(args, range, dh, reinterpret_cast<float*>(worker.scratch.data()));
  worker.Barrier();
  const WorkRange share = worker.Range(n, 16);
  for (std::int64_t i = share.begin; i < share.end; ++i) {
    float sum = worker.count == 1 ? args.dh[i] : 0.0f;
    for (int w = 0; worker.count > 1 && w < worker.count; ++w) sum += args.workspace[w * n + i];
    args.dh[i] = args.scale * sum;
  }
}

void LoraDownBackwardImpl(const LoraDownBackwardArgs& args, const Worker& worker) {
  auto* spare = reinterpret_cast<float*>(worker.scratch.data());
  const WorkRange range = worker.Range(args.in, kTileVectors * kLanes);
  if (args.da != nullptr && !args.accumulate_da) {
    for (std::int64_t r = 0; r < args.rank; ++r) {
      std::fill(args.da + r * args.in + range.begin, args.da + r * args.in + range.end, 0.0f);
    }
  }
  for (std::int64_t t = 0; t < args.tokens; t += kLoraTokenBlock) {
    const std::int64_t tokens = std::min(kLoraTokenBlock, args.tokens - t);
    const float* dh = args.dh + t * args.rank;
    for (std::int64_t c = range.begin; c < range.end; c += kLoraColumnBlock) {
      const std::int64_t columns = std::min(kLoraColumnBlock, range.end - c);
      if (args.da != nullptr) {
        AddProduct<TileA::kTransposed>(
            {dh, args.rank, args.x + t * args.x_stride + c, args.x_stride, args.da + c, args.in,
             args.rank, columns, tokens},
            spare);
      }
      if (args.dx != nullptr) {
        AddProduct<TileA::kRows>(
            {dh, args.rank, args.a + c, args.in, args.dx + t * args.dx_stride + c, args.dx_stride,
             tokens, columns, args.rank},
            spare);
      }
    }
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(LoraDown, LoraDownArgs);
ATTUNE_DISPATCH_KERNEL(LoraUp, LoraUpArgs);
ATTUNE_DISPATCH_KERNEL(LoraUpBackward, LoraUpBackwardArgs);
ATTUNE_DISPATCH_KERNEL(LoraDownBackward, LoraDownBackwardArgs);

namespace {
// One column tail of B and one of C, at the widest vectors; rank and tokens of
// a block are both at most 64.
constexpr std::int64_t kSpareFloats = 2 * kLoraTokenBlock * 16;
static_assert(kLoraMaxRank <= kLoraTokenBlock);

std::size_t Bytes(std::int64_t floats) { return static_cast<std::size_t>(floats) * sizeof(float); }
}  // namespace

std::size_t LoraDownScratchBytes(const LoraDownArgs&) { return 0; }

std::size_t LoraUpScratchBytes(const LoraUpArgs& args) {
  return Bytes(kSpareFloats + args.rank * kLoraColumnBlock);
}

std::size_t LoraUpBackwardScratchBytes(const LoraUpBackwardArgs& args) {
  return Bytes(kSpareFloats + 2 * args.rank * kLoraColumnBlock);
}

std::size_t LoraUpBackwardWorkspaceBytes(std::int64_t tokens, std::int64_t rank, int workers) {
  return workers == 1 ? 0 : Bytes(tokens * rank * workers);
}

std::size_t LoraDownBackwardScratchBytes(const LoraDownBackwardArgs&) {
  return Bytes(kSpareFloats);
}

}  // namespace attune::cpu
#endif  // HWY_ONCE
