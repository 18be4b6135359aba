// Softmax and argmax over rows. Contract as in cpu/kernels/elementwise.h.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct SoftmaxArgs {
  const float* x = nullptr;  // [rows, columns]
  float* y = nullptr;        // [rows, columns], may be x
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t x_stride = 0;
  std::int64_t y_stride = 0;
};
// y = exp(x - max(x)) / sum(exp(x - max(x))).
void Softmax(const SoftmaxArgs& args, const Worker& worker);

struct SoftmaxBackwardArgs {
  const float* y = nullptr;  // the forward's result
  const float* dy = nullptr;
  float* dx = nullptr;  // may be dy
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t y_stride = 0;
  std::int64_t dy_stride = 0;
  std::int64_t dx_stride = 0;
};
// dx = y * (dy - sum(dy * y)).
void SoftmaxBackward(const SoftmaxBackwardArgs& args, const Worker& worker);

struct ArgmaxArgs {
  const float* x = nullptr;
  std::int32_t* index = nullptr;  // [rows]
  std::int64_t rows = 0;
  std::int64_t columns = 0;  // at least 1, below 2^31
  std::int64_t x_stride = 0;
};
// The first index of the row's largest value; NaNs are never chosen unless the
// row starts with one.
void Argmax(const ArgmaxArgs& args, const Worker& worker);

}  // namespace attune::cpu
