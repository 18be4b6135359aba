#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <vector>

#include "vault/sensitive_text.h"

namespace attune {
namespace {

enum class CharacterClass : std::uint8_t { kLower, kUpper, kDigit, kMark, kJoint, kOther, kEnd };

bool IsOneOf(char32_t c, std::u32string_view set) { return set.find(c) != set.npos; }

CharacterClass ClassOf(char32_t c) {
  if (c >= 'a' && c <= 'z') return CharacterClass::kLower;
  if (c >= 'A' && c <= 'Z') return CharacterClass::kUpper;
  if (c >= '0' && c <= '9') return CharacterClass::kDigit;
  // Found in passwords, rarely within words.
  if (IsOneOf(c, U"!@#$%^&*?~")) return CharacterClass::kMark;
  // Found within names of files, packages, versions and shortcuts.
  if (IsOneOf(c, U"-_.+")) return CharacterClass::kJoint;
  if (c >= 0x80) return CharacterClass::kOther;
  return CharacterClass::kEnd;
}

bool IsAlphanumeric(char32_t c) { return ClassOf(c) <= CharacterClass::kDigit; }

struct Mix {
  std::size_t size = 0;
  std::array<std::size_t, 7> count{};
  // Neighbours of different classes; a capital before a small letter, as at the
  // start of a word, is none.
  std::size_t changes = 0;
  double entropy = 0;  // Bits a character.

  std::size_t operator[](CharacterClass c) const { return count[static_cast<std::size_t>(c)]; }
  std::size_t digits() const { return (*this)[CharacterClass::kDigit]; }
  std::size_t letters() const {
    return (*this)[CharacterClass::kLower] + (*this)[CharacterClass::kUpper];
  }
  double ChangeShare() const {
    return size < 2 ? 0 : static_cast<double>(changes) / static_cast<double>(size - 1);
  }
};

double Entropy(std::u32string_view word) {
  std::u32string sorted(word);
  std::sort(sorted.begin(), sorted.end());
  double bits = 0;
  for (std::size_t i = 0; i < sorted.size();) {
    const std::size_t end = std::min(sorted.find_first_not_of(sorted[i], i), sorted.size());
    const double p = static_cast<double>(end - i) / static_cast<double>(sorted.size());
    bits -= p * std::log2(p);
    i = end;
  }
  return bits;
}

Mix MixOf(std::u32string_view word) {
  Mix mix;
  mix.size = word.size();
  CharacterClass before = CharacterClass::kEnd;
  for (const char32_t c : word) {
    const CharacterClass now = ClassOf(c);
    ++mix.count[static_cast<std::size_t>(now)];
    const bool starts_word = before == CharacterClass::kUpper && now == CharacterClass::kLower;
    const bool counts = before < CharacterClass::kJoint && now < CharacterClass::kJoint;
    if (counts && now != before && !starts_word) ++mix.changes;
    before = now;
  }
  mix.entropy = Entropy(word);
  return mix;
}

// --- Rules ---

bool IsHexKey(std::u32string_view word) {
  if (word.starts_with(U"0x") || word.starts_with(U"0X")) word.remove_prefix(2);
  std::u32string hex;
  for (const char32_t c : word) {
    if (c == '-') continue;  // As in a UUID.
    if (!IsOneOf(c, U"0123456789abcdef") && !IsOneOf(c, U"0123456789ABCDEF")) return false;
    hex.push_back(c);
  }
  if (hex.size() < 16) return false;
  const Mix mix = MixOf(hex);
  return mix.digits() >= 2 && mix.letters() >= 2 && mix.entropy >= 2.5;
}

// Letters and digits without order. The shorter the word, the less ordered it has
// to be: the shares are what random words rarely fall below (tests/unit/vault
// counts how rarely) and words people write hardly reach.
bool IsRandomMix(std::u32string_view run) {
  if (run.size() < 8) return false;
  const Mix mix = MixOf(run);
  if (mix.digits() < 1 || mix.letters() < 2) return false;
  const bool both_cases = mix[CharacterClass::kLower] > 0 && mix[CharacterClass::kUpper] > 0;
  if (run.size() >= 20) return mix.ChangeShare() >= 0.15 && mix.entropy >= 3;
  if (run.size() >= 12) {
    return mix.digits() >= (both_cases ? 1u : 2u) &&
           mix.ChangeShare() >= (both_cases ? 0.25 : 0.3) && mix.entropy >= 2.8;
  }
  return both_cases && mix.ChangeShare() >= 0.5 && mix.entropy >= 2.5;
}

// A password with marks inside, as "xK9#mP2$vL5n".
bool IsMarkedPassword(std::u32string_view word) {
  if (word.size() < 8) return false;
  const Mix mix = MixOf(word);
  if (mix[CharacterClass::kMark] == 0 || mix.letters() == 0) return false;
  const int classes =
      (mix[CharacterClass::kLower] > 0) + (mix[CharacterClass::kUpper] > 0) + (mix.digits() > 0);
  return classes >= 2 && mix.ChangeShare() >= 0.4 && mix.entropy >= 2.5;
}

// What Apple's systems propose: "hucvik-7ryzvo-rYsbot".
bool IsProposedPassword(std::u32string_view word) {
  if (word.size() != 20 || word[6] != '-' || word[13] != '-') return false;
  const Mix mix = MixOf(word);
  return mix.letters() + mix.digits() == 18 && mix.digits() == 1 &&
         mix[CharacterClass::kUpper] == 1;
}

// Base64 with the characters that end a word elsewhere.
bool IsBase64Key(std::u32string_view word) {
  if (word.size() < 24) return false;
  for (const char32_t c : word) {
    if (!IsAlphanumeric(c) && !IsOneOf(c, U"+/=-_")) return false;
  }
  const Mix mix = MixOf(word);
  return mix[CharacterClass::kUpper] >= 3 && mix[CharacterClass::kLower] >= 3 &&
         mix.digits() >= 1 && mix.ChangeShare() >= 0.2 && mix.entropy >= 4;
}

// Tokens that say what they are, with the least number of characters that follow.
struct Prefix {
  std::u32string_view text;
  std::size_t rest;
};
constexpr std::array<Prefix, 20> kPrefixes = {{
    {U"AKIA", 16},        {U"ASIA", 16},    {U"AIza", 30},  {U"ya29.", 16},
    {U"eyJ", 16},         {U"ghp_", 20},    {U"gho_", 20},  {U"ghs_", 20},
    {U"github_pat_", 20}, {U"glpat-", 16},  {U"sk-", 16},   {U"sk_live_", 8},
    {U"sk_test_", 8},     {U"rk_live_", 8}, {U"xoxb-", 10}, {U"xoxp-", 10},
    {U"hf_", 20},         {U"npm_", 20},    {U"SG.", 20},   {U"AGE-SECRET-KEY-", 10},
}};

bool IsServiceToken(std::u32string_view word) {
  for (const Prefix& prefix : kPrefixes) {
    if (!word.starts_with(prefix.text)) continue;
    const std::u32string_view rest = word.substr(prefix.text.size());
    if (rest.size() < prefix.rest) continue;
    if (std::any_of(rest.begin(), rest.end(), [](char32_t c) { return c >= '0' && c <= '9'; })) {
      return true;
    }
  }
  return false;
}

// --- Words ---

// Calls `visit` with each longest part without a character of `ends`, until it
// returns true; whether it did.
template <typename Ends, typename Visit>
bool AnyPart(std::u32string_view text, Ends ends, Visit visit) {
  while (!text.empty()) {
    const auto end = std::find_if(text.begin(), text.end(), ends);
    const auto length = static_cast<std::size_t>(end - text.begin());
    if (length > 0 && visit(text.substr(0, length))) return true;
    text.remove_prefix(std::min(length + 1, text.size()));
  }
  return false;
}

std::u32string_view Trim(std::u32string_view word) {
  while (!word.empty() && !IsAlphanumeric(word.front())) word.remove_prefix(1);
  while (!word.empty() && !IsAlphanumeric(word.back())) word.remove_suffix(1);
  return word;
}

bool IsSecretWord(std::u32string_view word) {
  if (IsServiceToken(word) || IsHexKey(word) || IsProposedPassword(word)) return true;
  if (IsMarkedPassword(word)) return true;
  return AnyPart(
      word, [](char32_t c) { return !IsAlphanumeric(c); },
      [](std::u32string_view run) { return IsHexKey(run) || IsRandomMix(run); });
}

}  // namespace

bool HasSecret(std::u32string_view folded) {
  if (folded.find(U"PRIVATE KEY-----") != folded.npos) return true;
  const auto is_space = [](char32_t c) { return c == ' ' || c == '\n'; };
  return AnyPart(folded, is_space, [](std::u32string_view token) {
    if (token.size() < 8) return false;
    if (IsBase64Key(Trim(token))) return true;
    const bool url = token.find(U"://") != token.npos;
    const std::u32string_view ends = url ? U",;:\"'`()[]{}<>|\\/=?&#%" : U",;:\"'`()[]{}<>|\\/=";
    return AnyPart(
        token, [&](char32_t c) { return IsOneOf(c, ends); },
        [](std::u32string_view part) { return IsSecretWord(Trim(part)); });
  });
}

bool HasEmail(std::u32string_view folded) {
  const auto in_name = [](char32_t c) {
    return IsAlphanumeric(c) || c >= 0x80 || IsOneOf(c, U"._%+-'");
  };
  const auto in_label = [](char32_t c) { return IsAlphanumeric(c) || c >= 0x80 || c == '-'; };
  const auto is_letter = [](char32_t c) {
    return IsAlphanumeric(c) ? ClassOf(c) != CharacterClass::kDigit : c >= 0x80;
  };
  for (std::size_t at = folded.find('@'); at != folded.npos; at = folded.find('@', at + 1)) {
    if (at == 0 || !in_name(folded[at - 1])) continue;
    std::size_t end = at + 1, label = at + 1;
    int dots = 0;
    for (; end < folded.size(); ++end) {
      if (in_label(folded[end])) {
        // The last label of a name has letters, that of an address in numbers not.
        if (dots > 0 && end == label + 1 && is_letter(folded[end]) && is_letter(folded[label])) {
          return true;
        }
        continue;
      }
      if (folded[end] != '.' || end == label) break;
      ++dots;
      label = end + 1;
    }
  }
  return false;
}

}  // namespace attune
