// Scaled dot-product attention with grouped queries, in tiles: no tensor of
// queries times keys exists. Contract as in cpu/kernels/elementwise.h.
//
// Query head h reads key head h / (query_heads / key_heads). Row t of a batch
// entry sees the keys [lo, hi) of the same entry:
//   kFull     [0, keys)
//   kCausal   [0, t + keys - queries + 1), so the last row sees every key
//   kBounded  [lo[t], hi[t]), clamped to [0, keys)
// A row that sees no key gets out = 0 and lse = 0, and no gradient.

#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

enum class AttentionMask : std::uint8_t { kFull, kCausal, kBounded };

struct AttentionShape {
  std::int64_t batch = 1;
  std::int64_t queries = 0;  // rows per batch entry
  std::int64_t keys = 0;     // rows per batch entry
  std::int64_t query_heads = 1;
  std::int64_t key_heads = 1;  // divides query_heads
  std::int64_t head_dim = 0;
  AttentionMask mask = AttentionMask::kCausal;
  // Usually 1 / sqrt(head_dim).
  float scale = 1.0f;
};

// A matrix [batch * rows, heads * head_dim] of floats, possibly part of a
// wider one (a fused qkv) or of a larger one (a key/value cache).
struct AttentionInput {
  const float* data = nullptr;
  std::int64_t row_stride = 0;
  // From one batch entry to the next; 0 means rows * row_stride.
  std::int64_t batch_stride = 0;
};
struct AttentionOutput {
  float* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t batch_stride = 0;
};

struct AttentionArgs {
  AttentionShape shape;
  AttentionInput q, k, v;
  // [batch * queries] each; read for kBounded only.
  const std::int32_t* lo = nullptr;
  const std::int32_t* hi = nullptr;
  AttentionOutput out;   // overlaps no input
  float* lse = nullptr;  // [batch * queries, query_heads], optional
};
// s = scale * q k^T on visible keys; lse = log(sum(exp(s)));
// out = exp(s - lse) v.
void AttentionForward(const AttentionArgs& args, const Worker& worker);
std::size_t AttentionForwardScratchBytes(const AttentionShape& shape);

struct AttentionBackwardArgs {
  AttentionShape shape;
  AttentionInput q, k, v, out, dout;
  const float* lse = nullptr;
  const std::int32_t* lo = nullptr;
  const std::int32_t* hi = nullptr;
  // Overwritten. They overlap no input.
  AttentionOutput dq, dk, dv;
};
// p = exp(s - lse), dp = dout v^T, ds = scale * p * (dp - sum(dout * out));
// dq = ds k, dk = ds^T q, dv = p^T dout. Work is split by batch entry and key
// head, so more workers than batch * key_heads do not help.
void AttentionBackward(const AttentionBackwardArgs& args, const Worker& worker);
std::size_t AttentionBackwardScratchBytes(const AttentionShape& shape);

}  // namespace attune::cpu
