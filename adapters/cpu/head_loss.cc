#include "cpu/head_loss.h"

#include <algorithm>
#include <cstring>

#include "base/checked_math.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/cross_entropy.h"

namespace attune::cpu {
namespace {

// Logits of a chunk should stay in the last-level cache, and the weight be read
// few times: the more rows a chunk has, the less often.
constexpr std::int64_t kLogitsBytes = 16 << 20;
constexpr std::int64_t kMaxChunkRows = 256;
constexpr std::int64_t kMinChunkRows = 16;

std::int64_t ChunkRows(std::int64_t rows, std::int64_t vocabulary) {
  const std::int64_t fitting = kLogitsBytes / (4 * vocabulary) / kMinChunkRows * kMinChunkRows;
  const std::int64_t chunk = std::clamp(fitting, kMinChunkRows, kMaxChunkRows);
  return std::min(chunk, RoundUp(rows, kMinChunkRows));
}

}  // namespace

Result<std::shared_ptr<HeadLoss>> HeadLoss::Create(const HeadLossSpec& spec, int workers) {
  auto head = std::shared_ptr<HeadLoss>(new HeadLoss(spec));
  ATTUNE_RETURN_IF_ERROR(head->Init(workers));
  return head;
}

Status HeadLoss::Init(int workers) {
  const std::int64_t chunk = ChunkRows(spec_.rows, spec_.vocabulary);
  for (std::int64_t rows = chunk;; rows = RoundUp(rows / 2, kMinChunkRows)) {
    ATTUNE_RETURN_IF_ERROR(MakeSize(rows, workers));
    if (rows == kMinChunkRows) break;
  }
  LayOut(chunk);
  return OkStatus();
}

Status HeadLoss::MakeSize(std::int64_t rows, int workers) {
  Size size;
  size.rows = rows;
  ProductSpec logits_spec{.m = rows,
                          .n = spec_.vocabulary,
                          .k = spec_.width,
                          .transpose_b = true,
                          .compute = spec_.compute,
                          .b_stored = spec_.stored,
                          .packed_b = spec_.packed};
  ATTUNE_ASSIGN_OR_RETURN(size.logits, Product::Create(logits_spec, workers));
  if (spec_.gradient) {
    ProductSpec dx_spec{.m = rows,
                        .n = spec_.width,
                        .k = spec_.vocabulary,
                        .compute = spec_.compute,
                        .b_stored = spec_.stored,
                        .packed_b = spec_.packed};
    ATTUNE_ASSIGN_OR_RETURN(size.dx, Product::Create(dx_spec, workers));
  }
  if (spec_.weight_gradient) {
    ProductSpec dw_spec{.m = spec_.vocabulary,
                        .n = spec_.width,
                        .k = rows,
                        .transpose_a = true,
                        .compute = spec_.compute,
                        .b_stored = spec_.compute,
                        .accumulate = true};
    ATTUNE_ASSIGN_OR_RETURN(size.dw, Product::Create(dw_spec, workers));
  }
  sizes_.push_back(std::move(size));
  return OkStatus();
}

void HeadLoss::LayOut(std::int64_t chunk) {
  std::int64_t end = 0;
  const auto take = [&](std::int64_t bytes) {
    const std::int64_t at = end;
    end = RoundUp(end + bytes, 64);
    return at;
  };
  const std::int64_t element = SizeOf(spec_.compute);
  at_.count = take(8);
  at_.indices = take(4 * spec_.rows);
  at_.labels = take(4 * chunk);
  at_.weights = take(4 * chunk);
  at_.loss = take(4 * chunk);
  at_.lse = take(4 * chunk);
  at_.x = take(chunk * spec_.width * element);
  at_.logits = take(chunk * spec_.vocabulary * 4);
  at_.dlogits =
      converts() && spec_.gradient ? take(chunk * spec_.vocabulary * element) : at_.logits;
  at_.dx = spec_.gradient ? take(chunk * spec_.width * 4) : 0;
  shared_bytes_ = static_cast<std::size_t>(end);
}

std::size_t HeadLoss::scratch_bytes() const {
  std::size_t bytes = 0;
  for (const Size& size : sizes_) {
    for (const Product* product : {size.logits.get(), size.dx.get(), size.dw.get()}) {
      if (product != nullptr) bytes = std::max(bytes, product->scratch_bytes());
    }
  }
  return bytes;
}

void HeadLoss::set_weight(const void* w) {
  for (Size& size : sizes_) {
    size.logits->set_b(w);
    if (size.dx != nullptr) size.dx->set_b(w);
  }
}

void HeadLoss::Run(const Worker& worker) const {
  FindLabelledRows(worker);
  ClearOutputs(worker);
  worker.Barrier();
  const std::int64_t count = *At<std::int64_t>(at_.count);
  for (std::int64_t first = 0; first < count;) {
    // The smallest size that takes all of the rest, or the largest there is.
    const std::int64_t left = count - first;
    const Size* size = &sizes_.front();
    for (const Size& candidate : sizes_) {
      if (candidate.rows >= left) size = &candidate;
    }
    const std::int64_t rows = std::min(left, size->rows);
    RunChunk(worker, first, rows, *size);
    first += rows;
  }
}

void HeadLoss::FindLabelledRows(const Worker& worker) const {
  if (worker.index != 0) return;
  auto* indices = At<std::int32_t>(at_.indices);
  std::int64_t count = 0;
  for (std::int64_t row = 0; row < spec_.rows; ++row) {
    if (weights[row] != 0.0f) indices[count++] = static_cast<std::int32_t>(row);
  }
  *At<std::int64_t>(at_.count) = count;
}

void HeadLoss::ClearOutputs(const Worker& worker) const {
  const WorkRange rows = worker.Range(spec_.rows);
  if (spec_.loss) {
    std::fill(lse + rows.begin, lse + rows.end, 0.0f);
    if (worker.index == 0) *loss = 0.0f;
  }
  if (spec_.gradient) std::fill(dx + rows.begin * spec_.width, dx + rows.end * spec_.width, 0.0f);
  if (spec_.weight_gradient) {
    const WorkRange share = worker.Range(spec_.vocabulary);
    std::fill(dw + share.begin * spec_.width, dw + share.end * spec_.width, 0.0f);
  }
}

void HeadLoss::RunChunk(const Worker& worker, std::int64_t first, std::int64_t rows,
                        const Size& size) const {
  if (worker.index == 0) {
    size.logits->set_a(At<void>(at_.x));
    size.logits->set_c(At<float>(at_.logits));
    if (spec_.gradient) {
      size.dx->set_a(At<void>(at_.dlogits));
      size.dx->set_c(At<float>(at_.dx));
    }
    if (spec_.weight_gradient) {
      size.dw->set_a(At<void>(at_.dlogits));
      size.dw->set_b(At<void>(at_.x));
      size.dw->set_c(dw);
    }
  }
  Gather(worker, first, rows, size);
  worker.Barrier();
  size.logits->Run(worker);
  worker.Barrier();
  LossOfChunk(worker, first, rows);
  // Without a gradient too: worker 0 reads the chunk's lse, which the next
  // chunk's Gather clears.
  worker.Barrier();
  if (!spec_.gradient) return;
  GradientOfChunk(worker, size);
  worker.Barrier();
  size.dx->Run(worker);
  if (spec_.weight_gradient) size.dw->Run(worker);
  worker.Barrier();
  Scatter(worker, first, rows);
}

// Rows beyond the labelled ones are zero with weight 0: they add nothing.
void HeadLoss::Gather(const Worker& worker, std::int64_t first, std::int64_t rows,
                      const Size& size) const {
  const auto* indices = At<std::int32_t>(at_.indices) + first;
  const WorkRange share = worker.Range(size.rows);
  auto* x_chunk = At<std::byte>(at_.x);
  const std::int64_t row_bytes = spec_.width * SizeOf(spec_.compute);
  for (std::int64_t i = share.begin; i < share.end; ++i) {
    const bool real = i < rows;
    At<std::int32_t>(at_.labels)[i] = real ? labels[indices[i]] : 0;
    At<float>(at_.weights)[i] = real ? weights[indices[i]] : 0.0f;
    At<float>(at_.lse)[i] = real && !spec_.loss ? lse[indices[i]] : 0.0f;
    if (!real) {
      std::memset(x_chunk + i * row_bytes, 0, static_cast<std::size_t>(row_bytes));
      continue;
    }
    Convert({.source = x + indices[i] * spec_.width,
             .source_dtype = DType::kF32,
             .target = x_chunk + i * row_bytes,
             .target_dtype = spec_.compute,
             .rows = 1,
             .columns = spec_.width,
             .source_stride = spec_.width,
             .target_stride = spec_.width},
            Worker{});
  }
}

void HeadLoss::LossOfChunk(const Worker& worker, std::int64_t first, std::int64_t rows) const {
  if (!spec_.loss) return;
  CrossEntropyForward({.logits = At<float>(at_.logits),
                       .stride = spec_.vocabulary,
                       .rows = rows,
                       .vocab = spec_.vocabulary,
                       .labels = At<std::int32_t>(at_.labels),
                       .weights = At<float>(at_.weights),
                       .loss = At<float>(at_.loss),
                       .lse = At<float>(at_.lse)},
                      worker);
  worker.Barrier();
  if (worker.index != 0) return;
  const auto* indices = At<std::int32_t>(at_.indices) + first;
  double sum = 0;
  for (std::int64_t i = 0; i < rows; ++i) {
    sum += At<float>(at_.loss)[i];
    lse[indices[i]] = At<float>(at_.lse)[i];
  }
  *loss += static_cast<float>(sum);
}

void HeadLoss::GradientOfChunk(const Worker& worker, const Size& size) const {
  const std::int64_t vocabulary = spec_.vocabulary;
  auto* logits = At<float>(at_.logits);
  CrossEntropyGradient({.logits = logits,
                        .stride = vocabulary,
                        .rows = size.rows,
                        .columns = vocabulary,
                        .labels = At<std::int32_t>(at_.labels),
                        .weights = At<float>(at_.weights),
                        .lse = At<float>(at_.lse),
                        .scale_pointer = dloss},
                       worker);
  if (!converts()) return;
  worker.Barrier();
  Convert({.source = logits,
           .source_dtype = DType::kF32,
           .target = At<void>(at_.dlogits),
           .target_dtype = spec_.compute,
           .rows = size.rows,
           .columns = vocabulary,
           .source_stride = vocabulary,
           .target_stride = vocabulary},
          worker);
}

void HeadLoss::Scatter(const Worker& worker, std::int64_t first, std::int64_t rows) const {
  const auto* indices = At<std::int32_t>(at_.indices) + first;
  const WorkRange share = worker.Range(rows);
  for (std::int64_t i = share.begin; i < share.end; ++i) {
    std::memcpy(dx + indices[i] * spec_.width, At<float>(at_.dx) + i * spec_.width,
                static_cast<std::size_t>(spec_.width) * sizeof(float));
  }
}

}  // namespace attune::cpu
