// Bytes of safetensors files as an attacker would make them: any header, any data.

#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace attune::testing {

inline std::string LittleEndian64(std::uint64_t value) {
  std::string bytes(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string LittleEndian32(std::uint32_t value) {
  return LittleEndian64(value).substr(0, 4);
}

inline std::string SafetensorsBytes(std::string_view header, std::string_view data) {
  return LittleEndian64(header.size()) + std::string(header) + std::string(data);
}

}  // namespace attune::testing
