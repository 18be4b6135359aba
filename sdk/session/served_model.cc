#include "session/served_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/checked_math.h"
#include "base/philox.h"
#include "base/strings.h"
#include "session/model_tokenizer.h"
#include "session/sampling.h"
#include "session/scoring.h"

namespace attune {
namespace {

// The end of a sequence that is too long, cut in coarse steps so that a text
// that grows keeps its beginning for a while, and with it what is cached. The
// first token, which starts the text, stays.
std::vector<std::int32_t> KeepRecent(std::vector<std::int32_t> ids, std::int64_t limit) {
  const auto size = static_cast<std::int64_t>(ids.size());
  if (size <= limit) return ids;
  const std::int64_t step = std::max<std::int64_t>(limit / 4, 1);
  const std::int64_t drop = std::min(RoundUp(size - limit, step), size - 1);
  ids.erase(ids.begin() + 1,
            ids.begin() + 1 + static_cast<std::ptrdiff_t>(std::min(drop, size - 1)));
  return ids;
}

CompileOptions CompileOptionsOf(const OpenOptions& options) {
  return {.precision = options.arithmetic == Arithmetic::kBf16 ? Precision::kBf16 : Precision::kF32,
          .pack_weights = options.pack_weights};
}

}  // namespace

ServedModel::ServedModel(const Platform& platform, LanguageModelWeights weights,
                         std::unique_ptr<Tokenizer> tokenizer, const OpenOptions& options)
    : weights_(std::move(weights)),
      tokenizer_(std::move(tokenizer)),
      model_(weights_, *platform.backend, CompileOptionsOf(options),
             std::min(options.context_tokens, weights_.config.max_positions)),
      decoder_(&model_) {}

Result<std::unique_ptr<ServedModel>> ServedModel::Open(const Platform& platform,
                                                       const std::string& path,
                                                       const OpenOptions& options) {
  if (options.context_tokens < 1) {
    return InvalidArgument(StrCat("context_tokens ", options.context_tokens, ", allowed 1 and up"));
  }
  ATTUNE_ASSIGN_OR_RETURN(LanguageModelWeights weights, LoadModel(*platform.files, path));
  ATTUNE_ASSIGN_OR_RETURN(
      auto tokenizer, OpenModelTokenizer(*platform.files, path, options.tokenizer, weights.config));
  return std::unique_ptr<ServedModel>(
      new ServedModel(platform, std::move(weights), std::move(tokenizer), options));
}

// The text's tokens after the one that starts a text, if there is one.
Result<ServedModel::Ids> ServedModel::Tokens(std::string_view text) const {
  ATTUNE_ASSIGN_OR_RETURN(Ids ids, tokenizer_->Encode(text));
  const auto bos = tokenizer_->bos_id();
  if (bos && (ids.empty() || ids[0] != *bos)) ids.insert(ids.begin(), *bos);
  return ids;
}

// The same, and never empty.
Result<ServedModel::Ids> ServedModel::Context(std::string_view text) const {
  ATTUNE_ASSIGN_OR_RETURN(Ids ids, Tokens(text));
  if (ids.empty() && tokenizer_->eos_id()) ids.push_back(*tokenizer_->eos_id());
  if (!ids.empty()) return ids;
  return FailedPrecondition("the tokenizer names no token that starts a text");
}

// What the model itself expects of a prompt.
Result<ServedModel::Ids> ServedModel::Prompt(std::string_view text) const {
  if (text.empty()) return Context(text);
  ATTUNE_ASSIGN_OR_RETURN(Ids ids, tokenizer_->Encode(text));
  const auto size = static_cast<std::int64_t>(ids.size());
  if (size < model_.capacity()) return ids;
  return InvalidArgument(StrCat("a prompt of ", size, " tokens, the context holds ",
                                model_.capacity(), " with the answer"));
}

bool ServedModel::EndsText(std::int32_t id) const {
  const auto& eos = weights_.config.eos;
  return id == tokenizer_->eos_id() || id == tokenizer_->bos_id() ||
         std::find(eos.begin(), eos.end(), id) != eos.end();
}

const TokenTexts& ServedModel::Texts() {
  if (texts_.empty()) {
    for (std::int32_t id = 0; id < tokenizer_->vocab_size(); ++id) {
      texts_.push_back(tokenizer_->TokenBytes(id));
    }
  }
  return texts_;
}

Result<Generated> ServedModel::Generate(std::string_view prompt, const GenerateOptions& options,
                                        const std::function<bool(std::string_view)>& on_piece) {
  const SamplingRule rule{options.temperature, options.top_k, options.top_p};
  ATTUNE_RETURN_IF_ERROR(Check(rule));
  ATTUNE_ASSIGN_OR_RETURN(Ids ids, Prompt(prompt));
  Generated out;
  out.prompt_tokens = static_cast<std::int64_t>(ids.size());
  StreamDecoder stream(*tokenizer_);
  if (!prompt.empty()) stream.ContinueText();
  Philox random(options.seed);

  bool wanted = true;
  const auto emit = [&](const std::string& piece) {
    out.text += piece;
    if (on_piece && !piece.empty()) wanted = on_piece(piece);
  };
  while (wanted && out.tokens < options.max_tokens) {
    if (static_cast<std::int64_t>(ids.size()) > decoder_.capacity()) {
      out.stop = StopReason::kContextFull;
      break;
    }
    ATTUNE_ASSIGN_OR_RETURN(const auto logits, decoder_.LogitsAfter(ids));
    ATTUNE_ASSIGN_OR_RETURN(const std::int32_t next, SampleToken(logits, rule, &random));
    if (options.stop_at_end && EndsText(next)) {
      out.stop = StopReason::kEndOfText;
      break;
    }
    ids.push_back(next);
    ++out.tokens;
    emit(stream.Push(next));
  }
  emit(stream.Finish());
  if (!wanted) out.stop = StopReason::kCallback;
  return out;
}

Result<Score> ServedModel::ScoreText(std::string_view text) {
  TokenScore sum;
  for (const std::string_view document : SplitDocuments(text)) {
    ATTUNE_ASSIGN_OR_RETURN(const Ids ids, Tokens(document));
    ATTUNE_ASSIGN_OR_RETURN(const TokenScore score, ScoreTokens(model_, ids, model_.capacity()));
    sum.nats += score.nats;
    sum.tokens += score.tokens;
  }
  if (sum.tokens == 0) return InvalidArgument("the text has no token to score");
  const double nats = sum.nats / static_cast<double>(sum.tokens);
  return Score{nats, std::exp(nats), sum.tokens};
}

Result<std::vector<WordSuggestion>> ServedModel::SuggestWords(std::string_view prefix,
                                                              std::size_t count) {
  // The longest path of a search: tokens that must fit behind the context.
  constexpr std::int64_t kPathTokens = 32;
  constexpr std::size_t kMaxWords = 64;
  if (count < 1 || count > kMaxWords) {
    return InvalidArgument(StrCat(count, " suggestions, allowed 1 to ", kMaxWords));
  }
  const TypedText typed = SplitTyped(prefix);
  ATTUNE_ASSIGN_OR_RETURN(Ids context, Context(typed.context));
  context =
      KeepRecent(std::move(context), std::max(decoder_.capacity() - kPathTokens, std::int64_t{1}));
  std::vector<float> probabilities;
  const auto ask = [&](std::span<const std::int32_t> path) -> Result<std::span<const float>> {
    Ids ids = context;
    ids.insert(ids.end(), path.begin(), path.end());
    ATTUNE_ASSIGN_OR_RETURN(const auto logits, decoder_.LogitsAfter(ids));
    probabilities = Softmax(logits);
    return std::span<const float>(probabilities);
  };
  ATTUNE_ASSIGN_OR_RETURN(const auto found, SearchWords(typed, Texts(), {.words = count}, ask));
  std::vector<WordSuggestion> suggestions;
  for (const FoundWord& word : found) {
    suggestions.push_back({word.word, word.follows, word.probability});
  }
  return suggestions;
}

}  // namespace attune
