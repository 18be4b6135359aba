#include "cpu/kernels/gemv.h"

#include "base/check.h"
#include "cpu/kernels/targets.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "cpu/kernels/gemv.cc"
#include "hwy/foreach_target.h"
// After foreach_target.h: it re-includes this file.
#include "cpu/kernels/simd-inl.h"
#include "hwy/cache_control.h"

HWY_BEFORE_NAMESPACE();
namespace attune::cpu::HWY_NAMESPACE {
namespace {

// Weight rows read side by side: several streams keep the memory busy, and
// rows * m accumulators must fit the registers.
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_SCALAR
constexpr int RowsFor(int m) { return m <= 2 ? 4 : m <= 4 ? 2 : 1; }
#else
constexpr int RowsFor(int m) { return m <= 4 ? 4 : 2; }
#endif
// Weight rows a worker's share is a multiple of.
constexpr std::int64_t kGrain = 4;
constexpr std::int64_t kLineBytes = 64;
// How far ahead of the reads the prefetches go.
constexpr std::int64_t kPrefetchBytes = 1024;
// Outputs of transposed weights that stay in the L1 cache, over all m.
constexpr std::int64_t kOutputBlock = 2048;

HWY_INLINE void StoreResult(const GemvMatrix& matrix, std::int64_t row, std::int64_t o, float sum) {
  if (matrix.bias != nullptr) sum += matrix.bias[o];
  float* y = matrix.y + row * matrix.y_stride + o;
  *y = matrix.accumulate ? *y + sum : sum;
}

// Row m of x. The products exist for 1, 2, 4 and 8 rows; a row too many repeats
// the last one and its result is dropped.
HWY_INLINE const float* RowOfX(const GemvArgs& args, std::int64_t m) {
  return args.x + std::min(m, args.m - 1) * args.x_stride;
}

// sums += w x for one vector of columns.
template <typename E, int kM, int kRows>
HWY_INLINE void Step(const GemvArgs& args, const typename E::Type* w, std::int64_t stride,
                     std::int64_t c, V (&sums)[kRows][kM]) {
  V x[kM];
  ATTUNE_UNROLL
  for (int m = 0; m < kM; ++m) x[m] = Load(RowOfX(args, m) + c);
  ATTUNE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const V wide = E::Load(w + r * stride + c);
    ATTUNE_UNROLL
    for (int m = 0; m < kM; ++m) sums[r][m] = hn::MulAdd(wide, x[m], sums[r][m]);
  }
}

// y[m, o .. o + kRows) for weights [out, in].
template <typename E, int kM, int kRows>
HWY_INLINE void DotRows(const GemvArgs& args, const GemvMatrix& matrix, std::int64_t o) {
  const auto* w = static_cast<const typename E::Type*>(matrix.weights) + o * matrix.weight_stride;
  constexpr std::int64_t kSize = sizeof *w;
  constexpr std::int64_t kAhead = kPrefetchBytes / kSize;
  // One prefetch a line, but no more than four vectors unrolled.
  constexpr std::int64_t kLine = std::clamp(kLineBytes / kSize, kLanes, 4 * kLanes);
  V sums[kRows][kM];
  ATTUNE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ATTUNE_UNROLL
    for (int m = 0; m < kM; ++m) sums[r][m] = Zero();
  }
  std::int64_t c = 0;
  for (; c + kLine <= args.in; c += kLine) {
    // Near the end of the rows the next ones are fetched: no hardware
    // prefetcher follows there.
    const bool inside = c + kAhead < args.in;
    const std::int64_t ahead = c + kAhead + (inside ? 0 : kRows * matrix.weight_stride - args.in);
    ATTUNE_UNROLL
    for (int r = 0; r < kRows; ++r) hwy::Prefetch(w + r * matrix.weight_stride + ahead);
    ATTUNE_UNROLL
    for (std::int64_t k = 0; k < kLine; k += kLanes) {
      Step<E, kM, kRows>(args, w, matrix.weight_stride, c + k, sums);
    }
  }
  for (; c + kLanes <= args.in; c += kLanes) {
    Step<E, kM, kRows>(args, w, matrix.weight_stride, c, sums);
  }
  float totals[kRows][kM];
  ATTUNE_UNROLL
  for (int r = 0; r < kRows; ++r) {
    ATTUNE_UNROLL
    for (int m = 0; m < kM; ++m) totals[r][m] = Sum(sums[r][m]);
  }
  for (std::int64_t m = 0; m < args.m; ++m) {
    for (int r = 0; r < kRows; ++r) {
      float sum = totals[r][m];
      for (std::int64_t k = c; k < args.in; ++k) {
        sum += E::Widen(w[r * matrix.weight_stride + k]) * args.x[m * args.x_stride + k];
      }
      StoreResult(matrix, m, o + r, sum);
    }
  }
}

template <typename E, int kM>
void RowsOf(const GemvArgs& args, const GemvMatrix& matrix, std::int64_t begin, std::int64_t end) {
  constexpr int kRows = RowsFor(kM);
  std::int64_t o = begin;
  for (; o + kRows <= end; o += kRows) DotRows<E, kM, kRows>(args, matrix, o);
  for (; o < end; ++o) DotRows<E, kM, 1>(args, matrix, o);
}

// y[m, columns] += x[m, k .. k + kDepth) * w[k .. k + kDepth, columns] for
// weights [in, out].
template <typename E, int kDepth>
HWY_INLINE void AddRows(const GemvArgs& args, const GemvMatrix& matrix, std::int64_t k,
                        std::int64_t begin, std::int64_t end) {
  const auto* w = static_cast<const typename E::Type*>(matrix.weights) + k * matrix.weight_stride;
  std::int64_t o = begin;
  for (; o + kLanes <= end; o += kLanes) {
    V wide[kDepth];
    ATTUNE_UNROLL
    for (int d = 0; d < kDepth; ++d) {
      const auto* at = w + d * matrix.weight_stride + o;
      hwy::Prefetch(at + kDepth * matrix.weight_stride);
      wide[d] = E::Load(at);
    }
    for (std::int64_t m = 0; m < args.m; ++m) {
      float* y = matrix.y + m * matrix.y_stride + o;
      V sum = Load(y);
      ATTUNE_UNROLL
      for (int d = 0; d < kDepth; ++d) {
        sum = hn::MulAdd(wide[d], Set(args.x[m * args.x_stride + k + d]), sum);
      }
      Store(sum, y);
    }
  }
  for (; o < end; ++o) {
    for (std::int64_t m = 0; m < args.m; ++m) {
      for (int d = 0; d < kDepth; ++d) {
        matrix.y[m * matrix.y_stride + o] +=
            E::Widen(w[d * matrix.weight_stride + o]) * args.x[m * args.x_stride + k + d];
      }
    }
  }
}

template <typename E>
void ColumnsOf(const GemvArgs& args, const GemvMatrix& matrix, std::int64_t begin,
               std::int64_t end) {
  constexpr int kDepth = 8;
  const std::int64_t column_block = kOutputBlock / args.m / 64 * 64;
  for (std::int64_t block = begin; block < end; block += column_block) {
    const std::int64_t stop = std::min(block + column_block, end);
    for (std::int64_t m = 0; m < args.m; ++m) {
      float* y = matrix.y + m * matrix.y_stride;
      if (!matrix.accumulate) std::fill(y + block, y + stop, 0.0f);
      if (matrix.bias == nullptr) continue;
      for (std::int64_t o = block; o < stop; ++o) y[o] += matrix.bias[o];
    }
    std::int64_t k = 0;
    for (; k + kDepth <= args.in; k += kDepth) {
      AddRows<E, kDepth>(args, matrix, k, block, stop);
    }
    for (; k < args.in; ++k) AddRows<E, 1>(args, matrix, k, block, stop);
  }
}

template <typename E>
void Part(const GemvArgs& args, const GemvMatrix& matrix, std::int64_t begin, std::int64_t end) {
  if (matrix.transposed) return ColumnsOf<E>(args, matrix, begin, end);
  if (args.m == 1) return RowsOf<E, 1>(args, matrix, begin, end);
  if (args.m == 2) return RowsOf<E, 2>(args, matrix, begin, end);
  if (args.m <= 4) return RowsOf<E, 4>(args, matrix, begin, end);
  RowsOf<E, 8>(args, matrix, begin, end);
}

// The rows of all matrices count as one sequence, each matrix rounded up to
// the grain, and the workers cut that.
void GemvImpl(const GemvArgs& args, const Worker& worker) {
  ATTUNE_DCHECK(args.m >= 1 && args.m <= kGemvMaxRows);
  std::int64_t total = 0;
  for (const GemvMatrix& matrix : args.matrices) total += (matrix.out + kGrain - 1) / kGrain;
  const WorkRange range = worker.Range(total);
  std::int64_t before = 0;
  for (const GemvMatrix& matrix : args.matrices) {
    const std::int64_t units = (matrix.out + kGrain - 1) / kGrain;
    const std::int64_t begin = std::clamp<std::int64_t>(range.begin - before, 0, units) * kGrain;
    const std::int64_t end = std::clamp<std::int64_t>(range.end - before, 0, units) * kGrain;
    before += units;
    const std::int64_t stop = std::min(end, matrix.out);
    if (begin >= stop) continue;
    switch (matrix.dtype) {
      case DType::kBf16:
        Part<Bf16>(args, matrix, begin, stop);
        break;
      case DType::kF16:
        Part<F16>(args, matrix, begin, stop);
        break;
      default:
        Part<F32>(args, matrix, begin, stop);
        break;
    }
  }
}

}  // namespace
}  // namespace attune::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attune::cpu {

ATTUNE_DISPATCH_KERNEL(Gemv, GemvArgs);

}  // namespace attune::cpu
#endif  // HWY_ONCE
