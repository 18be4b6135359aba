// Softmax cross-entropy over rows of logits, whole or by chunks of columns.
// Contract as in cpu/kernels/elementwise.h. Split by rows.
//
// A negative label means "no label": loss 0, gradient 0. REQUIRES: label below
// the vocabulary size. `weights` null means 1 for every row.
//
// Chunked use, for logits [rows, vocab] that never exist at once:
//   for each chunk:  CrossEntropyChunk      folds it into the row state
//   then             CrossEntropyFinish     state -> loss, lse
//   for each chunk:  CrossEntropyGradient   with first_column = its offset

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct CrossEntropyArgs {
  const float* logits = nullptr;  // [rows, vocab]
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t vocab = 0;
  const std::int32_t* labels = nullptr;  // [rows]
  const float* weights = nullptr;        // [rows]
  float* loss = nullptr;                 // [rows]
  float* lse = nullptr;                  // [rows]
};
// lse = log(sum(exp(logits))); loss = weight * (lse - logits[label]).
void CrossEntropyForward(const CrossEntropyArgs& args, const Worker& worker);

struct CrossEntropyChunkArgs {
  const float* logits = nullptr;  // [rows, columns]
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  // Vocabulary index of column 0.
  std::int64_t first_column = 0;
  const std::int32_t* labels = nullptr;
  // Starts the row state anew instead of folding into it.
  bool first_chunk = false;
  // Row state, [rows] each: running maximum, sum of exp(logit - maximum), and
  // the label's logit once its chunk was seen.
  float* maximum = nullptr;
  float* sum = nullptr;
  float* label_logit = nullptr;
};
void CrossEntropyChunk(const CrossEntropyChunkArgs& args, const Worker& worker);

struct CrossEntropyFinishArgs {
  std::int64_t rows = 0;
  const std::int32_t* labels = nullptr;
  const float* weights = nullptr;
  const float* maximum = nullptr;
  const float* sum = nullptr;
  const float* label_logit = nullptr;
  float* loss = nullptr;  // may be one of the three above
  float* lse = nullptr;   // likewise
};
void CrossEntropyFinish(const CrossEntropyFinishArgs& args, const Worker& worker);

struct CrossEntropyGradientArgs {
  float* logits = nullptr;  // [rows, columns], replaced by the gradient
  std::int64_t stride = 0;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t first_column = 0;
  const std::int32_t* labels = nullptr;
  const float* weights = nullptr;
  const float* lse = nullptr;
  float scale = 1.0f;
  // Read at run time and multiplied into `scale` when non-null.
  const float* scale_pointer = nullptr;
};
// logits = (exp(logits - lse) - [column == label]) * weight * scale.
void CrossEntropyGradient(const CrossEntropyGradientArgs& args, const Worker& worker);

}  // namespace attune::cpu
