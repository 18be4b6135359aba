#include "session/probes.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "ports/clock.h"
#include "session/adapted_model.h"
#include "session/cached_decoder.h"
#include "session/sampling.h"

namespace attune {
namespace {

// Beginnings that a text of any kind may have. The empty one is the model's own.
constexpr std::array<std::string_view, 6> kPrompts = {"", "I ", "The ", "Can you", "It is", "2 "};
constexpr std::int64_t kPromptTokens = 16;  // At most.

// What one model wrote.
struct Written {
  bool finite = true;
  int bad = 0;                  // Texts that are empty or end in a loop.
  std::vector<double> seconds;  // Of each token after a text's first.
};

using Ids = std::vector<std::int32_t>;

class Prober {
 public:
  Prober(const Platform& platform, const LanguageModelWeights& base, const Tokenizer& tokenizer,
         const CompileOptions& options, FunctionRef<bool()> go_on)
      : clock_(*platform.clock),
        tokenizer_(tokenizer),
        eos_(base.config.eos),
        model_(base, *platform.backend, options,
               std::min(kPromptTokens + kProbeTokens, base.config.max_positions)),
        decoder_(&model_),
        go_on_(go_on) {}

  // In turns, so that what slows the device down slows both.
  Status WriteAll(const PeftAdapter& adapter, Written* bare, Written* adapted) {
    for (std::size_t i = 0; i < kPrompts.size() && adapted->finite; ++i) {
      ATTUNE_ASSIGN_OR_RETURN(const Ids prompt, PromptOf(kPrompts[i]));
      if (prompt.empty()) continue;
      model_.ClearAdapter();
      ATTUNE_RETURN_IF_ERROR(Write(prompt, i, bare));
      ATTUNE_RETURN_IF_ERROR(model_.SetAdapter(adapter));
      ATTUNE_RETURN_IF_ERROR(Write(prompt, i, adapted));
    }
    return OkStatus();
  }

 private:
  Result<Ids> PromptOf(std::string_view text) const {
    ATTUNE_ASSIGN_OR_RETURN(Ids ids, tokenizer_.Encode(text));
    const auto start = tokenizer_.bos_id() ? tokenizer_.bos_id() : tokenizer_.eos_id();
    if (start && (ids.empty() || ids[0] != *start)) ids.insert(ids.begin(), *start);
    if (static_cast<std::int64_t>(ids.size()) > kPromptTokens) ids.resize(kPromptTokens);
    return ids;
  }

  bool EndsText(std::int32_t id) const {
    return id == tokenizer_.eos_id() || id == tokenizer_.bos_id() ||
           std::find(eos_.begin(), eos_.end(), id) != eos_.end();
  }

  Status Write(Ids ids, std::uint64_t stream, Written* written) {
    const auto prompt = static_cast<std::ptrdiff_t>(ids.size());
    // As likely as the model says: a model in order does not loop then.
    const SamplingRule rule{.temperature = 1};
    Philox random(/*seed=*/0, stream);
    bool ended = false;
    for (std::int64_t n = 0; n < kProbeTokens && !ended; ++n) {
      if (static_cast<std::int64_t>(ids.size()) > decoder_.capacity()) break;
      if (!go_on_()) return Cancelled("probes stopped");
      const double begin = clock_.MonotonicSeconds();
      ATTUNE_ASSIGN_OR_RETURN(const auto logits, decoder_.LogitsAfter(ids));
      // The first run of a size compiles it.
      if (n > 1) written->seconds.push_back(clock_.MonotonicSeconds() - begin);
      const Result<std::int32_t> next = SampleToken(logits, rule, &random);
      if (!next.ok()) {
        written->finite = false;
        return OkStatus();
      }
      ended = EndsText(*next);
      if (!ended) ids.push_back(*next);
    }
    const std::span<const std::int32_t> text(ids.begin() + prompt, ids.end());
    if (text.empty() || (!ended && EndsInLoop(text))) ++written->bad;
    return OkStatus();
  }

  Clock& clock_;
  const Tokenizer& tokenizer_;
  const std::vector<std::int64_t>& eos_;
  AdaptedModel model_;
  CachedDecoder decoder_;
  const FunctionRef<bool()> go_on_;
};

// A quarter of them take less: what else a device does only ever adds.
double LowerQuartile(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto quarter = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 4);
  std::nth_element(values.begin(), quarter, values.end());
  return *quarter;
}

}  // namespace

double SlowdownOf(const std::vector<double>& bare, const std::vector<double>& adapted) {
  const double fast = std::max(LowerQuartile(bare), kFastToken);
  return std::max(LowerQuartile(adapted) / fast, 1.0);
}

bool EndsInLoop(std::span<const std::int32_t> tokens) {
  for (std::size_t period = 1; period <= 6; ++period) {
    std::size_t length = period;  // Of the end that repeats with this period.
    while (length < tokens.size() &&
           tokens[tokens.size() - 1 - length] == tokens[tokens.size() - 1 - length + period]) {
      ++length;
    }
    if (length <= tokens.size() && length >= std::max<std::size_t>(3 * period, 8)) return true;
  }
  return false;
}

Result<Probes> ProbeAdapter(const Platform& platform, const LanguageModelWeights& base,
                            const Tokenizer& tokenizer, const PeftAdapter& adapter,
                            const CompileOptions& options, FunctionRef<bool()> go_on) {
  Prober prober(platform, base, tokenizer, options, go_on);
  Written bare, adapted;
  ATTUNE_RETURN_IF_ERROR(prober.WriteAll(adapter, &bare, &adapted));
  Probes probes;
  probes.finite = adapted.finite;
  probes.degenerate =
      adapted.bad > bare.bad && 2 * adapted.bad >= static_cast<int>(kPrompts.size());
  probes.slowdown = SlowdownOf(bare.seconds, adapted.seconds);
  return probes;
}

}  // namespace attune
