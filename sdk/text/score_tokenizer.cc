#include "text/score_tokenizer.h"

#include <bit>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <utility>

#include "base/strings.h"
#include "text/bpe_model.h"
#include "text/utf8.h"

namespace attune {

namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";

// Floats as integers in the opposite order: the best score comes first.
std::uint32_t PriorityOf(float score) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0f);  // -0 becomes +0.
  const std::uint32_t ascending = bits >> 31 ? ~bits : bits | 0x80000000u;
  return ~ascending;
}

}  // namespace

struct ScoreTokenizer::Splits {
  std::unordered_map<std::string_view, std::uint32_t> left_bytes;
};

ScoreTokenizer::ScoreTokenizer(ScoreParts parts)
    : parts_(std::move(parts)), decoder_(SentencePieceDecoder()) {
  for (int byte = 0; byte < 256; ++byte) {
    byte_ids_[byte] = parts_.vocabulary.Find(SpellFallbackByte(byte)).value_or(-1);
  }
}

Result<std::unique_ptr<Tokenizer>> ScoreTokenizer::Create(ScoreParts parts) {
  std::unique_ptr<ScoreTokenizer> out(new ScoreTokenizer(std::move(parts)));
  for (std::int32_t id = 0; id < out->vocab_size(); ++id) {
    const ScoredPiece& piece = out->PieceOf(id);
    if (std::isnan(piece.score))
      return InvalidArgument(StrCat("token ", id, ": score is not a number"));
    if (!out->parts_.vocabulary.Contains(id)) continue;
    AddedToken token;
    token.id = id;
    token.text = out->parts_.vocabulary.Spelling(id);
    if (piece.kind == PieceKind::kControl) {
      ATTUNE_RETURN_IF_ERROR(out->control_.Add(token));
    } else if (piece.kind == PieceKind::kUserDefined) {
      ATTUNE_RETURN_IF_ERROR(out->user_defined_.Add(token));
    }
  }
  return std::unique_ptr<Tokenizer>(std::move(out));
}

Result<std::vector<std::int32_t>> ScoreTokenizer::Encode(std::string_view text,
                                                         const EncodeOptions& options) const {
  if (text.size() > kMaxEncodeBytes) {
    return InvalidArgument(StrCat("text of ", text.size(), " bytes, at most ", kMaxEncodeBytes));
  }
  const std::string repaired = ReplaceInvalidUtf8(text);
  std::vector<std::int32_t> ids;
  if (options.add_special_tokens && parts_.bos_id) ids.push_back(*parts_.bos_id);
  if (!options.parse_special) {
    EncodeText(repaired, &ids);
    return ids;
  }
  ATTUNE_RETURN_IF_ERROR(control_.Split(
      repaired, /*parse_special=*/true,
      [&](std::size_t begin, std::size_t end) {
        EncodeText(std::string_view(repaired).substr(begin, end - begin), &ids);
        return OkStatus();
      },
      [&](std::int32_t id) { ids.push_back(id); }));
  return ids;
}

std::string ScoreTokenizer::Normalize(std::string_view text) const {
  const std::string_view space = parts_.escape_spaces ? kMetaspace : std::string_view(" ");
  std::string out;
  out.reserve(text.size() + space.size());
  bool after_space = true;
  if (text.empty()) return out;
  if (parts_.add_dummy_prefix) out.append(space);
  for (const char c : text) {
    if (c != ' ') {
      out.push_back(c);
    } else if (!parts_.collapse_spaces || !after_space) {
      out.append(space);
    }
    after_space = c == ' ';
  }
  while (parts_.collapse_spaces && out.ends_with(space)) out.resize(out.size() - space.size());
  return out;
}

std::size_t ScoreTokenizer::LeadingSpacesToStrip() const {
  if (parts_.collapse_spaces) return std::numeric_limits<std::size_t>::max();
  return parts_.add_dummy_prefix ? 1 : 0;
}

void ScoreTokenizer::EncodeText(std::string_view text, std::vector<std::int32_t>* ids) const {
  const std::string normalized = Normalize(text);
  const auto word = [&](std::size_t begin, std::size_t end) {
    EncodeWord(std::string_view(normalized).substr(begin, end - begin), ids);
    return OkStatus();
  };
  // Nothing joins with a user-defined token: they cut the text.
  user_defined_.Split(normalized, true, word, [&](std::int32_t id) { ids->push_back(id); })
      .Ignore();
}

std::optional<std::int32_t> ScoreTokenizer::FindPiece(std::string_view spelling) const {
  const auto id = parts_.vocabulary.Find(spelling);
  if (!id) return std::nullopt;
  const PieceKind kind = PieceOf(*id).kind;
  if (kind == PieceKind::kNormal || kind == PieceKind::kUserDefined || kind == PieceKind::kUnused) {
    return id;
  }
  return std::nullopt;
}

void ScoreTokenizer::AppendSymbols(std::string_view word, BpeWord* symbols) const {
  ForEachCharacter(word, [&](char32_t, std::string_view character) {
    symbols->Append(static_cast<std::uint32_t>(character.size()),
                    FindPiece(character).value_or(-1));
  });
}

void ScoreTokenizer::EncodeWord(std::string_view word, std::vector<std::int32_t>* ids) const {
  BpeWord symbols;
  AppendSymbols(word, &symbols);
  Splits splits;
  symbols.Merge([&](const BpeSymbol& left, const BpeSymbol& right) -> std::optional<BpeMerge> {
    if (!parts_.merge_unknown && (left.id < 0 || right.id < 0)) return std::nullopt;
    const std::string_view joined = word.substr(left.begin, left.length + right.length);
    const auto id = FindPiece(joined);
    if (!id) return std::nullopt;
    if (PieceOf(*id).kind == PieceKind::kUnused) splits.left_bytes[joined] = left.length;
    return BpeMerge{PriorityOf(PieceOf(*id).score), *id};
  });
  bool after_unknown = false;
  symbols.ForEach([&](const BpeSymbol& symbol) {
    Emit(word.substr(symbol.begin, symbol.length), splits, &after_unknown, ids);
  });
}

// Unused tokens helped to join; in the output they fall apart again.
void ScoreTokenizer::Emit(std::string_view symbol, const Splits& splits, bool* after_unknown,
                          std::vector<std::int32_t>* ids) const {
  std::vector<std::string_view> open{symbol};
  while (!open.empty()) {
    const std::string_view top = open.back();
    open.pop_back();
    const auto id = FindPiece(top);
    if (!id) {
      EmitUnknown(top, after_unknown, ids);
      continue;
    }
    const auto split = PieceOf(*id).kind == PieceKind::kUnused ? splits.left_bytes.find(top)
                                                               : splits.left_bytes.end();
    if (split == splits.left_bytes.end()) {
      ids->push_back(*id);
      *after_unknown = false;
      continue;
    }
    open.push_back(top.substr(split->second));
    open.push_back(top.substr(0, split->second));
  }
}

void ScoreTokenizer::EmitUnknown(std::string_view symbol, bool* after_unknown,
                                 std::vector<std::int32_t>* ids) const {
  if (!parts_.byte_fallback) {
    if (!*after_unknown) ids->push_back(parts_.unknown_id);
    *after_unknown = true;
    return;
  }
  for (const char byte : symbol) {
    const std::int32_t id = byte_ids_[static_cast<unsigned char>(byte)];
    ids->push_back(id < 0 ? parts_.unknown_id : id);
  }
}

std::string ScoreTokenizer::TokenBytes(std::int32_t id) const {
  if (id < 0 || id >= vocab_size() || IsSpecial(id)) return {};
  const std::string_view spelling = parts_.vocabulary.Spelling(id);
  return PieceOf(id).kind == PieceKind::kByte || parts_.escape_spaces ? decoder_.Bytes(spelling)
                                                                      : std::string(spelling);
}

bool ScoreTokenizer::IsSpecial(std::int32_t id) const {
  if (id < 0 || id >= vocab_size()) return false;
  const PieceKind kind = PieceOf(id).kind;
  return kind == PieceKind::kControl || kind == PieceKind::kUnknown;
}

std::optional<std::int32_t> ScoreTokenizer::FindToken(std::string_view spelling) const {
  return parts_.vocabulary.Find(spelling);
}

std::string ScoreTokenizer::TokenSpelling(std::int32_t id) const {
  return std::string(parts_.vocabulary.Spelling(id));
}

}  // namespace attune
