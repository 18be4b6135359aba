// Strings as the bytes they hold, and back. Nothing is copied.

#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace attune {

inline std::span<const std::byte> AsBytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}
inline std::string_view AsText(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace attune
