// RMSNorm and LayerNorm over the last axis, forward and backward.
// Contract as in cpu/kernels/elementwise.h. Row statistics are summed in f32,
// one accumulator per vector lane.

#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct RmsNormArgs {
  const float* x = nullptr;       // [rows, columns]
  const float* weight = nullptr;  // [columns]
  float* y = nullptr;             // [rows, columns], may be x
  float* rstd = nullptr;          // [rows], optional
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float epsilon = 1e-5f;
};
// rstd = 1 / sqrt(mean(x^2) + epsilon); y = x * rstd * weight.
void RmsNormForward(const RmsNormArgs& args, const Worker& worker);

struct RmsNormBackwardArgs {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* dy = nullptr;
  // The forward's; null recomputes it from x and epsilon.
  const float* rstd = nullptr;
  // Added to dx when non-null (the residual's gradient); may be dx.
  const float* add = nullptr;
  // [rows, columns], optional, may be dy if dweight is null.
  float* dx = nullptr;
  float* dweight = nullptr;  // [columns], optional
  bool accumulate_dweight = false;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float epsilon = 1e-5f;
};
// With xh = x * rstd and g = dy * weight: dx = rstd * (g - xh * mean(g * xh))
// [+ add]; dweight (+)= sum over rows of dy * xh, split by columns.
void RmsNormBackward(const RmsNormBackwardArgs& args, const Worker& worker);
std::size_t RmsNormBackwardScratchBytes(const RmsNormBackwardArgs& args);

struct LayerNormArgs {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* bias = nullptr;  // optional
  float* y = nullptr;           // may be x
  float* mean = nullptr;        // [rows], optional
  float* rstd = nullptr;        // [rows], optional
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float epsilon = 1e-5f;
};
// xh = (x - mean) * rstd, rstd = 1 / sqrt(var + epsilon) with the population
// variance; y = xh * weight + bias.
void LayerNormForward(const LayerNormArgs& args, const Worker& worker);

struct LayerNormBackwardArgs {
  const float* x = nullptr;
  const float* weight = nullptr;
  const float* dy = nullptr;
  // The forward's, both or neither; null recomputes.
  const float* mean = nullptr;
  const float* rstd = nullptr;
  const float* add = nullptr;  // as in RmsNormBackwardArgs
  float* dx = nullptr;         // optional, may be dy if dweight and dbias are null
  float* dweight = nullptr;    // optional
  float* dbias = nullptr;      // optional
  // For both.
  bool accumulate_dweight = false;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  float epsilon = 1e-5f;
};
// With g = dy * weight: dx = rstd * (g - mean(g) - xh * mean(g * xh)) [+ add];
// dweight (+)= sum of dy * xh; dbias (+)= sum of dy.
void LayerNormBackward(const LayerNormBackwardArgs& args, const Worker& worker);
std::size_t LayerNormBackwardScratchBytes(const LayerNormBackwardArgs& args);

}  // namespace attune::cpu
