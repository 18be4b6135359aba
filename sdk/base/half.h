// Conversions between f32 and the two 16-bit formats, round to nearest even.
// fp16 is IEEE 754 binary16; bf16 is the upper half of an f32.

#pragma once

#include <bit>
#include <cstdint>

namespace attune {

inline float F32FromBf16(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

inline std::uint16_t Bf16FromF32(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  // Rounding could carry a NaN's payload into the exponent: keep it quiet.
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

float F32FromF16(std::uint16_t bits);
std::uint16_t F16FromF32(float value);

}  // namespace attune
