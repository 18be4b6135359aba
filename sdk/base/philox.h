// Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random
// numbers: as easy as 1, 2, 3" (SC 2011). A stream is a pure function of its key
// and counter, so its whole state is two numbers that a checkpoint can hold.

#pragma once

#include <array>
#include <cstdint>

namespace attune {

// The block function: 128 bits out of a 128-bit counter and a 64-bit key.
std::array<std::uint32_t, 4> Philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

// A sequential stream. Two streams with different (seed, stream) never overlap.
class Philox {
 public:
  explicit Philox(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint32_t NextU32();
  // Uniform in [0, 1), 24 bits.
  float NextFloat();
  // Standard normal (Box-Muller; two draws a call).
  float NextNormal();
  // Uniform in [0, bound) without modulo bias. REQUIRES: bound > 0.
  std::uint32_t NextBelow(std::uint32_t bound);

  // Position in the stream, in 32-bit draws. Restoring it resumes exactly.
  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t position) { position_ = position; }

 private:
  std::uint64_t seed_;
  std::uint64_t stream_;
  std::uint64_t position_ = 0;
};

}  // namespace attune
