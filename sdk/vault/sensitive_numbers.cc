#include <algorithm>
#include <cstddef>
#include <vector>

#include "vault/sensitive_text.h"

namespace attune {
namespace {

constexpr std::size_t kMinCardDigits = 13, kMaxCardDigits = 19;

bool IsDigit(char32_t c) { return c >= '0' && c <= '9'; }

// Digits without anything between them, and what stands before them.
struct Group {
  std::u32string_view digits;
  std::u32string_view gap;  // Since the group before; of the first one, anything.
  bool joined = false;      // Continues the number of the group before.
};

std::vector<Group> DigitGroups(std::u32string_view text) {
  std::vector<Group> groups;
  std::size_t end_of_last = 0;
  for (std::size_t i = 0; i < text.size();) {
    if (!IsDigit(text[i])) {
      ++i;
      continue;
    }
    std::size_t end = i;
    while (end < text.size() && IsDigit(text[end])) ++end;
    groups.push_back({text.substr(i, end - i), text.substr(end_of_last, i - end_of_last)});
    end_of_last = i = end;
  }
  return groups;
}

// What people put inside one number, as in "(555) 123-4567".
bool IsInsideNumber(std::u32string_view gap) {
  for (const std::u32string_view inside : {U" ", U"-", U")", U") ", U")-", U" (", U"("}) {
    if (gap == inside) return true;
  }
  return false;
}

std::int64_t Value(std::u32string_view digits) {
  std::int64_t value = 0;
  for (const char32_t c : digits) value = value * 10 + static_cast<std::int64_t>(c - U'0');
  return value;
}
bool IsYear(std::u32string_view digits) {
  return digits.size() == 4 && Value(digits) >= 1900 && Value(digits) < 2100;
}
bool IsDayAndMonth(std::u32string_view a, std::u32string_view b) {
  if (a.size() != 2 || b.size() != 2) return false;
  const std::int64_t low = std::min(Value(a), Value(b)), high = std::max(Value(a), Value(b));
  return low >= 1 && low <= 12 && high <= 31;
}

// 2025-09-01 or 01-09-2025 at `i`, and no further digits joined to it by a dash:
// a card number in such groups would be.
bool IsDate(const std::vector<Group>& groups, std::size_t i) {
  if (i + 3 > groups.size()) return false;
  if (groups[i + 1].gap != U"-" || groups[i + 2].gap != U"-") return false;
  if (i > 0 && groups[i].gap == U"-") return false;
  if (i + 3 < groups.size() && groups[i + 3].gap == U"-") return false;
  const auto a = groups[i].digits, b = groups[i + 1].digits, c = groups[i + 2].digits;
  return (IsYear(a) && IsDayAndMonth(b, c)) || (IsYear(c) && IsDayAndMonth(a, b));
}

// The numbers of the text, group by group, dates left out. With `dots` these join
// groups too.
std::vector<Group> JoinedGroups(std::u32string_view text, bool dots) {
  const std::vector<Group> groups = DigitGroups(text);
  std::vector<Group> joined;
  bool after_date = true;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (IsDate(groups, i)) {
      i += 2;
      after_date = true;
      continue;
    }
    joined.push_back(groups[i]);
    joined.back().joined =
        !after_date && (IsInsideNumber(groups[i].gap) || (dots && groups[i].gap == U"."));
    after_date = false;
  }
  return joined;
}

bool PassesLuhn(std::u32string_view digits) {
  std::uint32_t sum = 0;
  bool twice = false;
  for (auto c = digits.rbegin(); c != digits.rend(); ++c) {
    const std::uint32_t digit = static_cast<std::uint32_t>(*c - U'0') * (twice ? 2 : 1);
    sum += digit > 9 ? digit - 9 : digit;
    twice = !twice;
  }
  return sum % 10 == 0;
}

}  // namespace

bool HasCardNumber(std::u32string_view folded) {
  const std::vector<Group> groups = JoinedGroups(folded, /*dots=*/true);
  // A month of expiry or a number in a list may stand right beside the card's:
  // any whole groups in a row are tried.
  for (std::size_t first = 0; first < groups.size(); ++first) {
    std::u32string digits;
    for (std::size_t i = first; i < groups.size(); ++i) {
      if (i > first && !groups[i].joined) break;
      if (digits.size() + groups[i].digits.size() > kMaxCardDigits) break;
      digits += groups[i].digits;
      if (digits.size() >= kMinCardDigits && PassesLuhn(digits)) return true;
    }
  }
  return false;
}

std::int64_t LongestNumber(std::u32string_view folded) {
  std::size_t longest = 0, current = 0;
  for (const Group& group : JoinedGroups(folded, /*dots=*/false)) {
    current = (group.joined ? current : 0) + group.digits.size();
    longest = std::max(longest, current);
  }
  return static_cast<std::int64_t>(longest);
}

}  // namespace attune
