#include "cpu/product.h"

#include <algorithm>

#include "base/check.h"
#include "base/checked_math.h"
#include "cpu/kernels/convert.h"
#include "tensor/tensor.h"

namespace attune::cpu {
namespace {

// Columns are dealt out in whole vector groups, rows in small blocks.
constexpr std::int64_t kColumnGrain = 16;
constexpr std::int64_t kRowGrain = 8;
// An expanded panel of B should stay in the second-level cache.
constexpr std::int64_t kPanelBytes = 512 * 1024;

std::int64_t PanelColumns(std::int64_t k, DType compute, std::int64_t available) {
  const std::int64_t fitting = kPanelBytes / (k * SizeOf(compute)) / kColumnGrain * kColumnGrain;
  return std::min(available, std::max(fitting, kColumnGrain));
}

std::size_t Aligned(std::size_t bytes) {
  return static_cast<std::size_t>(RoundUp(static_cast<std::int64_t>(bytes), 64));
}

}  // namespace

Result<std::shared_ptr<Product>> Product::Create(const ProductSpec& spec, int workers) {
  auto product = std::shared_ptr<Product>(new Product(spec));
  if (product->spec_.ldc == 0) product->spec_.ldc = spec.n;
  const SingleThreaded scope;
  ATTUNE_RETURN_IF_ERROR(product->Init(workers));
  return product;
}

Status Product::Init(int workers) {
  // Workers that share columns each read all of A, workers that share rows all
  // of B: weight gradients have the larger A.
  const bool tall = spec_.transpose_a && spec_.m > spec_.n;
  const bool by_columns = !tall && (spec_.n >= 2 * kColumnGrain * workers || spec_.n >= spec_.m);
  std::size_t packed_offset = 0;
  for (int worker = 0; worker < workers; ++worker) {
    Share share;
    share.rows = by_columns ? WorkRange{0, spec_.m} : RangeOf(worker, workers, spec_.m, kRowGrain);
    share.columns =
        by_columns ? RangeOf(worker, workers, spec_.n, kColumnGrain) : WorkRange{0, spec_.n};
    share.packed_offset = by_columns ? packed_offset : 0;
    ATTUNE_RETURN_IF_ERROR(InitShare(&share));
    if (share.body != nullptr && spec_.packed_b) {
      packed_offset += Aligned(share.body->packed_b_bytes());
    }
    shares_.push_back(std::move(share));
  }
  return OkStatus();
}

Status Product::InitShare(Share* share) {
  const std::int64_t width = share->columns.end - share->columns.begin;
  if (width == 0 || share->rows.begin == share->rows.end) return OkStatus();
  share->panel = expands() ? PanelColumns(spec_.k, spec_.compute, width) : width;
  ATTUNE_ASSIGN_OR_RETURN(share->body, MakeGemm(*share, share->panel));
  std::size_t scratch = share->body->scratch_bytes();
  if (const std::int64_t rest = width % share->panel; rest != 0) {
    ATTUNE_ASSIGN_OR_RETURN(share->tail, MakeGemm(*share, rest));
    scratch = std::max(scratch, share->tail->scratch_bytes());
  }
  scratch = Aligned(scratch);
  if (expands()) {
    scratch += Aligned(static_cast<std::size_t>(share->panel * spec_.k * SizeOf(spec_.compute)));
  }
  scratch_bytes_ = std::max(scratch_bytes_, scratch);
  return OkStatus();
}

Result<std::unique_ptr<Gemm>> Product::MakeGemm(const Share& share, std::int64_t columns) const {
  const std::int64_t b_width = expands() ? columns : spec_.n;
  return Gemm::Create({.m = share.rows.end - share.rows.begin,
                       .n = columns,
                       .k = spec_.k,
                       .transpose_a = spec_.transpose_a,
                       .transpose_b = spec_.transpose_b,
                       .lda = spec_.transpose_a ? spec_.m : spec_.k,
                       .ldb = spec_.transpose_b ? spec_.k : b_width,
                       .ldc = spec_.ldc,
                       .dtype = spec_.compute,
                       .scale = spec_.scale,
                       .accumulate = spec_.accumulate,
                       .packed_b = spec_.packed_b});
}

std::size_t Product::packed_bytes() const {
  std::size_t bytes = 0;
  for (const Share& share : shares_) {
    if (share.body == nullptr) continue;
    bytes = std::max(bytes, share.packed_offset + Aligned(share.body->packed_b_bytes()));
  }
  return bytes;
}

std::uint64_t Product::packed_layout() const {
  std::uint64_t id = spec_.transpose_b ? 1 : 0;
  for (const Share& share : shares_) {
    const std::uint64_t piece = share.body == nullptr ? 0 : share.body->packed_b_layout();
    id = id * 1'000'003 + piece * 4096 + static_cast<std::uint64_t>(share.columns.begin);
  }
  return id;
}

// Address in the stored B of the given column of op(B).
const std::byte* Product::BAt(std::int64_t column) const {
  const std::int64_t element = spec_.transpose_b ? column * spec_.k : column;
  return static_cast<const std::byte*>(b_) + element * SizeOf(spec_.b_stored);
}

void Product::ExpandPanel(std::int64_t column, std::int64_t columns, std::byte* out) const {
  const Worker alone;
  const std::int64_t stored_columns = spec_.transpose_b ? spec_.k : columns;
  Convert({.source = BAt(column),
           .source_dtype = spec_.b_stored,
           .target = out,
           .target_dtype = spec_.compute,
           .rows = spec_.transpose_b ? columns : spec_.k,
           .columns = stored_columns,
           .source_stride = spec_.transpose_b ? spec_.k : spec_.n,
           .target_stride = stored_columns},
          alone);
}

Status Product::Pack(const void* b, std::byte* packed) const {
  const SingleThreaded scope;
  Tensor converted;
  const std::byte* source = static_cast<const std::byte*>(b);
  if (spec_.b_stored != spec_.compute) {
    converted = Tensor(spec_.compute, {spec_.n * spec_.k});
    Convert({.source = b,
             .source_dtype = spec_.b_stored,
             .target = converted.data(),
             .target_dtype = spec_.compute,
             .rows = 1,
             .columns = spec_.n * spec_.k,
             .source_stride = 0,
             .target_stride = 0},
            Worker{});
    source = converted.data();
  }
  for (const Share& share : shares_) {
    if (share.body == nullptr) continue;
    const std::int64_t first = share.columns.begin * (spec_.transpose_b ? spec_.k : 1);
    ATTUNE_RETURN_IF_ERROR(
        share.body->PackB(source + first * SizeOf(spec_.compute), packed + share.packed_offset));
  }
  return OkStatus();
}

void Product::Run(const Worker& worker) const {
  const Share& share = shares_[static_cast<std::size_t>(worker.index)];
  if (share.body == nullptr) return;
  const std::int64_t a_element = share.rows.begin * (spec_.transpose_a ? 1 : spec_.k);
  const auto* a = static_cast<const std::byte*>(a_) + a_element * SizeOf(spec_.compute);
  float* c = c_ + share.rows.begin * spec_.ldc;
  if (!expands()) {
    const std::byte* b = spec_.packed_b ? static_cast<const std::byte*>(b_) + share.packed_offset
                                        : BAt(share.columns.begin);
    share.body->Run(a, b, c + share.columns.begin, worker.scratch.data());
    return;
  }
  const auto panel_bytes = static_cast<std::size_t>(share.panel * spec_.k * SizeOf(spec_.compute));
  std::byte* panel = worker.scratch.data();
  std::byte* scratch = panel + Aligned(panel_bytes);
  for (std::int64_t column = share.columns.begin; column < share.columns.end;
       column += share.panel) {
    const std::int64_t columns = std::min(share.panel, share.columns.end - column);
    ExpandPanel(column, columns, panel);
    Gemm& gemm = columns == share.panel ? *share.body : *share.tail;
    gemm.Run(a, panel, c + column, scratch);
  }
}

}  // namespace attune::cpu
