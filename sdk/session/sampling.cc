#include "session/sampling.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/strings.h"

namespace attune {
namespace {

// How many of the ranked tokens the rule keeps: at least one.
std::size_t Kept(std::span<const float> ranked, const SamplingRule& rule) {
  std::size_t count = ranked.size();
  if (rule.top_k > 0) count = std::min(count, static_cast<std::size_t>(rule.top_k));
  double sum = 0;
  for (std::size_t i = 0; rule.top_p < 1 && i < count; ++i) {
    sum += ranked[i];
    if (sum >= rule.top_p) count = i + 1;
  }
  return std::max<std::size_t>(count, 1);
}

// The first index at which the running sum exceeds `draw` of the total.
std::size_t Draw(std::span<const float> weights, double draw) {
  double left = draw * std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; i + 1 < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0) return i;
  }
  return weights.size() - 1;
}

}  // namespace

Status Check(const SamplingRule& rule) {
  if (!(rule.temperature >= 0 && rule.temperature <= 100)) {
    return InvalidArgument(StrCat("temperature ", rule.temperature, ", allowed 0 to 100"));
  }
  if (rule.top_k < 0) return InvalidArgument(StrCat("top_k ", rule.top_k, ", allowed 0 and up"));
  if (!(rule.top_p > 0 && rule.top_p <= 1)) {
    return InvalidArgument(StrCat("top_p ", rule.top_p, ", allowed above 0 and up to 1"));
  }
  return OkStatus();
}

std::int32_t ArgMax(std::span<const float> logits) {
  return static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::vector<float> Softmax(std::span<const float> logits, float temperature) {
  std::vector<float> out(logits.begin(), logits.end());
  const float top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (float& x : out) sum += x = std::exp((x - top) / temperature);
  for (float& x : out) x = static_cast<float>(x / sum);
  return out;
}

Result<std::int32_t> SampleToken(std::span<const float> logits, const SamplingRule& rule,
                                 Philox* random) {
  const bool finite =
      std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
  if (!finite) return DataLoss("the model's logits are not finite");
  if (rule.temperature == 0) return ArgMax(logits);
  const auto probabilities = Softmax(logits, rule.temperature);
  std::vector<std::int32_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  // Equal probabilities in order of id, so that the draw is the same everywhere.
  const auto before = [&](std::int32_t a, std::int32_t b) {
    const float pa = probabilities[static_cast<std::size_t>(a)];
    const float pb = probabilities[static_cast<std::size_t>(b)];
    return pa != pb ? pa > pb : a < b;
  };
  std::sort(order.begin(), order.end(), before);
  std::vector<float> ranked;
  for (const std::int32_t id : order) ranked.push_back(probabilities[static_cast<std::size_t>(id)]);
  ranked.resize(Kept(ranked, rule));
  return order[Draw(ranked, random->NextFloat())];
}

}  // namespace attune
