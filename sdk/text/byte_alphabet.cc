#include "text/byte_alphabet.h"

#include "text/utf8.h"

namespace attune {

namespace {

constexpr bool PrintsAsItself(int byte) {
  return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

constexpr std::array<char32_t, 256> MakeAlphabet() {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    alphabet[static_cast<std::size_t>(byte)] =
        PrintsAsItself(byte) ? static_cast<char32_t>(byte) : next++;
  }
  return alphabet;
}
constexpr std::array<char32_t, 256> kAlphabet = MakeAlphabet();

// From code point to byte, -1 for characters outside. U+0143 is the last one.
constexpr std::size_t kInverseSize = 0x144;
constexpr std::array<std::int16_t, kInverseSize> MakeInverse() {
  std::array<std::int16_t, kInverseSize> inverse{};
  for (auto& byte : inverse) byte = -1;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    inverse[kAlphabet[byte]] = static_cast<std::int16_t>(byte);
  }
  return inverse;
}
constexpr std::array<std::int16_t, kInverseSize> kInverse = MakeInverse();

}  // namespace

const std::array<char32_t, 256>& ByteAlphabet() { return kAlphabet; }

std::string SpellBytes(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const char byte : bytes) AppendUtf8(kAlphabet[static_cast<unsigned char>(byte)], &out);
  return out;
}

std::optional<std::string> UnspellBytes(std::string_view spelling) {
  std::string out;
  out.reserve(spelling.size());
  bool inside = true;
  ForEachCharacter(spelling, [&](char32_t code_point, std::string_view) {
    inside = inside && code_point < kInverseSize && kInverse[code_point] >= 0;
    if (inside) out.push_back(static_cast<char>(kInverse[code_point]));
  });
  if (!inside) return std::nullopt;
  return out;
}

}  // namespace attune
