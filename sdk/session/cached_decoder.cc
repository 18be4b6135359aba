#include "session/cached_decoder.h"

#include <algorithm>

#include "base/strings.h"
#include "session/prefill.h"

namespace attune {
namespace {

// Rows past `count` are padding: they attend to row 0 only, and what they leave
// in the caches lies past the sequence, where the next run overwrites it.
void FillInputs(std::span<const std::int32_t> tokens, std::int64_t begin, std::int64_t capacity,
                const LogitsRun& run) {
  for (std::size_t i = 0; i < run.ids.size(); ++i) {
    const bool real = i < tokens.size();
    const auto position = begin + static_cast<std::int64_t>(i);
    run.ids[i] = real ? tokens[i] : 0;
    run.positions[i] = static_cast<std::int32_t>(std::min(position, capacity - 1));
    run.lo[i] = 0;
    run.hi[i] = real ? static_cast<std::int32_t>(position + 1) : 1;
  }
  run.cache_position[0] = static_cast<std::int32_t>(begin);
  run.last[0] = static_cast<std::int32_t>(tokens.size()) - 1;
}

}  // namespace

Status CachedDecoder::CheckTokens(std::span<const std::int32_t> tokens) const {
  const auto size = static_cast<std::int64_t>(tokens.size());
  if (size < 1 || size > capacity()) {
    return InvalidArgument(StrCat(size, " tokens of context, allowed 1 to ", capacity()));
  }
  const std::int64_t vocabulary = model_.config().vocabulary;
  for (const std::int32_t id : tokens) {
    if (id < 0 || id >= vocabulary) {
      return InvalidArgument(StrCat("token ", id, ", the model has ", vocabulary));
    }
  }
  return OkStatus();
}

std::size_t CachedDecoder::ReusablePrefix(std::span<const std::int32_t> tokens) const {
  const auto stop = std::mismatch(tokens.begin(), tokens.end(), cached_.begin(), cached_.end());
  const auto common = static_cast<std::size_t>(stop.first - tokens.begin());
  // The last token is fed in any case: its run yields the logits.
  return std::min(common, tokens.size() - 1);
}

Result<LogitsRun*> CachedDecoder::Feed(std::span<const std::int32_t> tokens,
                                       std::int64_t run_size) {
  ATTUNE_ASSIGN_OR_RETURN(LogitsRun * run, model_.Logits(run_size));
  FillInputs(tokens, static_cast<std::int64_t>(cached_.size()), capacity(), *run);
  ATTUNE_RETURN_IF_ERROR(run->executable->Run());
  cached_.insert(cached_.end(), tokens.begin(), tokens.end());
  return run;
}

Result<std::span<const float>> CachedDecoder::LogitsAfter(std::span<const std::int32_t> tokens) {
  ATTUNE_RETURN_IF_ERROR(CheckTokens(tokens));
  if (generation_ != model_.generation()) cached_.clear();
  generation_ = model_.generation();
  cached_.resize(ReusablePrefix(tokens));

  LogitsRun* run = nullptr;
  while (cached_.size() < tokens.size()) {
    const auto rest = tokens.subspan(cached_.size());
    const auto remaining = static_cast<std::int64_t>(rest.size());
    const auto room = capacity() - static_cast<std::int64_t>(cached_.size());
    const std::int64_t size = NextRunSize(remaining, room);
    const auto now = static_cast<std::size_t>(std::min(size, remaining));
    ATTUNE_ASSIGN_OR_RETURN(run, Feed(rest.first(now), size));
  }
  ATTUNE_ASSIGN_OR_RETURN(const TensorView logits, run->executable->Output("logits"));
  return logits.f32();
}

}  // namespace attune
