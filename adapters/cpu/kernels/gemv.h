// Linear layers on a few rows (decoding), at the speed of reading the weights
// once. Contract as in cpu/kernels/elementwise.h. Accumulates in f32.

#pragma once

#include <cstdint>
#include <span>

#include "cpu/kernels/worker.h"
#include "tensor/dtype.h"

namespace attune::cpu {

inline constexpr std::int64_t kGemvMaxRows = 8;

// One weight matrix and where its product goes.
struct GemvMatrix {
  const void* weights = nullptr;
  DType dtype = DType::kF32;  // f32, bf16 or f16
  // false: [out, in] row-major; true: [in, out] (GPT-2's Conv1D).
  bool transposed = false;
  std::int64_t out = 0;
  // Elements from one stored row to the next.
  std::int64_t weight_stride = 0;
  const float* bias = nullptr;  // [out], optional
  float* y = nullptr;           // [m, out]; overlaps neither x nor the bias
  std::int64_t y_stride = 0;
  // Adds to y instead of replacing it.
  bool accumulate = false;
};

// Matrices that read the same x (q, k, v; gate, up) go in one call: one
// balanced split over all their rows, no barrier between them.
struct GemvArgs {
  const float* x = nullptr;  // [m, in]
  std::int64_t x_stride = 0;
  std::int64_t m = 1;  // 1..kGemvMaxRows
  std::int64_t in = 0;
  std::span<const GemvMatrix> matrices;
};
// For each matrix: y[m, out] (+)= x[m, in] * W^T (+ bias).
void Gemv(const GemvArgs& args, const Worker& worker);

}  // namespace attune::cpu
