// Weight updates and the two reductions over gradients that precede them.
// Contract as in cpu/kernels/elementwise.h.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct AdamWArgs {
  float* parameter = nullptr;
  float* first_moment = nullptr;
  float* second_moment = nullptr;
  const float* gradient = nullptr;
  std::int64_t n = 0;
  float learning_rate = 0.0f;
  float beta1 = 0.9f;
  float beta2 = 0.999f;
  float epsilon = 1e-8f;
  float weight_decay = 0.0f;
  // 1 - beta^step, for the step being taken.
  float bias_correction1 = 1.0f;
  float bias_correction2 = 1.0f;
  // Multiplies the gradient first: unscaling and clipping.
  float gradient_scale = 1.0f;
};
// g = gradient * gradient_scale; m = beta1 m + (1 - beta1) g;
// v = beta2 v + (1 - beta2) g^2; p = p - learning_rate * weight_decay * p
//   - learning_rate * (m / bias_correction1)
//     / (sqrt(v / bias_correction2) + epsilon).
// Elementwise: the bits do not depend on the worker count.
void AdamW(const AdamWArgs& args, const Worker& worker);

struct SgdArgs {
  float* parameter = nullptr;
  float* momentum = nullptr;  // null when momentum_factor is 0
  const float* gradient = nullptr;
  std::int64_t n = 0;
  float learning_rate = 0.0f;
  float momentum_factor = 0.0f;
  float weight_decay = 0.0f;
  float gradient_scale = 1.0f;
};
// g = gradient * gradient_scale + weight_decay * p;
// momentum = momentum_factor * momentum + g; p -= learning_rate * momentum.
void Sgd(const SgdArgs& args, const Worker& worker);

struct SumOfSquaresArgs {
  const float* x = nullptr;
  std::int64_t n = 0;
  // [worker count], shared by all workers.
  double* partials = nullptr;
  double* sum = nullptr;
  // Adds to *sum instead of replacing it.
  bool accumulate = false;
};
// *sum (+)= sum of x^2, in double throughout. Ends with a barrier inside: all
// workers may read *sum only after the executable's next one.
void SumOfSquares(const SumOfSquaresArgs& args, const Worker& worker);

struct FindNonFiniteArgs {
  const float* x = nullptr;
  std::int64_t n = 0;
  // [worker count], shared by all workers.
  bool* partials = nullptr;
  bool* found = nullptr;
  // Ors into *found instead of replacing it.
  bool accumulate = false;
};
// *found = some x is an infinity or a NaN.
void FindNonFinite(const FindNonFiniteArgs& args, const Worker& worker);

}  // namespace attune::cpu
