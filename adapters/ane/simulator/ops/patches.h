// What a convolution's kernel sees at each position, as rows of a matrix.

#pragma once

#include <array>
#include <cstdint>

namespace attune::ane {

struct PatchShape {
  std::int64_t channels = 1;
  std::array<std::int64_t, 3> extents{1, 1, 1}, kernel{1, 1, 1}, strides{1, 1, 1},
      dilations{1, 1, 1}, before{0, 0, 0}, results{1, 1, 1};

  std::int64_t taps() const { return kernel[0] * kernel[1] * kernel[2]; }
  // Whether x itself is that matrix.
  bool plain() const {
    const std::array<std::int64_t, 3> ones{1, 1, 1};
    return kernel == ones && strides == ones && extents == results;
  }
};

// Rows [begin, end) of channels * taps, each with the results' positions; zeros where
// the kernel reaches over the edge.
void CopyPatches(const PatchShape& shape, const float* x, float* patches, std::int64_t begin,
                 std::int64_t end);

}  // namespace attune::ane
