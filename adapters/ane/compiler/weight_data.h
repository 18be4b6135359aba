// The numbers of weights, in the element type of a program.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ane/compiler/ir.h"
#include "ane/device/device.h"
#include "attune/status.h"

namespace attune::ane {

// Row-major. REQUIRES: out has the weight's elements of `element`, all zero.
//
//   kInvalidArgument  a finite number that fp16 cannot hold; the weight's name
Status FillElements(const Weight& weight, ElementType element, std::span<std::byte> out);

// Rows as integers from -127 to 127 and a scale for each: number = integer * scale,
// the largest of a row 127. A row of zeros has scale 1.
struct Int8Weight {
  std::vector<std::int8_t> data;
  std::vector<float> scales;  // fp16 numbers for programs of fp16.
};
Result<Int8Weight> QuantizeRows(const Weight& weight, ElementType element);

inline constexpr std::int64_t kPaletteColours = 16;

// Rows as indices into sixteen numbers of their own, which lie where a row's are (least
// squares, by Lloyd's iteration from its quantiles).
struct PaletteWeight {
  std::vector<std::byte> indices;  // Four bits each, the first in the lower half.
  std::vector<float> palettes;     // By row; fp16 numbers for programs of fp16.
};
Result<PaletteWeight> PaletteRows(const Weight& weight, ElementType element);

// Whether both stand for the same numbers in the same dims: from the same bytes in
// memory or, for small constants of the compiler, from equal ones.
bool SameNumbers(const Weight& a, const Weight& b);

}  // namespace attune::ane
