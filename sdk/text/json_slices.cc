#include "text/json_slices.h"

#include <algorithm>
#include <string>

#include "base/strings.h"

namespace attune {

namespace {

// A cursor that never passes the end of the text; it stops there instead.
class Cursor {
 public:
  explicit Cursor(std::string_view text, std::size_t at = 0) : text_(text), at_(at) {}

  std::size_t at() const { return at_; }

  // The next character that is not white space, 0 at the end.
  char Peek() {
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) {
      ++at_;
    }
    return at_ < text_.size() ? text_[at_] : '\0';
  }

  bool Take(char expected) {
    if (Peek() != expected) return false;
    ++at_;
    return true;
  }

  // At a quote: passes the string and gives what is between its quotes.
  std::string_view SkipString() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_, text_.size());
    const std::string_view inside = text_.substr(begin, at_ - begin);
    if (at_ < text_.size()) ++at_;
    return inside;
  }

  void SkipValue() {
    std::size_t depth = 0;
    do {
      const char next = Peek();
      if (next == '"') {
        SkipString();
        continue;
      }
      if (depth == 0 && (next == ',' || next == ']' || next == '}')) return;
      depth += next == '[' || next == '{';
      depth -= next == ']' || next == '}';
      const bool nests = std::string_view("[]{},:").find(next) != std::string_view::npos;
      nests ? void(++at_) : SkipScalar();
    } while (depth > 0 && at_ < text_.size());
  }

 private:
  void SkipScalar() {
    at_ = std::min(text_.find_first_of("[]{},:\" \t\r\n", at_ + 1), text_.size());
  }

  std::string_view text_;
  std::size_t at_;
};

// The value of `key` in the object at `begin`.
std::optional<JsonSpan> FindMember(std::string_view text, std::size_t begin, std::string_view key) {
  Cursor cursor(text, begin);
  if (!cursor.Take('{')) return std::nullopt;
  do {
    if (cursor.Peek() != '"') return std::nullopt;
    const bool found = cursor.SkipString() == key;
    if (!cursor.Take(':')) return std::nullopt;
    cursor.Peek();
    const std::size_t value = cursor.at();
    cursor.SkipValue();
    if (found) return JsonSpan{value, cursor.at()};
  } while (cursor.Take(','));
  return std::nullopt;
}

}  // namespace

std::optional<JsonSpan> FindJsonValue(std::string_view text,
                                      std::span<const std::string_view> path) {
  JsonSpan span{0, text.size()};
  for (const std::string_view key : path) {
    const auto member = FindMember(text, span.begin, key);
    if (!member) return std::nullopt;
    span = *member;
  }
  return span;
}

Status ForEachSlice(std::string_view array, std::size_t slice_bytes,
                    FunctionRef<Status(std::string_view)> visit) {
  Cursor cursor(array);
  if (!array.ends_with(']') || !cursor.Take('[')) return InvalidArgument("is not an array");
  if (cursor.Peek() == ']' && cursor.at() + 1 == array.size()) return OkStatus();
  std::string slice;
  std::size_t begin = cursor.at();
  while (true) {
    cursor.SkipValue();
    const std::size_t end = cursor.at();
    const bool more = cursor.Take(',');
    if (more && end - begin < slice_bytes) continue;
    slice.assign("[").append(array.substr(begin, end - begin)).append("]");
    ATTUNE_RETURN_IF_ERROR(visit(slice));
    if (!more) break;
    begin = cursor.at();
  }
  if (!cursor.Take(']') || cursor.at() != array.size()) {
    return InvalidArgument(StrCat("array ends at byte ", cursor.at(), " of ", array.size()));
  }
  return OkStatus();
}

}  // namespace attune
