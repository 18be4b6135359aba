// FNV-1a over 64-bit words: tells accidental differences apart, no more.

#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

namespace attune {

class Fnv1a {
 public:
  void Add(std::uint64_t word) {
    for (int byte = 0; byte < 8; ++byte) Byte(static_cast<std::uint8_t>(word >> (8 * byte)));
  }
  void Add(double number) { Add(std::bit_cast<std::uint64_t>(number)); }
  void Add(std::string_view text) {
    Add(std::uint64_t{text.size()});
    for (char c : text) Byte(static_cast<std::uint8_t>(c));
  }
  std::uint64_t value() const { return value_; }

 private:
  void Byte(std::uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001b3u; }

  std::uint64_t value_ = 0xcbf29ce484222325u;
};

}  // namespace attune
