// The tokens of a text one at a time, with the limits of what is built of them.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "ane/mil/lexer.h"
#include "ane/mil/parse.h"
#include "attune/status.h"

namespace attune::ane::mil {

class TokenReader {
 public:
  TokenReader(std::string_view text, const ParseLimits& limits) : lexer_(text), left_(limits) {}

  // The token that was read last. Call Advance() once to read the first.
  const Token& token() const { return token_; }
  Status Advance();

  // "line 3, column 14: expected <what>, found ';'".
  Status Unexpected(std::string_view what) const;

  // Each reads past what it names.
  Status Expect(char sign);
  Status ExpectName(std::string_view name);
  Status ExpectArrow();
  Result<std::string> Name(std::string_view what);
  // Whether it was there.
  Result<bool> Take(char sign);

  // From an opening bracket past the one that closes it.
  Status SkipBrackets();
  // Up to the ']' that closes what is open already.
  Status SkipToClosing();

  // Each takes one from its limit.
  Status CountStatement() { return Count(&left_.statements, "statements"); }
  Status CountArgument() { return Count(&left_.arguments, "arguments"); }
  Status CountElement() { return Count(&left_.literal_elements, "written-out elements"); }

 private:
  Status Count(std::size_t* left, std::string_view what);

  Lexer lexer_;
  ParseLimits left_;
  Token token_;
};

}  // namespace attune::ane::mil
