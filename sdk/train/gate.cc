#include "train/gate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/philox.h"
#include "base/strings.h"

namespace attune {
namespace {

// Streams of the generator, so that no two figures share their draws.
constexpr std::uint64_t kServingStream = 0x6A7E01, kBaseStream = 0x6A7E02, kAnchorStream = 0x6A7E03;

// What an example adds to the sums of a ratio of x (the candidate) over y.
struct Pair {
  double x = 0, y = 0;
};

struct Sums {
  double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  void Add(const Pair& p) {
    x += p.x;
    y += p.y;
    xx += p.x * p.x;
    xy += p.x * p.y;
    yy += p.y * p.y;
  }
  double ratio() const { return x / y; }
  // Of the ratio, linearised: the residuals x - ratio * y are what varies.
  double standard_error() const {
    const double r = ratio();
    return std::sqrt(std::max(xx - 2 * r * xy + r * r * yy, 0.0)) / y;
  }
};

// Uniform draws from [0, count), four out of each block of the generator. The bias of
// the plain multiply-shift, below count / 2^32, is nothing beside the sampling error.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t stream, std::size_t count)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        stream_(static_cast<std::uint32_t>(stream)),
        count_(count) {}
  std::size_t Next() {
    if (at_ == 4) {
      words_ = Philox4x32({static_cast<std::uint32_t>(block_),
                           static_cast<std::uint32_t>(block_ >> 32), stream_, 0},
                          key_);
      ++block_;
      at_ = 0;
    }
    return static_cast<std::size_t>((std::uint64_t{words_[at_++]} * count_) >> 32);
  }

 private:
  const std::array<std::uint32_t, 2> key_;
  const std::uint32_t stream_;
  const std::uint64_t count_;
  std::uint64_t block_ = 0;
  std::array<std::uint32_t, 4> words_{};
  std::size_t at_ = 4;
};

// A ratio less 1, and the end of its one-sided interval.
struct Bound {
  double change = 0;
  double end = 0;
};
constexpr Bound kNothingKnown{0, -1};

// How many standard errors the ratio of a resample deviates from the true one.
double Deviation(const Sums& resample, double ratio) {
  const double away = resample.ratio() - ratio;
  const double error = resample.standard_error();
  // Resamples of one example over and over: without an error of their own.
  constexpr double kNone = 1e-12;
  if (error > kNone * ratio) return away / error;
  return std::abs(away) <= kNone * ratio ? 0 : std::copysign(1 / kNone, away);
}

// By how much x exceeds y, and at most with the asked confidence.
Bound RiseOf(const std::vector<Pair>& pairs, const GateOptions& options, std::uint64_t seed,
             std::uint64_t stream) {
  Sums all;
  for (const Pair& pair : pairs) all.Add(pair);
  if (!(all.y > 0)) return {0, 1};
  const double ratio = all.ratio();
  if (pairs.size() == 1) return {ratio - 1, std::max(ratio - 1, 1.0)};  // Of no spread.
  Draws draws(seed, stream, pairs.size());
  std::vector<double> deviations(static_cast<std::size_t>(options.resamples));
  for (double& deviation : deviations) {
    Sums resample;
    for (std::size_t i = 0; i < pairs.size(); ++i) resample.Add(pairs[draws.Next()]);
    deviation = resample.y > 0 ? Deviation(resample, ratio) : 0;
  }
  // The upper end is set by how far resamples fall short. Rounded outwards.
  const double tail = (1 - options.confidence) * static_cast<double>(deviations.size());
  const auto rank = static_cast<std::size_t>(std::max(std::floor(tail) - 1, 0.0));
  std::nth_element(deviations.begin(), deviations.begin() + static_cast<std::ptrdiff_t>(rank),
                   deviations.end());
  return {ratio - 1, ratio - 1 - deviations[rank] * all.standard_error()};
}

bool AllFinite(std::span<const ExampleLoss> losses) {
  return std::all_of(losses.begin(), losses.end(),
                     [](const ExampleLoss& loss) { return std::isfinite(loss.nats); });
}

double MeanOf(std::span<const ExampleLoss> losses) {
  ExampleLoss sum;
  for (const ExampleLoss& loss : losses) {
    if (loss.tokens == 0) continue;
    sum.nats += loss.nats;
    sum.tokens += loss.tokens;
  }
  if (sum.tokens == 0 || !std::isfinite(sum.nats)) return 0;
  return sum.nats / static_cast<double>(sum.tokens);
}

std::vector<Pair> PairsOf(std::span<const ExampleLoss> x, std::span<const ExampleLoss> y) {
  std::vector<Pair> pairs;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i].tokens > 0) pairs.push_back({x[i].nats, y[i].nats});
  }
  return pairs;
}

bool Same(std::span<const ExampleLoss> a, std::span<const ExampleLoss> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const ExampleLoss& x, const ExampleLoss& y) { return x.nats == y.nats; });
}

// How much less the candidate loses than the other one, and at least.
Bound GainOver(std::span<const ExampleLoss> other, const GateInput& input,
               const GateOptions& options, std::uint64_t seed, std::uint64_t stream) {
  if (!AllFinite(input.candidate)) return kNothingKnown;
  if (!AllFinite(other)) return {1, 1};
  const Bound rise = RiseOf(PairsOf(input.candidate, other), options, seed, stream);
  const double gain = -rise.change;
  return {gain, std::max(-rise.end, std::min(gain, -1.0))};
}

void Compare(const GateInput& input, const GateOptions& options, std::uint64_t seed,
             GateDecision* decision) {
  const auto has_tokens = [](const ExampleLoss& loss) { return loss.tokens > 0; };
  decision->examples = std::count_if(input.candidate.begin(), input.candidate.end(), has_tokens);
  decision->candidate_loss = MeanOf(input.candidate);
  decision->serving_loss = MeanOf(input.serving);
  decision->base_loss = MeanOf(input.base);
  if (decision->examples == 0) return;
  // A base that cannot be measured speaks for nobody.
  Bound base = kNothingKnown;
  if (AllFinite(input.base)) base = GainOver(input.base, input, options, seed, kBaseStream);
  const Bound serving = Same(input.serving, input.base)
                            ? base
                            : GainOver(input.serving, input, options, seed, kServingStream);
  decision->gain_over_base = base.change;
  decision->gain_over_base_low = base.end;
  decision->gain_over_serving = serving.change;
  decision->gain_over_serving_low = serving.end;
}

void CompareAnchors(const GateInput& input, const GateOptions& options, std::uint64_t seed,
                    GateDecision* decision) {
  const std::vector<Pair> pairs = PairsOf(input.anchor_candidate, input.anchor_base);
  if (pairs.empty() || !AllFinite(input.anchor_candidate) || !AllFinite(input.anchor_base)) return;
  decision->anchors = static_cast<std::int64_t>(pairs.size());
  const Bound rise = RiseOf(pairs, options, seed, kAnchorStream);
  decision->anchor_change = rise.change;
  decision->anchor_change_high = std::min(rise.end, std::max(rise.change, 1.0));
}

// kNone: it passes.
GateReason FailedCheck(const GateInput& input, const GateOptions& options,
                       const GateDecision& decision) {
  const Probes& probes = input.probes;
  if (!probes.finite || !AllFinite(input.candidate) || !AllFinite(input.anchor_candidate)) {
    return GateReason::kNotFinite;
  }
  if (probes.degenerate) return GateReason::kDegenerate;
  if (decision.anchors > 0 && !(decision.anchor_change_high <= options.max_forgetting)) {
    return GateReason::kForgets;
  }
  if (!(probes.exposure <= options.max_exposure)) return GateReason::kMemorises;
  // Last, for it is the only one that another run may find otherwise.
  if (options.max_slowdown > 0 && !(probes.slowdown <= options.max_slowdown)) {
    return GateReason::kSlow;
  }
  return GateReason::kNone;
}

GateReason WhyNotBetter(const GateOptions& options, const GateDecision& decision) {
  if (decision.examples < options.min_examples) return GateReason::kTooFewExamples;
  if (!(decision.gain_over_base_low > options.min_gain)) return GateReason::kNotBetterThanBase;
  if (!(decision.gain_over_serving_low > options.min_gain)) {
    return GateReason::kNotBetterThanServing;
  }
  return GateReason::kNone;
}

Status CheckRange(const char* name, double value, double low, double high) {
  if (value >= low && value <= high) return OkStatus();
  return InvalidArgument(StrCat("gate: ", name, " ", value, ", allowed ", low, " to ", high));
}

// A bound that rests on the last few draws is hardly one.
Status CheckTail(const GateOptions& options) {
  constexpr double kLeast = 10, kRounding = 1e-6;
  const double beyond = static_cast<double>(options.resamples) * (1 - options.confidence);
  if (beyond >= kLeast - kRounding) return OkStatus();
  return InvalidArgument(StrCat("gate: ", options.resamples, " resamples at confidence ",
                                options.confidence, " leave ", beyond, " beyond the bound, needs ",
                                kLeast, "; raise resamples"));
}

}  // namespace

Status Check(const GateOptions& options) {
  ATTUNE_RETURN_IF_ERROR(
      CheckRange("min_examples", static_cast<double>(options.min_examples), 1, 1e9));
  ATTUNE_RETURN_IF_ERROR(CheckRange("confidence", options.confidence, 0.5, 0.9999));
  ATTUNE_RETURN_IF_ERROR(CheckRange("min_gain", options.min_gain, 0, 1));
  ATTUNE_RETURN_IF_ERROR(CheckRange("max_forgetting", options.max_forgetting, 0, 100));
  ATTUNE_RETURN_IF_ERROR(
      CheckRange("resamples", static_cast<double>(options.resamples), 100, 100000));
  ATTUNE_RETURN_IF_ERROR(CheckTail(options));
  ATTUNE_RETURN_IF_ERROR(CheckRange("max_slowdown", options.max_slowdown, 0, 1e6));
  return CheckRange("max_exposure", options.max_exposure, 0, 64);
}

GateDecision JudgeCandidate(const GateInput& input, const GateOptions& options,
                            std::uint64_t seed) {
  ATTUNE_CHECK(input.serving.size() == input.candidate.size());
  ATTUNE_CHECK(input.base.size() == input.candidate.size());
  ATTUNE_CHECK(input.anchor_base.size() == input.anchor_candidate.size());
  GateDecision decision;
  decision.probes = input.probes;
  Compare(input, options, seed, &decision);
  CompareAnchors(input, options, seed, &decision);
  if (const GateReason failed = FailedCheck(input, options, decision);
      failed != GateReason::kNone) {
    decision.verdict = GateVerdict::kReject;
    decision.reason = failed;
    return decision;
  }
  const GateReason why = WhyNotBetter(options, decision);
  decision.verdict = why == GateReason::kNone ? GateVerdict::kPromote : GateVerdict::kKeep;
  decision.reason = why == GateReason::kNone ? GateReason::kBetter : why;
  return decision;
}

}  // namespace attune
