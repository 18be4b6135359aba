#include <array>
#include <cstddef>

#include "vault/sensitive_text.h"

namespace attune {
namespace {

// The zeros of the scripts whose digits are in use: their nine others follow.
constexpr std::array<char32_t, 20> kZeros = {0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6,
                                             0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50,
                                             0x0ED0, 0x0F20, 0x1040, 0x17E0, 0x1810, 0xFF10};
constexpr char32_t kReplacement = 0xFFFD;

// Takes a character off the front. Overlong forms and surrogates do no harm here:
// they are read as some character, or as none.
char32_t TakeCharacter(std::string_view* text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>((*text)[i]); };
  const std::uint8_t lead = byte(0);
  std::size_t length = 1;
  if (lead >= 0xF0 && lead < 0xF8) length = 4;
  if (lead >= 0xE0 && lead < 0xF0) length = 3;
  if (lead >= 0xC0 && lead < 0xE0) length = 2;
  char32_t character = length == 1 ? lead : lead & (0x7Fu >> length);
  bool valid = lead < 0x80 || (length > 1 && length <= text->size());
  for (std::size_t i = 1; valid && i < length; ++i) {
    valid = (byte(i) & 0xC0) == 0x80;
    character = character << 6 | (byte(i) & 0x3Fu);
  }
  text->remove_prefix(valid ? length : 1);
  return valid ? character : kReplacement;
}

bool IsSpace(char32_t c) {
  return c == ' ' || c == 0xA0 || (c >= 0x2000 && c <= 0x200A) || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}
bool IsDash(char32_t c) {
  return (c >= 0x2010 && c <= 0x2015) || c == 0x2212 || c == 0xFE63 || c == 0xFF0D;
}
bool HasNoWidth(char32_t c) {
  return c == 0xAD || (c >= 0x200B && c <= 0x200F) || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2060 && c <= 0x2064) || c == 0xFEFF;
}

char32_t Fold(char32_t c) {
  if (IsSpace(c)) return ' ';
  if (c < ' ' || c == 0x7F || c == 0x85 || c == 0x2028 || c == 0x2029) return '\n';
  if (c < 0x80) return c;
  if (IsDash(c)) return '-';
  for (const char32_t zero : kZeros) {
    if (c >= zero && c < zero + 10) return U'0' + (c - zero);
  }
  if (c >= 0x1D7CE && c <= 0x1D7FF) return U'0' + (c - 0x1D7CE) % 10;
  if (c >= 0xFF01 && c <= 0xFF5E) return c - 0xFF01 + U'!';
  return c;
}

}  // namespace

std::u32string FoldText(std::string_view text) {
  std::u32string folded;
  folded.reserve(text.size());
  while (!text.empty()) {
    const char32_t c = TakeCharacter(&text);
    if (!HasNoWidth(c)) folded.push_back(Fold(c));
  }
  return folded;
}

}  // namespace attune
