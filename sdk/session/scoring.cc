#include "session/scoring.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "session/prefill.h"

namespace attune {
namespace {

Status CheckIds(const DecoderConfig& config, std::span<const std::int32_t> tokens) {
  for (const std::int32_t id : tokens) {
    if (id < 0 || id >= config.vocabulary) {
      return InvalidArgument(StrCat("token ", id, ", the model has ", config.vocabulary));
    }
  }
  return OkStatus();
}

void FillInputs(std::span<const std::int32_t> tokens, const ScoreWindow& at, const LossRun& run) {
  for (std::size_t i = 0; i < run.ids.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    const bool real = row < at.length;
    const auto token = static_cast<std::size_t>(at.begin + row);
    run.ids[i] = real ? tokens[token] : 0;
    run.positions[i] = static_cast<std::int32_t>(i);
    run.labels[i] = real ? tokens[token + 1] : 0;
    run.weights[i] = real && row >= at.skip ? 1.0f : 0.0f;
  }
}

}  // namespace

std::vector<std::string_view> SplitDocuments(std::string_view text) {
  constexpr std::string_view kSeparator = "<|endoftext|>";
  constexpr std::string_view kWhite = " \t\r\n";
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(kSeparator), text.size());
    const std::string_view piece = text.substr(0, end);
    text.remove_prefix(std::min(end + kSeparator.size(), text.size()));
    const std::size_t first = piece.find_first_not_of(kWhite);
    if (first == std::string_view::npos) continue;
    documents.push_back(piece.substr(first, piece.find_last_not_of(kWhite) - first + 1));
  }
  return documents;
}

ScoreWindow WindowAt(std::int64_t index, std::int64_t rows, std::int64_t window) {
  const std::int64_t stride = std::max<std::int64_t>(window / 2, 1);
  const std::int64_t begin = index * stride;
  const std::int64_t skip = index == 0 ? 0 : window - stride;
  if (begin + skip >= rows) return {};
  return {begin, std::min(window, rows - begin), skip};
}

Result<TokenScore> ScoreTokens(AdaptedModel& model, std::span<const std::int32_t> tokens,
                               std::int64_t window) {
  ATTUNE_RETURN_IF_ERROR(CheckIds(model.config(), tokens));
  TokenScore score;
  const std::int64_t rows = static_cast<std::int64_t>(tokens.size()) - 1;
  for (std::int64_t index = 0;; ++index) {
    const ScoreWindow at = WindowAt(index, rows, window);
    if (at.length <= 0) return score;
    const std::int64_t length = std::min(std::max(CoveringRunSize(at.length), at.length), window);
    ATTUNE_ASSIGN_OR_RETURN(LossRun * run, model.Loss(length));
    FillInputs(tokens, at, *run);
    ATTUNE_RETURN_IF_ERROR(run->executable->Run());
    ATTUNE_ASSIGN_OR_RETURN(const TensorView loss, run->executable->Output("loss"));
    const float nats = loss.f32()[0];
    if (!std::isfinite(nats)) return DataLoss("the model's loss is not finite");
    score.nats += nats;
    score.tokens += at.length - at.skip;
  }
}

}  // namespace attune
