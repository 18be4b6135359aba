// UTF-8, byte by byte: reading, repairing and writing it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

// What stands at the start of some bytes: a character, or the longest prefix
// that no valid character starts with (Unicode, "maximal subpart").
struct Utf8Character {
  char32_t code_point = 0xFFFD;
  std::size_t length = 1;
  bool valid = false;
  // Invalid only because the bytes end too early.
  bool truncated = false;
};

// REQUIRES: !bytes.empty().
Utf8Character FirstCharacter(std::string_view bytes);

// Calls `visit(code_point, bytes of the character)` for each character of
// valid UTF-8.
template <typename Visit>
void ForEachCharacter(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const Utf8Character character = FirstCharacter(text);
    visit(character.code_point, text.substr(0, character.length));
    text.remove_prefix(character.length);
  }
}

bool IsValidUtf8(std::string_view bytes);

// Each maximal invalid sequence becomes U+FFFD.
std::string ReplaceInvalidUtf8(std::string_view bytes);

// How many bytes at the end are the beginning of a character: 0 to 3.
std::size_t UnfinishedSuffix(std::string_view bytes);

// REQUIRES: a code point that UTF-8 can carry.
void AppendUtf8(char32_t code_point, std::string* out);

}  // namespace attune
