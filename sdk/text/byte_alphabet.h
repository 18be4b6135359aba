// The alphabet in which byte-level tokenizers spell their tokens: one printable
// character a byte. Bytes that print as themselves keep their code point; the
// other 68 take U+0100 and up, in order ("Ġ" is the space, "Ċ" the newline).

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace attune {

// The character that spells each byte.
const std::array<char32_t, 256>& ByteAlphabet();

std::string SpellBytes(std::string_view bytes);

// Empty if a character is not of the alphabet.
std::optional<std::string> UnspellBytes(std::string_view spelling);

}  // namespace attune
