#include "ane/simulator/numerics.h"

#include <limits>

namespace attune::ane {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kSmallestNormal = 0x1p-14f;  // Of fp16.
constexpr float kSmallestAdded = 0x1p-16f;   // What the oldest accumulators still see.

// The A14 class: products and groups of four are rounded to fp16.
Numerics Generation13() {
  Numerics n;
  n.round_products = true;
  n.round_tiles = true;
  n.smallest_product = kSmallestAdded;
  n.saturated = kInfinity;
  n.width_slice_clamp = 4094;
  return n;
}

// Nothing is published about its products: taken as wide, losing what its
// predecessor loses.
Numerics Generation14() {
  Numerics n;
  n.smallest_product = kSmallestAdded;
  n.saturated = kInfinity;
  n.reduce_ties_up = true;
  n.width_slice_clamp = 4094;
  return n;
}

Numerics Generation15() {
  Numerics n;
  n.round_products = true;
  n.smallest_product = kSmallestNormal;
  n.saturated = 0;
  n.reduce_ties_up = true;
  return n;
}

Numerics Generation16() {
  Numerics n;
  n.smallest_product = kSmallestNormal;
  n.saturated = kInfinity;
  return n;
}

Numerics Generation17() {
  Numerics n;
  n.saturated = kInfinity;
  n.reduce_ties_up = true;
  n.zero_below_width = 32;
  n.sole_identity_is_nan = true;
  return n;
}

}  // namespace

Numerics NumericsOf(Chip chip) {
  switch (chip) {
    case Chip::kM1:
      return Generation13();
    case Chip::kM2:
      return Generation14();
    case Chip::kM3Pro:
    case Chip::kM3Ultra:
    case Chip::kA17Pro:
      return Generation15();
    case Chip::kM4:
    case Chip::kM4Max:
    case Chip::kA18Pro:
      return Generation16();
    case Chip::kM5:
    case Chip::kM5Max:
      return Generation17();
  }
  return Generation16();
}

Numerics ExactNumerics() {
  Numerics n;
  n.half = false;
  n.saturation = kInfinity;
  n.saturated = kInfinity;
  n.narrow_reduce = false;
  n.table_activations = false;
  n.nan_to_infinity = false;
  n.mask_ignored = false;
  n.attention_length = n.attention_most = 0;
  n.weight_input_ignored = false;
  return n;
}

}  // namespace attune::ane
