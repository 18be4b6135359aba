// How a chip computes, as far as it is known: docs/internals/ane.md, "Numerics",
// has the sources. Everything else is IEEE fp16, rounded to nearest even.

#pragma once

#include <cstdint>

#include "ane/device/target.h"

namespace attune::ane {

struct Numerics {
  // False: every result is kept in f32 and nothing below applies. Separates errors
  // of a compiler from those of the hardware.
  bool half = true;

  // --- Multiply-accumulate: convolution and matrix products ---

  bool round_products = false;  // Each product to fp16 before it is added.
  bool round_tiles = false;     // Sums of four products too, pair by pair.
  float smallest_product = 0;   // Products below are lost.
  float saturation = 32768;     // Results at or above become `saturated`.
  float saturated = 0;          // Infinity, or 0 on some chips; signed.
                                // Partial sums saturate likewise.

  // --- Elementwise, reductions, activations ---

  bool narrow_reduce = true;      // Sums are accumulated in fp16, in order.
  bool reduce_ties_up = false;    // Ties of that accumulation away from even.
  bool table_activations = true;  // sigmoid, tanh, gelu, silu: 33-knot tables.
  bool nan_to_infinity = true;    // NaN operands become +inf; inf-inf, 0*inf are 0.

  // --- Attention ---

  bool mask_ignored = true;  // The op's attn_mask has no effect on this path.
  // With so many queries and keys, or more than the second of either, the op's result
  // is wrong: every key weighs the same. 0: never.
  std::int64_t attention_length = 512, attention_most = 2048;

  // --- Convolution ---

  bool weight_input_ignored = true;  // A parameter as the weight counts as zeros.

  // --- Layout ---

  // Slices of the width axis that begin above 0 clamp values to +-this; 0: exact.
  float width_slice_clamp = 0;
  // Where an input or output is narrower than this, all results are zero; 0: never.
  std::int64_t zero_below_width = 0;
  bool sole_identity_is_nan = false;  // Of a function whose only result is an identity.
};

Numerics NumericsOf(Chip chip);
Numerics ExactNumerics();

}  // namespace attune::ane
