// Token embedding: gather, and its gradient. Contract as in
// cpu/kernels/elementwise.h.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"
#include "tensor/dtype.h"

namespace attune::cpu {

struct EmbeddingArgs {
  const void* table = nullptr;  // [vocab, dim]
  DType dtype = DType::kF32;    // f32, bf16 or f16
  // [tokens]. REQUIRES: each in [0, vocab).
  const std::int32_t* ids = nullptr;
  float* y = nullptr;  // [tokens, dim]
  std::int64_t tokens = 0;
  std::int64_t dim = 0;
};
// y[t] = table[ids[t]], widened to f32.
void EmbeddingForward(const EmbeddingArgs& args, const Worker& worker);

struct EmbeddingBackwardArgs {
  const float* dy = nullptr;          // [tokens, dim]
  const std::int32_t* ids = nullptr;  // [tokens], as above
  float* dtable = nullptr;            // [vocab, dim], added to
  std::int64_t tokens = 0;
  std::int64_t dim = 0;
};
// dtable[ids[t]] += dy[t], in token order. Split by columns: the bits do not
// depend on the worker count.
void EmbeddingBackward(const EmbeddingBackwardArgs& args, const Worker& worker);

}  // namespace attune::cpu
