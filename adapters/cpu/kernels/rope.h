// Rotary position embedding. Contract as in cpu/kernels/elementwise.h.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

enum class RopeMode : std::uint8_t {
  kRotateHalf,   // pairs (i, i + head_dim / 2): GPT-NeoX, Hugging Face Llama
  kInterleaved,  // pairs (2i, 2i + 1): llama2.c, Meta's Llama
};

struct RopeArgs {
  const float* x = nullptr;  // [tokens, heads * head_dim]
  float* y = nullptr;        // same shape, may be x
  std::int64_t x_stride = 0;
  std::int64_t y_stride = 0;
  // [tokens]. REQUIRES: each in [0, rows of table).
  const std::int32_t* positions = nullptr;
  // [max_positions, head_dim]: cosines of the head_dim / 2 pairs, then sines.
  const float* table = nullptr;
  std::int64_t tokens = 0;
  std::int64_t heads = 0;
  std::int64_t head_dim = 0;  // even
  RopeMode mode = RopeMode::kRotateHalf;
  // Rotates by the negative angle: the gradient.
  bool inverse = false;
};
// (y0, y1) = (x0 cos - x1 sin, x0 sin + x1 cos) for every pair.
void Rope(const RopeArgs& args, const Worker& worker);

}  // namespace attune::cpu
