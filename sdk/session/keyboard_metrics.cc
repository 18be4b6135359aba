#include "session/keyboard_metrics.h"

#include <algorithm>
#include <string_view>

#include "session/words.h"

namespace attune {
namespace {

constexpr std::size_t kShown = 3;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

// ASCII capitals aside: a keyboard capitalises by itself.
bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

// Bytes that begin a character of UTF-8.
std::int64_t Letters(std::string_view word) {
  return std::count_if(word.begin(), word.end(),
                       [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
}

// Whether the `index`-th of `total` words is among `limit` evenly chosen ones.
bool IsChosen(std::int64_t index, std::int64_t total, std::int64_t limit) {
  if (limit <= 0 || limit >= total) return true;
  return (index + 1) * limit / total != index * limit / total;
}

}  // namespace

std::vector<WordSpan> WordsOf(const std::string& message) {
  std::vector<WordSpan> words;
  for (std::size_t at = 0; at < message.size();) {
    const std::size_t size = LeadingWord(std::string_view(message).substr(at)).size();
    if (size > 0) words.push_back({at, at + size});
    at += std::max<std::size_t>(size, 1);
  }
  return words;
}

void CountWord(const std::string& word, const std::vector<WordSuggestion>& suggestions,
               KeyboardMetrics* metrics) {
  const auto shown =
      suggestions.begin() + static_cast<std::ptrdiff_t>(std::min(kShown, suggestions.size()));
  const auto found = std::find_if(suggestions.begin(), shown,
                                  [&](const auto& s) { return SameWord(s.word, word); });
  const bool hit = found != shown;
  ++metrics->words;
  metrics->hits_at_1 += hit && found == suggestions.begin();
  metrics->hits_at_3 += hit;
  metrics->keystrokes_without += Letters(word) + 1;
  metrics->keystrokes_with += hit ? 1 : Letters(word) + 1;
}

Result<KeyboardMetrics> MeasureKeyboard(const SuggestFunction& suggest,
                                        const std::vector<std::string>& messages,
                                        std::int64_t max_words,
                                        const std::function<bool()>& go_on) {
  std::int64_t total = 0, index = 0;
  for (const std::string& message : messages) {
    total += static_cast<std::int64_t>(WordsOf(message).size());
  }
  KeyboardMetrics metrics;
  for (const std::string& message : messages) {
    for (const WordSpan& span : WordsOf(message)) {
      if (!IsChosen(index++, total, max_words)) continue;
      if (go_on && !go_on()) return Cancelled("measuring suggestions stopped");
      ATTUNE_ASSIGN_OR_RETURN(const auto suggestions,
                              suggest(std::string_view(message).substr(0, span.begin), kShown));
      CountWord(message.substr(span.begin, span.end - span.begin), suggestions, &metrics);
    }
  }
  return metrics;
}

}  // namespace attune
