// WordSearch finds the most probable words that a typed text continues with:
// a best-first search over tokens, each path ending where a word does. Paths
// that spell the same word add up.
//
// A typed last word is completed; where it is most likely complete, the words
// after it are found instead: both compete by probability.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "attune/status.h"
#include "base/function_ref.h"
#include "session/words.h"

namespace attune {

// The bytes of every token, looked up once. Empty for special and unknown ids.
using TokenTexts = std::vector<std::string>;

struct WordSearchLimits {
  std::size_t words = 3;
  // How often the model may be asked.
  int evaluations = 24;
  // How many ways to go on are kept each time.
  std::size_t branches = 24;
};

struct FoundWord {
  std::string word;
  bool follows = false;  // Comes after the typed word instead of completing it.
  double probability = 0;
};

// Probabilities of all tokens after the context and `path`; valid until the
// next call.
using PathProbabilities =
    FunctionRef<Result<std::span<const float>>(std::span<const std::int32_t> path)>;

// At most limits.words words, most probable first. Probabilities are given what
// was typed, and lower bounds where the search was cut short.
Result<std::vector<FoundWord>> SearchWords(const TypedText& typed, const TokenTexts& texts,
                                           const WordSearchLimits& limits,
                                           PathProbabilities probabilities);

}  // namespace attune
