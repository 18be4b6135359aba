#include "base/philox.h"

#include <cmath>

namespace attune {

std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> c,
                                        std::array<std::uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k[0], static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k[1], static_cast<std::uint32_t>(p0)};
    k[0] += 0x9E3779B9;
    k[1] += 0xBB67AE85;
  }
  return c;
}

std::uint32_t Philox::NextU32() {
  const std::uint64_t block = position_ / 4;
  const auto out =
      Philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                  static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                 {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
  return out[position_++ % 4];
}

float Philox::NextFloat() { return static_cast<float>(NextU32() >> 8) * 0x1p-24f; }

float Philox::NextNormal() {
  const double u = (static_cast<double>(NextU32()) + 1.0) * 0x1p-32;
  const double v = static_cast<double>(NextU32()) * 0x1p-32;
  return static_cast<float>(std::sqrt(-2.0 * std::log(u)) * std::cos(6.283185307179586 * v));
}

std::uint32_t Philox::NextBelow(std::uint32_t bound) {
  // Lemire's multiply-shift; rejects the biased low products.
  const std::uint32_t threshold = (0u - bound) % bound;
  while (true) {
    const std::uint64_t product = std::uint64_t{NextU32()} * bound;
    if (static_cast<std::uint32_t>(product) >= threshold)
      return static_cast<std::uint32_t>(product >> 32);
  }
}

}  // namespace attune
