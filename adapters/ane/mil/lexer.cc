#include "ane/mil/lexer.h"

#include <algorithm>

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
// Converters keep dots of the source's names ("encoder.0.bias").
bool ContinuesName(char c) { return IsLetter(c) || IsDigit(c) || c == '.'; }
bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }

int HexDigit(char c) {
  if (IsDigit(c)) return c - '0';
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace

Status ErrorAt(Position at, std::string_view what) {
  return InvalidArgument(StrCat("line ", at.line, ", column ", at.column, ": ", what));
}

std::string Describe(const Token& token) {
  constexpr std::size_t kShown = 32;
  if (token.kind == TokenKind::kEnd) return "the end of the text";
  if (token.kind == TokenKind::kText) return "a string";
  std::string shown(token.spelling.substr(0, kShown));
  std::replace_if(
      shown.begin(), shown.end(), [](char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return StrCat("'", shown, token.spelling.size() > kShown ? "..." : "", "'");
}

Lexer::Lexer(std::string_view text) : text_(text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text_.substr(0, kByteOrderMark.size()) == kByteOrderMark) here_ = kByteOrderMark.size();
}

void Lexer::Advance() {
  if (text_[here_++] == '\n') {
    ++at_.line;
    at_.column = 1;
  } else {
    ++at_.column;
  }
}

void Lexer::SkipBlanks() {
  while (!AtEnd()) {
    if (IsBlank(Peek())) {
      Advance();
    } else if (Peek() == '/' && Peek(1) == '/') {
      while (!AtEnd() && Peek() != '\n') Advance();
    } else {
      return;
    }
  }
}

// Digits, letters and dots, and the sign of an exponent: whether that is a number of
// the type it is wanted for is seen when it is read.
void Lexer::ReadNumber() {
  const bool hex = Peek() == '0' && (Peek(1) | 0x20) == 'x';
  const char exponent = hex ? 'p' : 'e';
  while (!AtEnd() && ContinuesName(Peek())) {
    const bool signed_exponent =
        (Peek() | 0x20) == exponent && (Peek(1) == '-' || Peek(1) == '+') && IsDigit(Peek(2));
    Advance();
    if (signed_exponent) Advance();
  }
}

Status Lexer::ReadEscape(std::string* text) {
  constexpr std::string_view kLetters = "nrt0\"'\\/";
  constexpr std::string_view kMeanings("\n\r\t\0\"'\\/", 8);
  const Position at = at_;
  Advance();
  if (AtEnd()) return OkStatus();  // The caller misses the closing quote.
  if (const std::size_t known = kLetters.find(Peek()); known != std::string_view::npos) {
    text->push_back(kMeanings[known]);
    Advance();
    return OkStatus();
  }
  if (Peek() != 'x' || HexDigit(Peek(1)) < 0 || HexDigit(Peek(2)) < 0) {
    return ErrorAt(at, "unknown escape; known are \\\" \\\\ \\n \\t \\r \\0 and \\xHH");
  }
  text->push_back(static_cast<char>((HexDigit(Peek(1)) << 4) | HexDigit(Peek(2))));
  for (int i = 0; i < 3; ++i) Advance();
  return OkStatus();
}

Status Lexer::ReadText(std::string* text) {
  const Position at = at_;
  Advance();
  while (!AtEnd() && Peek() != '"' && Peek() != '\n') {
    if (Peek() == '\\') {
      ATTUNE_RETURN_IF_ERROR(ReadEscape(text));
    } else {
      text->push_back(Peek());
      Advance();
    }
  }
  if (AtEnd() || Peek() != '"') return ErrorAt(at, "a string without its closing quote");
  Advance();
  return OkStatus();
}

Result<Token> Lexer::Next() {
  SkipBlanks();
  Token token;
  token.at = at_;
  const std::size_t begin = here_;
  if (AtEnd()) return token;
  if (IsLetter(Peek())) {
    token.kind = TokenKind::kName;
    while (!AtEnd() && ContinuesName(Peek())) Advance();
  } else if (IsDigit(Peek()) || (Peek() == '.' && IsDigit(Peek(1)))) {
    token.kind = TokenKind::kNumber;
    ReadNumber();
  } else if (Peek() == '"') {
    token.kind = TokenKind::kText;
    ATTUNE_RETURN_IF_ERROR(ReadText(&token.text));
  } else if (Peek() == '-' && Peek(1) == '>') {
    token.kind = TokenKind::kArrow;
    Advance();
    Advance();
  } else {
    token.kind = TokenKind::kSign;
    Advance();
  }
  token.spelling = text_.substr(begin, here_ - begin);
  return token;
}

}  // namespace attune::ane::mil
