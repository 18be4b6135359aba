// Compression of numbers and of bytes: of a block of numbers, first all the first
// bytes, then all the second ones, and so on (planes, also called byte shuffle),
// each plane by zstd if that pays. docs/formats/vault.md section 5.
//
// Threads: pure functions, but for the class.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"

namespace attune {

// NOTE: values are stored. Append, never renumber.
enum class Codec : std::uint8_t {
  kStored = 0,
  kZstd = 1,
  kShuffleZstd = 2,
};

struct Compressed {
  Codec codec = Codec::kStored;
  std::string bytes;
};

// `width` is the bytes of an element: 1, 2, 4 or 8. Elements of one byte are
// compressed as they are, wider ones by planes; a rest of less than an element is
// kept as it is. kStored where that saves less than a 32nd.
Compressed Compress(std::span<const std::byte> bytes, std::uint8_t width);

// The same for many things one after the other, in the same memory.
// Threads: one at a time.
class Compressor {
 public:
  Compressor();
  ~Compressor();
  // Appends what Compress() makes to `out`.
  Codec Append(std::span<const std::byte> bytes, std::uint8_t width, std::string* out);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// The inverse. `size` is what it must come to: nothing larger is ever made, and
// nothing at all for a `size` that so few bytes cannot come to.
//
//   kDataLoss  the bytes are no such compression of `size` bytes
Result<std::string> Decompress(Codec codec, std::string_view bytes, std::uint8_t width,
                               std::uint64_t size);

// `size` padded so that little is told of it: at most 12 % more, and only
// O(log log size) bits of the size remain. Padme of Nikitin, Barman, Lueks,
// Underwood, Hubaux and Ford, "Reducing Metadata Leakage from Encrypted Files and
// Communication with PURBs", PoPETs 2019(4), section 4: with
// E = floor(log2 size) and S = floor(log2 E) + 1, the low E - S bits are rounded
// up to zeros.
// REQUIRES: size < 2^63.
std::uint64_t PaddedSize(std::uint64_t size);

}  // namespace attune
