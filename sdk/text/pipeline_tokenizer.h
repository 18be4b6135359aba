// The tokenizer that tokenizer.json describes, of its parts: added tokens,
// normalizer, pre-tokenizer, model, template, decoder.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/added_tokens.h"
#include "text/bpe_model.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/token_decoder.h"
#include "text/tokenizer.h"

namespace attune {

struct PipelineParts {
  explicit PipelineParts(BpeModel bpe) : model(std::move(bpe)) {}

  // By ascending id, each id once. Those in the model's vocabulary have the
  // same spelling there.
  std::vector<AddedToken> added_tokens;
  Normalizers normalizers;
  PreTokenizers pre_tokenizers;
  BpeModel model;
  TokenDecoder decoder;
  // What add_special_tokens puts around a text.
  std::vector<std::int32_t> prefix_ids;
  std::vector<std::int32_t> suffix_ids;
  std::optional<std::int32_t> bos_id;
  std::optional<std::int32_t> eos_id;
};

class PipelineTokenizer final : public Tokenizer {
 public:
  //   kInvalidArgument  an added token is empty or too long
  static Result<std::unique_ptr<Tokenizer>> Create(PipelineParts parts);

  Result<std::vector<std::int32_t>> Encode(std::string_view text,
                                           const EncodeOptions& options) const override;
  std::int32_t vocab_size() const override;
  std::optional<std::int32_t> bos_id() const override { return parts_.bos_id; }
  std::optional<std::int32_t> eos_id() const override { return parts_.eos_id; }
  std::string TokenBytes(std::int32_t id) const override;
  bool IsSpecial(std::int32_t id) const override;
  std::optional<std::int32_t> FindToken(std::string_view spelling) const override;
  std::string TokenSpelling(std::int32_t id) const override;

 private:
  struct Pass;

  explicit PipelineTokenizer(PipelineParts parts) : parts_(std::move(parts)) {}
  std::size_t LeadingSpacesToStrip() const override {
    return parts_.decoder.strips_leading_space ? 1 : 0;
  }

  Status EncodeRaw(const Piece& piece, Pass* pass) const;
  Status EncodeNormalized(const Piece& piece, Pass* pass) const;
  void EncodeWord(std::string_view word, Pass* pass) const;
  const AddedToken* FindAdded(std::int32_t id) const;

  PipelineParts parts_;
  AddedTokenMatcher raw_;
  AddedTokenMatcher normalized_;
};

}  // namespace attune
