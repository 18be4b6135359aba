#include "session/keyboard_metrics.h"

#include <gtest/gtest.h>

namespace attune {
namespace {

std::vector<WordSuggestion> Shown(std::vector<std::string> words) {
  std::vector<WordSuggestion> suggestions;
  for (std::string& word : words) suggestions.push_back({std::move(word), false, 0.1});
  return suggestions;
}

TEST(KeyboardMetrics, CountsHitsAndKeystrokesAsDefined) {
  KeyboardMetrics metrics;
  CountWord("kettle", Shown({"Kettle", "kiln", "key"}), &metrics);  // 7 keys become 1.
  CountWord("on", Shown({"in", "at", "on"}), &metrics);             // 3 become 1.
  CountWord("café", Shown({"car"}), &metrics);                      // 5 stay 5.
  CountWord("five", Shown({"a", "b", "c", "five"}), &metrics);      // Not shown: 5 stay 5.
  CountWord("x", Shown({}), &metrics);                              // 2 stay 2.
  EXPECT_EQ(metrics.words, 5);
  EXPECT_EQ(metrics.hits_at_1, 1);
  EXPECT_EQ(metrics.hits_at_3, 2);
  EXPECT_EQ(metrics.keystrokes_without, 7 + 3 + 5 + 5 + 2);
  EXPECT_EQ(metrics.keystrokes_with, 1 + 1 + 5 + 5 + 2);
  EXPECT_DOUBLE_EQ(metrics.hit_rate_at_3(), 0.4);
  EXPECT_DOUBLE_EQ(metrics.keystrokes_saved(), 8.0 / 22.0);
  EXPECT_EQ(KeyboardMetrics().hit_rate_at_1(), 0.0);
}

TEST(KeyboardMetrics, FindsTheWordsOfAMessage) {
  const std::string message = "righto, it's 5 - ok?";
  std::vector<std::string> words;
  for (const WordSpan& span : WordsOf(message)) {
    words.push_back(message.substr(span.begin, span.end - span.begin));
  }
  ASSERT_GE(words.size(), 4u);
  EXPECT_EQ(words[0], "righto");
  EXPECT_EQ(words[1], "it's");
  EXPECT_EQ(words.back(), "ok");
  EXPECT_TRUE(WordsOf(" ,.").empty());
}

}  // namespace
}  // namespace attune
