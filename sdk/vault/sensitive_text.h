// What text should not be stored: card numbers, long numbers, e-mail addresses,
// and words that look like keys or passwords. docs/formats/vault.md section 6.5
// has the rules and what they cost on ordinary text.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace attune {

// Text as the rules read it: digits of any script become 0-9, full-width forms
// ASCII, the many spaces and dashes ' ' and '-', other white space '\n';
// characters without width go. What is no UTF-8 becomes U+FFFD, byte by byte.
std::u32string FoldText(std::string_view text);

// 13 to 19 digits that pass the Luhn check, in groups or not.
bool HasCardNumber(std::u32string_view folded);

// Digits of the longest number, where single spaces, dashes and brackets do not
// end it. Dates such as 2025-09-01 do not count.
std::int64_t LongestNumber(std::u32string_view folded);

bool HasEmail(std::u32string_view folded);

// A word that looks random, or starts like the tokens of a well-known service.
bool HasSecret(std::u32string_view folded);

}  // namespace attune
