// Arrays in NumPy's .npy format, version 1, 2 or 3: what other programs can read and
// write too.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

struct NpyArray {
  std::vector<std::int64_t> shape;
  std::vector<float> data;  // Row-major.
};

// Little-endian f2, f4, f8, i4 or i8 in C order, as f32. At most `limit` elements.
//
//   kDataLoss      no such header, or fewer bytes than the shape asks for
//   kUnsupported   another type or order; named
//   kResourceExhausted  more than `limit` elements
Result<NpyArray> ParseNpy(std::string_view bytes, std::int64_t limit);

// Version 1, f4.
std::string NpyBytes(std::span<const std::int64_t> shape, std::span<const float> data);

}  // namespace attune
