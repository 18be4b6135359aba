// What a model is worth to somebody who types: measured on messages that it has
// not learned from.
//
// Each message is typed word by word. Before a word's first letter the keyboard
// shows three suggestions, given everything typed before in the message. A word
// counts as hit at k when it is one of the first k, capitals aside. Words are
// runs of word bytes as session/words.h says; a message's first word counts too.
//
// Keystrokes: a word that is among the three takes one tap, which also types
// the space after it; any other takes its letters and one space. What stands
// between words costs what it costs without suggestions and is left out.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/language_model.h"
#include "attune/status.h"

namespace attune {

struct KeyboardMetrics {
  std::int64_t words = 0;
  std::int64_t hits_at_1 = 0;
  std::int64_t hits_at_3 = 0;
  std::int64_t keystrokes_without = 0;  // Letters, and a space a word.
  std::int64_t keystrokes_with = 0;

  double hit_rate_at_1() const { return Share(hits_at_1, words); }
  double hit_rate_at_3() const { return Share(hits_at_3, words); }
  double keystrokes_saved() const {
    return Share(keystrokes_without - keystrokes_with, keystrokes_without);
  }

 private:
  static double Share(std::int64_t part, std::int64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  }
};

// The `count` words to show after `prefix`, best first.
using SuggestFunction =
    std::function<Result<std::vector<WordSuggestion>>(std::string_view prefix, std::size_t count)>;

// Measures on at most `max_words` words (0: all), evenly chosen over all of
// `messages`. Asks `go_on`, if any, before each word: false is kCancelled.
Result<KeyboardMetrics> MeasureKeyboard(const SuggestFunction& suggest,
                                        const std::vector<std::string>& messages,
                                        std::int64_t max_words = 0,
                                        const std::function<bool()>& go_on = nullptr);

// Adds what one word is worth, given the suggestions shown before it.
void CountWord(const std::string& word, const std::vector<WordSuggestion>& suggestions,
               KeyboardMetrics* metrics);

// The words of a message by where they begin and end.
struct WordSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};
std::vector<WordSpan> WordsOf(const std::string& message);

}  // namespace attune
