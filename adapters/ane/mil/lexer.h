// The words of MIL text: names, numbers, strings and signs, with where they stand.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "ane/mil/ast.h"
#include "attune/status.h"

namespace attune::ane::mil {

enum class TokenKind : std::uint8_t {
  kName,    // main, fp16, _x1
  kNumber,  // 12, 1.3, 0x1p-7: not yet read, the type decides
  kText,    // "..."
  kSign,    // One of ( ) { } [ ] < > , ; = + - ? and others that nothing accepts
  kArrow,   // ->
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string_view spelling;  // In the text.
  std::string text;           // Of kText: without quotes, escapes resolved.
  Position at;

  bool Is(char sign) const { return kind == TokenKind::kSign && spelling.front() == sign; }
  bool IsName(std::string_view name) const { return kind == TokenKind::kName && spelling == name; }
};

// "line 3, column 14: <what>" as kInvalidArgument.
Status ErrorAt(Position at, std::string_view what);

// How an error names a token: "';'", "a string", "the end". Short and printable.
std::string Describe(const Token& token);

class Lexer {
 public:
  // The text must outlive the lexer and its tokens.
  explicit Lexer(std::string_view text);

  // kInvalidArgument: a string that does not end, an unknown escape.
  Result<Token> Next();

 private:
  bool AtEnd() const { return here_ == text_.size(); }
  char Peek(std::size_t ahead = 0) const {
    return here_ + ahead < text_.size() ? text_[here_ + ahead] : '\0';
  }
  void Advance();
  void SkipBlanks();
  void ReadNumber();
  Status ReadText(std::string* text);
  Status ReadEscape(std::string* text);

  std::string_view text_;
  std::size_t here_ = 0;
  Position at_;
};

}  // namespace attune::ane::mil
