// StrCat, for messages.

#pragma once

#include <charconv>
#include <concepts>
#include <cstdio>
#include <string>
#include <string_view>

namespace attune {

namespace internal {
inline void Append(std::string* out, std::string_view piece) { out->append(piece); }
inline void Append(std::string* out, const char* piece) { out->append(piece); }
inline void Append(std::string* out, const std::string& piece) { out->append(piece); }
inline void Append(std::string* out, char piece) { out->push_back(piece); }
inline void Append(std::string* out, bool piece) { out->append(piece ? "true" : "false"); }
template <std::integral T>
void Append(std::string* out, T number) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, number).ptr;
  out->append(buffer, end);
}
template <std::floating_point T>
void Append(std::string* out, T number) {
  char buffer[32];
  out->append(buffer, static_cast<std::size_t>(
                          std::snprintf(buffer, sizeof buffer, "%g", static_cast<double>(number))));
}
}  // namespace internal

// Concatenates strings and numbers: StrCat("chunk ", 7, " of ", 9).
template <typename... Pieces>
std::string StrCat(const Pieces&... pieces) {
  std::string out;
  (internal::Append(&out, pieces), ...);
  return out;
}

// "1,2,3" of {1,2,3}.
template <typename Range>
std::string StrJoin(const Range& range, std::string_view separator) {
  std::string out;
  bool first = true;
  for (const auto& item : range) {
    if (!first) out.append(separator);
    internal::Append(&out, item);
    first = false;
  }
  return out;
}

}  // namespace attune
