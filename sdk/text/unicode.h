// Unicode properties and NFC, by utf8proc. They follow the Unicode version of
// that library: characters younger than it count as unassigned.

#pragma once

#include <string>
#include <string_view>

namespace attune {

// General category Nd, Nl or No.
bool IsNumeric(char32_t code_point);
// The White_Space property.
bool IsSpace(char32_t code_point);
// What \w means in UTS #18, near enough for word boundaries: letters, marks,
// numbers and connecting punctuation.
bool IsWordCharacter(char32_t code_point);

// Normalisation form C. Linear but for runs of combining marks, which are
// sorted. REQUIRES: valid UTF-8.
std::string ToNfc(std::string_view text);

}  // namespace attune
