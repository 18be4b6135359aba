#include "text/utf8.h"

#include <algorithm>

namespace attune {

namespace {

std::uint8_t ByteAt(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

// The well-formed sequences of the Unicode standard, table 3-7, by first byte:
// how many bytes follow, and the range that the second one must be in.
struct Lead {
  int following = -1;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
};

Lead LeadOf(std::uint8_t byte) {
  if (byte < 0x80) return {0};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {1};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte < 0xF0) return {2};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte < 0xF4) return {3};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {};
}

}  // namespace

Utf8Character FirstCharacter(std::string_view bytes) {
  const std::uint8_t first = ByteAt(bytes, 0);
  const Lead lead = LeadOf(first);
  if (lead.following < 0) return {};
  if (lead.following == 0) return {first, 1, true};
  char32_t code_point = first & (0x3Fu >> lead.following);
  for (int i = 1; i <= lead.following; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (at == bytes.size()) return {0xFFFD, at, false, true};
    const std::uint8_t byte = ByteAt(bytes, at);
    const bool in_range = i == 1 ? byte >= lead.low && byte <= lead.high : (byte & 0xC0) == 0x80;
    if (!in_range) return {0xFFFD, at};
    code_point = (code_point << 6) | (byte & 0x3Fu);
  }
  return {code_point, static_cast<std::size_t>(lead.following) + 1, true};
}

bool IsValidUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const Utf8Character character = FirstCharacter(bytes);
    if (!character.valid) return false;
    bytes.remove_prefix(character.length);
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  while (!bytes.empty()) {
    const Utf8Character character = FirstCharacter(bytes);
    if (character.valid) {
      out.append(bytes.substr(0, character.length));
    } else {
      AppendUtf8(0xFFFD, &out);
    }
    bytes.remove_prefix(character.length);
  }
  return out;
}

std::size_t UnfinishedSuffix(std::string_view bytes) {
  for (std::size_t length = 1; length <= std::min<std::size_t>(3, bytes.size()); ++length) {
    const std::string_view suffix = bytes.substr(bytes.size() - length);
    if ((ByteAt(suffix, 0) & 0xC0) == 0x80) continue;
    const Utf8Character character = FirstCharacter(suffix);
    return character.truncated && character.length == length ? length : 0;
  }
  return 0;
}

void AppendUtf8(char32_t code_point, std::string* out) {
  const auto put = [out](char32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code_point < 0x80) {
    put(code_point);
    return;
  }
  if (code_point < 0x800) {
    put(0xC0 | (code_point >> 6));
  } else {
    if (code_point < 0x10000) {
      put(0xE0 | (code_point >> 12));
    } else {
      put(0xF0 | (code_point >> 18));
      put(0x80 | ((code_point >> 12) & 0x3F));
    }
    put(0x80 | ((code_point >> 6) & 0x3F));
  }
  put(0x80 | (code_point & 0x3F));
}

}  // namespace attune
