// TensorView is a typed, shaped look at bytes that somebody else owns;
// Tensor owns them, 64-byte aligned.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace attune {

inline constexpr std::size_t kTensorAlignment = 64;

struct TensorView {
  DType dtype = DType::kF32;
  Shape shape;
  const std::byte* data = nullptr;

  std::int64_t bytes() const { return shape.elements() * SizeOf(dtype); }
  std::span<const std::byte> span() const { return {data, static_cast<std::size_t>(bytes())}; }
  // REQUIRES: dtype is kF32 and data is aligned for it.
  std::span<const float> f32() const;
};

// Zero-filled on construction.
class Tensor {
 public:
  Tensor() = default;
  Tensor(DType dtype, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t bytes() const { return shape_.elements() * SizeOf(dtype_); }
  std::byte* data() { return data_.get(); }
  const std::byte* data() const { return data_.get(); }
  // REQUIRES: dtype() is kF32.
  std::span<float> f32();
  std::span<const float> f32() const { return view().f32(); }
  // REQUIRES: dtype() is kI32.
  std::span<std::int32_t> i32();
  TensorView view() const { return {dtype_, shape_, data_.get()}; }

 private:
  struct Free {
    void operator()(std::byte* p) const {
      ::operator delete (p, std::align_val_t{kTensorAlignment});
    }
  };
  DType dtype_ = DType::kF32;
  Shape shape_;
  std::unique_ptr<std::byte[], Free> data_;
};

// Element `i` of a float tensor of any float dtype, widened to f32. Slow: for
// set-up and tests.
float ElementAsF32(const TensorView& tensor, std::int64_t i);

// A copy widened to f32. REQUIRES: a float dtype.
Tensor ToF32(const TensorView& tensor);

}  // namespace attune
