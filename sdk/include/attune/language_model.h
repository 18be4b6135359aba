// A LanguageModel generates text, scores text and suggests the next word, with
// or without an adapter on top of its frozen base.
//
// The base's weights stay mapped from their files. An adapter of the shape of
// an earlier one (modules, ranks, scales) takes its place without anything
// being rebuilt.
// Determinism: with f32 arithmetic, equal calls in an equal order give equal
// results for a fixed number of workers.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

struct Platform;

enum class Arithmetic : std::uint8_t {
  kF32,
  kBf16,  // Matrix products on operands rounded to bf16.
};

struct OpenOptions {
  // File or directory of the tokenizer. Empty: beside the model.
  std::string tokenizer;

  // Tokens of text and prediction together that the model can look at; caps its
  // own limit. Costs 8 bytes a token for each layer and key-value channel.
  std::int64_t context_tokens = 512;

  // --- Speed against memory ---

  Arithmetic arithmetic = Arithmetic::kF32;
  // Keep the weights in the matrix library's layout too: faster, at the price
  // of a private copy.
  bool pack_weights = false;
};

struct GenerateOptions {
  std::int64_t max_tokens = 256;
  // 0: always the most probable token, and the rest is ignored.
  float temperature = 0;
  std::int64_t top_k = 0;  // 0: all tokens.
  float top_p = 1;         // 1: all tokens.
  std::uint64_t seed = 0;
  // End where the model ends its text.
  bool stop_at_end = true;
};

enum class StopReason : std::uint8_t {
  kEndOfText,
  kMaxTokens,
  kContextFull,
  kCallback,
};

struct Generated {
  std::string text;  // Without the prompt.
  std::int64_t prompt_tokens = 0;
  std::int64_t tokens = 0;
  StopReason stop = StopReason::kMaxTokens;
};

struct Score {
  double nats_per_token = 0;
  double perplexity = 0;    // exp(nats_per_token).
  std::int64_t tokens = 0;  // Predicted ones.
};

struct WordSuggestion {
  std::string word;
  // The typed word is complete and `word` comes after it; else `word` takes the
  // place of the letters typed last.
  bool follows = false;
  // Given what was typed; a lower bound.
  double probability = 0;
};

class LanguageModel {
 public:
  // Opens a Hugging Face directory or a llama2.c ".bin" file. What `platform`
  // points to must outlive the model.
  //
  //   kNotFound         no such model, or no tokenizer
  //   kInvalidArgument  tensors that are not those of the configuration, all
  //                     named; a tokenizer of more tokens than the model has
  //   kDataLoss, kUnsupported  a file is damaged, or of a kind unknown here
  static Result<std::unique_ptr<LanguageModel>> Open(const Platform& platform,
                                                     const std::string& path,
                                                     const OpenOptions& options = {});

  ~LanguageModel();
  LanguageModel(const LanguageModel&) = delete;
  LanguageModel& operator=(const LanguageModel&) = delete;

  // Puts the adapter of a PEFT directory in force, in place of any other. On
  // error nothing has changed.
  //
  //   kInvalidArgument  it does not fit the base; every offender is named
  Status LoadAdapter(const std::string& directory);
  void UnloadAdapter();
  bool has_adapter() const;

  // Continues `prompt`; an empty one starts a new text. `on_piece`, if any, gets
  // the text as it appears and returns whether to go on.
  //
  //   kInvalidArgument    an option out of range, or a prompt that leaves no room
  //   kFailedPrecondition an empty prompt, and no token that starts a text
  Result<Generated> Generate(std::string_view prompt, const GenerateOptions& options = {},
                             const std::function<bool(std::string_view)>& on_piece = nullptr);

  // How probable the text is. "<|endoftext|>" separates documents, which are
  // scored each by itself, white space at their ends left out: from the first
  // token where the tokenizer has a token that starts a text, else from the
  // second. A document longer than the context is read in windows that overlap
  // by half.
  //
  //   kInvalidArgument  nothing to score
  Result<Score> ScoreText(std::string_view text);

  // The `count` most probable words to come next, best first; fewer where the
  // model knows no more. Letters at the end of `prefix` are a word being typed:
  // it is completed, or followed if it is most likely complete. The model is
  // asked at most 24 times, each time about the few tokens of a word. Of a
  // prefix longer than the context its end is used.
  Result<std::vector<WordSuggestion>> SuggestWords(std::string_view prefix, std::size_t count);

  // How many executables were compiled so far.
  std::int64_t compiled_executables() const;

 private:
  class Impl;
  explicit LanguageModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune
