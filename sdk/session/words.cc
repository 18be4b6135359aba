#include "session/words.h"

namespace attune {
namespace {

using State = ReadWord::State;

// The word after a typed one that stands: a single space must part them.
ReadWord ReadFollowing(std::string_view after) {
  if (after[0] != ' ') return {};
  after.remove_prefix(1);
  const std::string_view word = LeadingWord(after);
  if (word.empty() && !after.empty()) return {};
  return {word.size() == after.size() ? State::kOpen : State::kComplete, std::string(word), true};
}

}  // namespace

bool IsWordByte(char byte) {
  const auto c = static_cast<unsigned char>(byte);
  return c >= 0x80 || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         c == '\'' || c == '-';
}

std::string_view LeadingWord(std::string_view text) {
  std::size_t size = 0;
  while (size < text.size() && IsWordByte(text[size])) ++size;
  return text.substr(0, size);
}

TypedText SplitTyped(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0 && IsWordByte(text[begin - 1])) --begin;
  TypedText typed;
  typed.word = std::string(text.substr(begin));
  std::string_view context = text.substr(0, begin);
  while (!context.empty() && context.back() == ' ') {
    context.remove_suffix(1);
    typed.space = true;
  }
  typed.context = std::string(context);
  return typed;
}

ReadWord ReadContinuation(const TypedText& typed, std::string_view continuation) {
  // At the start of a text many tokenizers put a space in front; so may a model
  // after punctuation, when no word was begun.
  const bool may_space = typed.space || typed.context.empty() || typed.word.empty();
  std::string_view rest = continuation;
  if (typed.space && !typed.context.empty() && !rest.empty() && rest[0] != ' ') return {};
  if (may_space && !rest.empty() && rest[0] == ' ') rest.remove_prefix(1);

  if (rest.size() < typed.word.size()) {
    return {typed.word.starts_with(rest) ? State::kTyping : State::kDead, "", false};
  }
  if (!rest.starts_with(typed.word)) return {};
  const std::string_view word = LeadingWord(rest);
  const std::string_view after = rest.substr(word.size());
  if (after.empty()) return {State::kOpen, std::string(word), false};
  if (word.empty()) return {};
  if (word == typed.word) return ReadFollowing(after);
  return {State::kComplete, std::string(word), false};
}

}  // namespace attune
