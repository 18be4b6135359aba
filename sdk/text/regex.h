// The regular expressions of pre-tokenizers. They are written for Oniguruma
// (the `tokenizers` library); this compiles the part of that syntax which means
// the same in PCRE2, and refuses the rest by name.
//
// Patterns come from files: each search has a budget of steps in proportion to
// the text, so a pattern that backtracks without end is an error, not a hang.
// Threads: a Regex may be used from any thread, a RegexScratch by one at a time.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"

namespace attune {

// What a search needs besides the pattern; good for any Regex.
class RegexScratch {
 public:
  RegexScratch();
  ~RegexScratch();
  RegexScratch(const RegexScratch&) = delete;
  RegexScratch& operator=(const RegexScratch&) = delete;

 private:
  friend class Regex;
  struct State;
  std::unique_ptr<State> state_;
};

class Regex {
 public:
  //   kInvalidArgument  not a pattern
  //   kUnsupported      a construct that the two libraries read differently
  static Result<Regex> Compile(std::string_view pattern);

  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // Calls `visit(begin, end)` for each match that is not empty, left to right.
  // REQUIRES: valid UTF-8.
  //
  //   kResourceExhausted  the budget is spent
  Status ForEachMatch(std::string_view text, RegexScratch* scratch,
                      FunctionRef<Status(std::size_t, std::size_t)> visit) const;

 private:
  struct Code;
  explicit Regex(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

}  // namespace attune
