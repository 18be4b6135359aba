// A Shape is the extents of a dense row-major tensor, outermost first; rank 0
// is a scalar. Extents are never negative.

#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "base/check.h"

namespace attune {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> extents) {
    ATTUNE_CHECK(extents.size() <= kMaxRank);
    for (std::int64_t extent : extents) {
      ATTUNE_CHECK(extent >= 0);
      extents_[rank_++] = extent;
    }
  }
  // REQUIRES: extents.size() <= kMaxRank, none negative.
  explicit Shape(std::span<const std::int64_t> extents) {
    ATTUNE_CHECK(extents.size() <= kMaxRank);
    for (std::int64_t extent : extents) extents_[rank_++] = extent;
  }

  int rank() const { return rank_; }
  std::int64_t operator[](int axis) const { return extents_[axis]; }
  std::int64_t back() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }

  std::int64_t elements() const {
    std::int64_t product = 1;
    for (int axis = 0; axis < rank_; ++axis) product *= extents_[axis];
    return product;
  }
  // Product of all extents but the last: the rows of a row-major matrix.
  std::int64_t rows() const { return back() == 0 ? 0 : elements() / back(); }

  bool operator==(const Shape& other) const = default;

  // "[2, 3]".
  std::string ToString() const;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  int rank_ = 0;
};

}  // namespace attune
