// Element types. Names and sizes are those of safetensors.

#pragma once

#include <cstdint>
#include <string_view>

namespace attune {

// NOTE: values may be stored. Append, never renumber.
enum class DType : std::uint8_t { kF32 = 0, kF16 = 1, kBf16 = 2, kI32 = 3, kF64 = 4 };

constexpr std::int64_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kF16:
    case DType::kBf16:
      return 2;
    case DType::kF32:
    case DType::kI32:
      return 4;
    case DType::kF64:
      return 8;
  }
  return 0;
}

// "f32", "f16", "bf16", "i32", "f64".
std::string_view DTypeName(DType dtype);

constexpr bool IsFloat(DType dtype) { return dtype != DType::kI32; }

}  // namespace attune
