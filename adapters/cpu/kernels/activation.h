// Activation functions and the gated pair of Llama's MLP, forward and backward.
// Aliasing and contract as in cpu/kernels/elementwise.h.
//
// Accuracy: exp, tanh and erf are within 2e-6 relative of the exact value
// (tests/unit/kernels/activation_test.cc prints and bounds the maximum).

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

enum class Activation : std::uint8_t {
  kSilu,      // x * sigmoid(x)
  kGelu,      // x * (1 + erf(x / sqrt 2)) / 2
  kGeluTanh,  // x * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))) / 2
  kRelu,      // max(x, 0); derivative 0 at 0
  kTanh,
  kSigmoid,
};

struct ActivationArgs {
  Activation kind = Activation::kSilu;
  const float* x = nullptr;
  float* y = nullptr;
  std::int64_t n = 0;
};
// y[n] = f(x[n]).
void ActivationForward(const ActivationArgs& args, const Worker& worker);

struct ActivationBackwardArgs {
  Activation kind = Activation::kSilu;
  const float* x = nullptr;
  const float* dy = nullptr;
  float* dx = nullptr;
  std::int64_t n = 0;
};
// dx[n] = dy[n] * f'(x[n]), from the forward's input.
void ActivationBackward(const ActivationBackwardArgs& args, const Worker& worker);

// Strides in elements, so that the two halves of a fused [rows, 2 * columns]
// projection can be given.
struct SwigluArgs {
  const float* gate = nullptr;
  const float* up = nullptr;
  float* y = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t gate_stride = 0;
  std::int64_t up_stride = 0;
  std::int64_t y_stride = 0;
};
// y = silu(gate) * up.
void SwigluForward(const SwigluArgs& args, const Worker& worker);

struct SwigluBackwardArgs {
  const float* gate = nullptr;
  const float* up = nullptr;
  const float* dy = nullptr;
  // Either may be `dy`, `gate` or `up`.
  float* dgate = nullptr;
  float* dup = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t gate_stride = 0;
  std::int64_t up_stride = 0;
  std::int64_t dy_stride = 0;
  std::int64_t dgate_stride = 0;
  std::int64_t dup_stride = 0;
};
// dgate = dy * up * silu'(gate), dup = dy * silu(gate).
void SwigluBackward(const SwigluBackwardArgs& args, const Worker& worker);

}  // namespace attune::cpu
