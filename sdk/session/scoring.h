// How probable a model finds a text.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "session/adapted_model.h"

namespace attune {

struct TokenScore {
  double nats = 0;          // Sum of -log p over the predicted tokens.
  std::int64_t tokens = 0;  // How many were predicted.
};

// Scores every token of `tokens` but the first, which nothing precedes. A
// sequence longer than `window` is cut into windows of that many tokens; each
// but the first repeats the last half of the one before as context that is not
// scored again.
//
//   kInvalidArgument  an id outside the vocabulary
Result<TokenScore> ScoreTokens(AdaptedModel& model, std::span<const std::int32_t> tokens,
                               std::int64_t window);

// The documents of a text: what "<|endoftext|>" separates, as in the data that
// language models are made from, without white space at the ends; none empty.
std::vector<std::string_view> SplitDocuments(std::string_view text);

// Rows of a window and which of them are scored.
struct ScoreWindow {
  std::int64_t begin = 0;   // First token fed.
  std::int64_t length = 0;  // Tokens fed.
  std::int64_t skip = 0;    // Rows at the beginning whose prediction was scored before.
};
// The `index`-th window over `rows` predictions; length 0 past the end.
ScoreWindow WindowAt(std::int64_t index, std::int64_t rows, std::int64_t window);

}  // namespace attune
