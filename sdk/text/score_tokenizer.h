// BPE whose merges have no list: two neighbours join if their concatenation is
// a token, the one with the highest score first. SentencePiece and llama2.c.
//
// Threads: immutable once built.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"
#include "text/vocabulary.h"

namespace attune {

// NOTE: numbered as in SentencePiece's files.
enum class PieceKind : std::uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct ScoredPiece {
  float score = 0;
  PieceKind kind = PieceKind::kNormal;
};

struct ScoreParts {
  Vocabulary vocabulary;
  std::vector<ScoredPiece> pieces;  // By id.

  // --- What happens to the text first ---
  bool collapse_spaces = false;
  bool add_dummy_prefix = true;
  // The spaces of the text are "▁" in the vocabulary.
  bool escape_spaces = true;

  // --- How it becomes ids ---
  bool byte_fallback = true;
  // Characters without a token join too, if a token spells them together.
  bool merge_unknown = true;
  std::int32_t unknown_id = 0;
  std::optional<std::int32_t> bos_id;
  std::optional<std::int32_t> eos_id;
};

class ScoreTokenizer final : public Tokenizer {
 public:
  // REQUIRES: one piece an id; unknown_id, bos_id and eos_id are ids.
  //
  //   kInvalidArgument  a score is not a number, a piece is too long
  static Result<std::unique_ptr<Tokenizer>> Create(ScoreParts parts);

  Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                           const EncodeOptions& options) const override;
  std::int32_t vocab_size() const override {
    return static_cast<std::int32_t>(parts_.pieces.size());
  }
  std::optional<std::int32_t> bos_id() const override { return parts_.bos_id; }
  std::optional<std::int32_t> eos_id() const override { return parts_.eos_id; }
  std::string TokenBytes(std::int32_t id) const override;
  bool IsSpecial(std::int32_t id) const override;
  std::optional<std::int32_t> FindToken(std::string_view spelling) const override;
  std::string TokenSpelling(std::int32_t id) const override;

 private:
  // Where each joined unused token was joined: spelling to bytes of the left.
  struct Splits;

  explicit ScoreTokenizer(ScoreParts parts);
  std::size_t LeadingSpacesToStrip() const override;

  std::string Normalize(std::string_view text) const;
  void EncodeText(std::string_view text, std::vector<std::int32_t>* ids) const;
  void EncodeWord(std::string_view word, std::vector<std::int32_t>* ids) const;
  void AppendSymbols(std::string_view word, BpeWord* symbols) const;
  void Emit(std::string_view symbol, const Splits& splits, bool* after_unknown,
            std::vector<std::int32_t>* ids) const;
  void EmitUnknown(std::string_view symbol, bool* after_unknown,
                   std::vector<std::int32_t>* ids) const;
  // A token that text can become.
  std::optional<std::int32_t> FindPiece(std::string_view spelling) const;
  const ScoredPiece& PieceOf(std::int32_t id) const {
    return parts_.pieces[static_cast<std::size_t>(id)];
  }

  ScoreParts parts_;
  TokenDecoder decoder_;
  AddedTokenMatcher control_;
  AddedTokenMatcher user_defined_;
  std::int32_t byte_ids_[256];
};

}  // namespace attune
