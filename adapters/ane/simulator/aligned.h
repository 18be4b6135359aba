// An array of f32 that begins on a cache line.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "base/checked_math.h"

namespace attune::ane {

class AlignedFloats {
 public:
  AlignedFloats() = default;
  // Zeros. REQUIRES: n >= 0, bounded by the caller.
  explicit AlignedFloats(std::int64_t n) : size_(n) {
    const auto bytes = static_cast<std::size_t>(RoundUp(n * 4 + 64, 64));
    data_.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (data_ == nullptr) std::abort();
    std::fill(data_.get(), data_.get() + bytes / sizeof(float), 0.0f);
  }
  float* data() const { return data_.get(); }
  std::int64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  std::unique_ptr<float, Free> data_;
  std::int64_t size_ = 0;
};

}  // namespace attune::ane
