// Added tokens stand outside the model's own vocabulary: the pipeline looks for
// them in the text before anything splits it. Those with normalized=false are
// looked for in the raw text, the others in the normalised rest.
//
// Threads: immutable once built.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "base/function_ref.h"
#include "text/vocabulary.h"

namespace attune {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  // What it is in normalised text; the content itself if not `normalized`.
  std::string text;
  // Matches only between characters that are not of a word.
  bool single_word = false;
  // Takes the white space before or after it along.
  bool lstrip = false;
  bool rstrip = false;
  bool normalized = false;
  bool special = false;
};

inline constexpr std::size_t kMaxAddedTokenBytes = 512;

// Finds a set of tokens in a text, leftmost first, the longest of those that
// begin at the same place.
class AddedTokenMatcher {
 public:
  // The token will be looked for by its `text`.
  //
  //   kInvalidArgument  empty or too long
  Status Add(const AddedToken& token);

  bool empty() const { return tokens_.empty(); }

  // Calls `text(begin, end)` and `token(id)` in turn, so that they cover
  // `input` in order. With `parse_special` off, special tokens stay text.
  Status Split(std::string_view input, bool parse_special,
               FunctionRef<Status(std::size_t, std::size_t)> text,
               FunctionRef<void(std::int32_t)> token) const;

 private:
  // The token that `input` has at `at`, or null.
  const AddedToken* MatchAt(std::string_view input, std::size_t at, std::size_t* length) const;

  std::vector<AddedToken> tokens_;
  Vocabulary patterns_;  // Pattern to index in tokens_.
  // The lengths of patterns by first byte, longest first.
  std::vector<std::uint16_t> lengths_[256];
};

}  // namespace attune
