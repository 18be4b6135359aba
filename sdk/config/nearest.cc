#include "config/nearest.h"

#include <algorithm>
#include <vector>

namespace attune {

std::size_t EditDistance(std::string_view a, std::string_view b) {
  // Three rows of the table: swapping neighbours looks two back.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::swap(before, last);
    std::swap(last, row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t exchange = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({exchange, last[j] + 1, row[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

namespace {

// "max_loss" of "max_loss_seconds".
bool Begins(std::string_view part, std::string_view whole) {
  return whole.size() > part.size() && whole.substr(0, part.size()) == part &&
         whole[part.size()] == '_';
}

}  // namespace

std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr std::size_t kLongestWord = 64;
  std::string_view best;
  std::size_t best_distance = kLongestWord;
  if (word.size() > kLongestWord) return best;
  for (const std::string_view candidate : candidates) {
    if (Begins(candidate, word) || Begins(word, candidate)) return candidate;
  }
  for (const std::string_view candidate : candidates) {
    const std::size_t distance = EditDistance(word, candidate);
    const std::size_t near = std::max<std::size_t>(1, std::max(word.size(), candidate.size()) / 3);
    if (distance > near || distance >= best_distance || distance >= candidate.size()) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

}  // namespace attune
