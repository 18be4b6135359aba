#include "tensor/tensor.h"

#include <cstring>

#include "base/half.h"
#include "base/strings.h"

namespace attune {

std::string_view DTypeName(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kF16:
      return "f16";
    case DType::kBf16:
      return "bf16";
    case DType::kI32:
      return "i32";
    case DType::kF64:
      return "f64";
  }
  return "?";
}

std::string Shape::ToString() const {
  return StrCat("[", StrJoin(std::span(extents_).first(static_cast<std::size_t>(rank_)), ", "),
                "]");
}

std::span<const float> TensorView::f32() const {
  ATTUNE_CHECK(dtype == DType::kF32);
  return {reinterpret_cast<const float*>(data), static_cast<std::size_t>(shape.elements())};
}

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(shape) {
  const auto size = static_cast<std::size_t>(bytes());
  data_.reset(static_cast<std::byte*>(::operator new (size, std::align_val_t{kTensorAlignment})));
  std::memset(data_.get(), 0, size);
}

std::span<float> Tensor::f32() {
  ATTUNE_CHECK(dtype_ == DType::kF32);
  return {reinterpret_cast<float*>(data_.get()), static_cast<std::size_t>(shape_.elements())};
}

std::span<std::int32_t> Tensor::i32() {
  ATTUNE_CHECK(dtype_ == DType::kI32);
  return {reinterpret_cast<std::int32_t*>(data_.get()),
          static_cast<std::size_t>(shape_.elements())};
}

float ElementAsF32(const TensorView& tensor, std::int64_t i) {
  const std::byte* at = tensor.data + i * SizeOf(tensor.dtype);
  std::uint16_t half = 0;
  switch (tensor.dtype) {
    case DType::kF32: {
      float value;
      std::memcpy(&value, at, sizeof value);
      return value;
    }
    case DType::kF64: {
      double value;
      std::memcpy(&value, at, sizeof value);
      return static_cast<float>(value);
    }
    case DType::kF16:
      std::memcpy(&half, at, sizeof half);
      return F32FromF16(half);
    case DType::kBf16:
      std::memcpy(&half, at, sizeof half);
      return F32FromBf16(half);
    case DType::kI32:
      break;
  }
  ATTUNE_CHECK(false && "not a float tensor");
  return 0;
}

Tensor ToF32(const TensorView& tensor) {
  Tensor out(DType::kF32, tensor.shape);
  if (tensor.dtype == DType::kF32) {
    if (tensor.bytes() != 0)
      std::memcpy(out.data(), tensor.data, static_cast<std::size_t>(tensor.bytes()));
    return out;
  }
  auto values = out.f32();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = ElementAsF32(tensor, static_cast<std::int64_t>(i));
  }
  return out;
}

}  // namespace attune
