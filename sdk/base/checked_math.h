// Arithmetic on sizes that come from outside: overflow is an answer, not a wrap.

#pragma once

#include <cstdint>
#include <optional>

namespace attune {

template <typename T>
[[nodiscard]] std::optional<T> CheckedAdd(T a, T b) {
  T out;
  if (__builtin_add_overflow(a, b, &out)) return std::nullopt;
  return out;
}

template <typename T>
[[nodiscard]] std::optional<T> CheckedMul(T a, T b) {
  T out;
  if (__builtin_mul_overflow(a, b, &out)) return std::nullopt;
  return out;
}

// The smallest multiple of `unit` that is at least `n`. REQUIRES: unit > 0.
constexpr std::int64_t RoundUp(std::int64_t n, std::int64_t unit) {
  return (n + unit - 1) / unit * unit;
}
constexpr std::int64_t CeilDiv(std::int64_t n, std::int64_t unit) { return (n + unit - 1) / unit; }

}  // namespace attune
