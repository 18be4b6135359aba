#include "ane/simulator/ops/patches.h"

#include <algorithm>

namespace attune::ane {
namespace {

// Which element a tap sees at a position along one axis; -1 over the edge.
std::int64_t Seen(const PatchShape& shape, std::size_t axis, std::int64_t tap,
                  std::int64_t position) {
  const std::int64_t at =
      position * shape.strides[axis] + tap * shape.dilations[axis] - shape.before[axis];
  return at < 0 || at >= shape.extents[axis] ? -1 : at;
}

void CopyRow(const PatchShape& shape, std::int64_t tap, const float* from, float* to) {
  const std::int64_t z_tap = tap / (shape.kernel[1] * shape.kernel[2]);
  const std::int64_t y_tap = tap / shape.kernel[2] % shape.kernel[1];
  const std::int64_t x_tap = tap % shape.kernel[2];
  const std::int64_t width = shape.results[2];
  for (std::int64_t z = 0; z < shape.results[0]; ++z) {
    for (std::int64_t y = 0; y < shape.results[1]; ++y, to += width) {
      const std::int64_t plane = Seen(shape, 0, z_tap, z);
      const std::int64_t row = Seen(shape, 1, y_tap, y);
      if (plane < 0 || row < 0) {
        std::fill(to, to + width, 0.0f);
        continue;
      }
      const float* line = from + (plane * shape.extents[1] + row) * shape.extents[2];
      for (std::int64_t x = 0; x < width; ++x) {
        const std::int64_t at = Seen(shape, 2, x_tap, x);
        to[x] = at < 0 ? 0.0f : line[at];
      }
    }
  }
}

}  // namespace

void CopyPatches(const PatchShape& shape, const float* x, float* patches, std::int64_t begin,
                 std::int64_t end) {
  const std::int64_t taps = shape.taps();
  const std::int64_t elements = shape.extents[0] * shape.extents[1] * shape.extents[2];
  const std::int64_t positions = shape.results[0] * shape.results[1] * shape.results[2];
  for (std::int64_t row = begin; row < end; ++row) {
    CopyRow(shape, row % taps, x + row / taps * elements, patches + row * positions);
  }
}

}  // namespace attune::ane
