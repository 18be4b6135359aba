#include "ports/crypto.h"

#include <cstring>

namespace attune {

bool EqualInConstantTime(ByteSpan a, ByteSpan b) {
  if (a.size() != b.size()) return false;
  // Volatile, so that no compiler finds out that it could stop early.
  volatile std::uint8_t difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = difference | std::to_integer<std::uint8_t>(a[i] ^ b[i]);
  }
  return difference == 0;
}

void Wipe(std::span<std::byte> bytes) {
  if (bytes.empty()) return;
  std::memset(bytes.data(), 0, bytes.size());
  // To the compiler somebody reads the zeros, so that it cannot drop them.
  __asm__ __volatile__("" : : "r"(bytes.data()) : "memory");
}

}  // namespace attune
