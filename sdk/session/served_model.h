// A ServedModel is an open base model with its tokenizer and the adapter that is
// in force: what a LanguageModel and an Adaptation predict with.
//
// Threads: one at a time.

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/language_model.h"
#include "attune/status.h"
#include "models/weights.h"
#include "session/adapted_model.h"
#include "session/cached_decoder.h"
#include "session/platform.h"
#include "session/word_search.h"
#include "text/tokenizer.h"

namespace attune {

class ServedModel {
 public:
  // As LanguageModel::Open().
  static Result<std::unique_ptr<ServedModel>> Open(const Platform& platform,
                                                   const std::string& path,
                                                   const OpenOptions& options);

  const LanguageModelWeights& weights() const { return weights_; }
  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // See AdaptedModel: on error nothing has changed.
  Status SetAdapter(const PeftAdapter& adapter) { return model_.SetAdapter(adapter); }
  void ClearAdapter() { model_.ClearAdapter(); }
  bool adapted() const { return model_.adapted(); }
  std::int64_t adapter_bytes() const { return model_.adapter_bytes(); }
  void DropExecutables() { model_.DropExecutables(); }
  std::int64_t compiled() const { return model_.compiled(); }

  // As those of LanguageModel.
  Result<Generated> Generate(std::string_view prompt, const GenerateOptions& options,
                             const std::function<bool(std::string_view)>& on_piece);
  Result<Score> ScoreText(std::string_view text);
  Result<std::vector<WordSuggestion>> SuggestWords(std::string_view prefix, std::size_t count);

 private:
  using Ids = std::vector<std::int32_t>;

  ServedModel(const Platform& platform, LanguageModelWeights weights,
              std::unique_ptr<Tokenizer> tokenizer, const OpenOptions& options);

  Result<Ids> Tokens(std::string_view text) const;
  Result<Ids> Context(std::string_view text) const;
  Result<Ids> Prompt(std::string_view text) const;
  bool EndsText(std::int32_t id) const;
  const TokenTexts& Texts();

  const LanguageModelWeights weights_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  AdaptedModel model_;
  CachedDecoder decoder_;
  TokenTexts texts_;
};

}  // namespace attune
