#include "text/added_tokens.h"

#include <algorithm>
#include <functional>

#include "base/strings.h"
#include "text/unicode.h"
#include "text/utf8.h"

namespace attune {

namespace {

// Where the last character of `text` begins. REQUIRES: valid, not empty.
std::size_t LastCharacter(std::string_view text) {
  std::size_t at = text.size() - 1;
  while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

bool EndsWithWord(std::string_view text) {
  return !text.empty() &&
         IsWordCharacter(FirstCharacter(text.substr(LastCharacter(text))).code_point);
}

bool StartsWithWord(std::string_view text) {
  return !text.empty() && IsWordCharacter(FirstCharacter(text).code_point);
}

// `end` moved left over white space, not beyond `limit`.
std::size_t SkipSpaceBackward(std::string_view text, std::size_t limit, std::size_t end) {
  while (end > limit) {
    const std::size_t at = LastCharacter(text.substr(0, end));
    if (!IsSpace(FirstCharacter(text.substr(at)).code_point)) break;
    end = at;
  }
  return std::max(end, limit);
}

std::size_t SkipSpaceForward(std::string_view text, std::size_t begin) {
  while (begin < text.size()) {
    const Utf8Character character = FirstCharacter(text.substr(begin));
    if (!IsSpace(character.code_point)) break;
    begin += character.length;
  }
  return begin;
}

}  // namespace

Status AddedTokenMatcher::Add(const AddedToken& token) {
  const std::string_view pattern = token.text;
  if (pattern.empty() || pattern.size() > kMaxAddedTokenBytes) {
    return InvalidArgument(StrCat("added token ", token.id, ": ", pattern.size(),
                                  " bytes, allowed 1 to ", kMaxAddedTokenBytes));
  }
  // Two tokens may normalise to the same pattern; the first one keeps it.
  if (patterns_.Find(pattern)) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(patterns_.Add(static_cast<std::int64_t>(tokens_.size()), pattern));
  tokens_.push_back(token);
  auto& lengths = lengths_[static_cast<unsigned char>(pattern[0])];
  const auto length = static_cast<std::uint16_t>(pattern.size());
  const auto place = std::lower_bound(lengths.begin(), lengths.end(), length, std::greater<>());
  if (place == lengths.end() || *place != length) lengths.insert(place, length);
  return OkStatus();
}

const AddedToken* AddedTokenMatcher::MatchAt(std::string_view input, std::size_t at,
                                             std::size_t* length) const {
  for (const std::uint16_t candidate : lengths_[static_cast<unsigned char>(input[at])]) {
    if (candidate > input.size() - at) continue;
    const auto index = patterns_.Find(input.substr(at, candidate));
    if (!index) continue;
    *length = candidate;
    return &tokens_[static_cast<std::size_t>(*index)];
  }
  return nullptr;
}

Status AddedTokenMatcher::Split(std::string_view input, bool parse_special,
                                FunctionRef<Status(std::size_t, std::size_t)> text,
                                FunctionRef<void(std::int32_t)> token) const {
  std::size_t done = 0;  // Everything before it has been handed out.
  std::size_t length = 1;
  for (std::size_t at = 0; !tokens_.empty() && at < input.size(); at += length) {
    length = 1;
    const AddedToken* match = MatchAt(input, at, &length);
    if (match == nullptr || (match->special && !parse_special)) continue;
    std::size_t begin = at;
    std::size_t end = at + length;
    if (match->single_word &&
        (EndsWithWord(input.substr(0, begin)) || StartsWithWord(input.substr(end)))) {
      continue;
    }
    if (match->lstrip) begin = SkipSpaceBackward(input, done, begin);
    if (match->rstrip) end = SkipSpaceForward(input, end);
    if (done < begin) ATTUNE_RETURN_IF_ERROR(text(done, begin));
    token(match->id);
    done = end;
    length = end - at;
  }
  return done < input.size() ? text(done, input.size()) : OkStatus();
}

}  // namespace attune
