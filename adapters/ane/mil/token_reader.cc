#include "ane/mil/token_reader.h"

#include <utility>

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

constexpr std::size_t kMaxBrackets = 64;

char ClosingOf(const Token& token) {
  if (token.Is('(')) return ')';
  if (token.Is('[')) return ']';
  return token.Is('{') ? '}' : '\0';
}

}  // namespace

Status TokenReader::Advance() {
  ATTUNE_ASSIGN_OR_RETURN(token_, lexer_.Next());
  return OkStatus();
}

Status TokenReader::Unexpected(std::string_view what) const {
  return ErrorAt(token_.at, StrCat("expected ", what, ", found ", Describe(token_)));
}

Status TokenReader::Expect(char sign) {
  if (!token_.Is(sign)) return Unexpected(StrCat("'", sign, "'"));
  return Advance();
}

Status TokenReader::ExpectName(std::string_view name) {
  if (!token_.IsName(name)) return Unexpected(StrCat("'", name, "'"));
  return Advance();
}

Status TokenReader::ExpectArrow() {
  if (token_.kind != TokenKind::kArrow) return Unexpected("'->'");
  return Advance();
}

Result<std::string> TokenReader::Name(std::string_view what) {
  if (token_.kind != TokenKind::kName) return Unexpected(what);
  std::string name(token_.spelling);
  ATTUNE_RETURN_IF_ERROR(Advance());
  return name;
}

Result<bool> TokenReader::Take(char sign) {
  if (!token_.Is(sign)) return false;
  ATTUNE_RETURN_IF_ERROR(Advance());
  return true;
}

Status TokenReader::SkipBrackets() {
  const char closing = ClosingOf(token_);
  if (closing == '\0') return Unexpected("an opening bracket");
  std::string open(1, closing);
  ATTUNE_RETURN_IF_ERROR(Advance());
  while (!open.empty()) {
    if (token_.kind == TokenKind::kEnd) return Unexpected(StrCat("'", open.back(), "'"));
    if (const char inner = ClosingOf(token_); inner != '\0') {
      if (open.size() == kMaxBrackets) {
        return ErrorAt(token_.at, StrCat("more than ", kMaxBrackets, " brackets in one another"));
      }
      open.push_back(inner);
    } else if (token_.Is(')') || token_.Is(']') || token_.Is('}')) {
      if (!token_.Is(open.back())) return Unexpected(StrCat("'", open.back(), "'"));
      open.pop_back();
    }
    ATTUNE_RETURN_IF_ERROR(Advance());
  }
  return OkStatus();
}

Status TokenReader::SkipToClosing() {
  while (!token_.Is(']')) {
    if (token_.kind == TokenKind::kEnd) return Unexpected("']'");
    if (ClosingOf(token_) != '\0') {
      ATTUNE_RETURN_IF_ERROR(SkipBrackets());
    } else {
      ATTUNE_RETURN_IF_ERROR(Advance());
    }
  }
  return OkStatus();
}

Status TokenReader::Count(std::size_t* left, std::string_view what) {
  if (*left == 0) return ErrorAt(token_.at, StrCat("more ", what, " than the limit allows"));
  --*left;
  return OkStatus();
}

}  // namespace attune::ane::mil
