// The rank-r products of LoRA: y += s * (x A^T) B^T and its gradients, with
// A[rank, in], B[out, rank] and rank in 1..kLoraMaxRank. Each kernel reads the
// wide matrix (x, y, dy or dx) once. Contract as in cpu/kernels/elementwise.h.

#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

inline constexpr std::int64_t kLoraMaxRank = 64;
// Columns of the wide matrix worked on at once, and tokens that then stay in
// the L2 cache between two products: 64 * 1024 floats are 256 KiB.
inline constexpr std::int64_t kLoraColumnBlock = 1024;
inline constexpr std::int64_t kLoraTokenBlock = 64;

struct LoraDownArgs {
  const float* x = nullptr;  // [tokens, in]
  std::int64_t x_stride = 0;
  const float* a = nullptr;  // [rank, in]
  float* h = nullptr;        // [tokens, rank], dense
  std::int64_t tokens = 0;
  std::int64_t in = 0;
  std::int64_t rank = 0;
};
// h = x A^T. Split by tokens.
void LoraDown(const LoraDownArgs& args, const Worker& worker);
std::size_t LoraDownScratchBytes(const LoraDownArgs& args);

struct LoraUpArgs {
  const float* h = nullptr;  // [tokens, rank], dense
  const float* b = nullptr;  // [out, rank]
  float* y = nullptr;        // [tokens, out], added to
  std::int64_t y_stride = 0;
  float scale = 1.0f;
  std::int64_t tokens = 0;
  std::int64_t out = 0;
  std::int64_t rank = 0;
};
// y += scale * h B^T. Split by columns of y.
void LoraUp(const LoraUpArgs& args, const Worker& worker);
std::size_t LoraUpScratchBytes(const LoraUpArgs& args);

struct LoraUpBackwardArgs {
  const float* dy = nullptr;  // [tokens, out]
  std::int64_t dy_stride = 0;
  const float* h = nullptr;  // [tokens, rank], dense
  const float* b = nullptr;  // [out, rank]
  float* db = nullptr;       // [out, rank]
  float* dh = nullptr;       // [tokens, rank], overwritten
  bool accumulate_db = false;
  float scale = 1.0f;
  std::int64_t tokens = 0;
  std::int64_t out = 0;
  std::int64_t rank = 0;
  // Shared by all workers, LoraUpBackwardWorkspaceBytes() bytes.
  float* workspace = nullptr;
};
// db (+)= scale * dy^T h; dh = scale * dy B. One pass over dy, split by its
// columns; the workers' parts of dh are summed in worker order.
void LoraUpBackward(const LoraUpBackwardArgs& args, const Worker& worker);
std::size_t LoraUpBackwardScratchBytes(const LoraUpBackwardArgs& args);
std::size_t LoraUpBackwardWorkspaceBytes(std::int64_t tokens, std::int64_t rank, int workers);

struct LoraDownBackwardArgs {
  const float* x = nullptr;  // [tokens, in]
  std::int64_t x_stride = 0;
  const float* dh = nullptr;  // [tokens, rank], dense
  const float* a = nullptr;   // [rank, in]
  float* da = nullptr;        // [rank, in], optional
  bool accumulate_da = false;
  float* dx = nullptr;  // [tokens, in], added to; optional
  std::int64_t dx_stride = 0;
  std::int64_t tokens = 0;
  std::int64_t in = 0;
  std::int64_t rank = 0;
};
// da (+)= dh^T x; dx += dh A. Split by columns of x.
void LoraDownBackward(const LoraDownBackwardArgs& args, const Worker& worker);
std::size_t LoraDownBackwardScratchBytes(const LoraDownBackwardArgs& args);

}  // namespace attune::cpu
