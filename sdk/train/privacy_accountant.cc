#include "train/privacy_accountant.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace attune {
namespace {

// Orders beyond this one help only where epsilon is below some hundredths.
constexpr int kMaxOrder = 512;
constexpr double kMaxNoiseMultiplier = 1000;

double LogBinomial(int n, int k) {
  return std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0);
}

double LogAdd(double a, double b) {
  const double high = std::max(a, b);
  if (std::isinf(high)) return high;
  return high + std::log1p(std::exp(std::min(a, b) - high));
}

double RenyiOfStep(double rate, double noise, int order) {
  if (rate == 1) return order / (2 * noise * noise);
  double sum = -std::numeric_limits<double>::infinity();
  for (int k = 0; k <= order; ++k) {
    const double exponent = (static_cast<double>(k) * k - k) / (2 * noise * noise);
    sum = LogAdd(sum, LogBinomial(order, k) + (order - k) * std::log1p(-rate) + k * std::log(rate) +
                          exponent);
  }
  return sum / (order - 1);
}

double EpsilonAt(double renyi, int order, double delta) {
  return renyi + std::log1p(-1.0 / order) - std::log(delta * order) / (order - 1);
}

Status Check(const PrivacySpending& spending, double delta) {
  if (!(spending.sampling_rate > 0 && spending.sampling_rate <= 1)) {
    return InvalidArgument(StrCat("privacy: a sampling rate of ", spending.sampling_rate,
                                  ", allowed are those above 0 up to 1"));
  }
  if (!(spending.noise_multiplier > 0) || std::isinf(spending.noise_multiplier)) {
    return InvalidArgument(StrCat("privacy: a noise multiplier of ", spending.noise_multiplier,
                                  ", allowed are those above 0"));
  }
  if (!(delta > 0 && delta < 1)) {
    return InvalidArgument(StrCat("privacy: a delta of ", delta, ", allowed are 0 to 1 exclusive"));
  }
  if (spending.steps < 0) {
    return InvalidArgument(StrCat("privacy: ", spending.steps, " steps, at least 0"));
  }
  return OkStatus();
}

}  // namespace

Result<PrivacyLoss> PrivacyLossOf(const PrivacySpending& spending, double delta) {
  ATTUNE_RETURN_IF_ERROR(Check(spending, delta));
  if (spending.steps == 0) return PrivacyLoss{};
  PrivacyLoss best{std::numeric_limits<double>::infinity(), 0};
  for (int order = 2; order <= kMaxOrder; ++order) {
    const double renyi = static_cast<double>(spending.steps) *
                         RenyiOfStep(spending.sampling_rate, spending.noise_multiplier, order);
    const double epsilon = std::max(EpsilonAt(renyi, order, delta), 0.0);
    if (epsilon < best.epsilon) best = {epsilon, order};
  }
  return best;
}

Result<double> NoiseMultiplierFor(double epsilon, double delta, double sampling_rate,
                                  std::int64_t steps) {
  if (!(epsilon > 0)) {
    return InvalidArgument(
        StrCat("privacy: an epsilon of ", epsilon, ", allowed are those above 0"));
  }
  const auto spends = [&](double noise) -> Result<bool> {
    ATTUNE_ASSIGN_OR_RETURN(const PrivacyLoss loss,
                            PrivacyLossOf({sampling_rate, noise, steps}, delta));
    return loss.epsilon > epsilon;
  };
  double high = kMaxNoiseMultiplier;
  ATTUNE_ASSIGN_OR_RETURN(const bool hopeless, spends(high));
  if (hopeless) {
    return InvalidArgument(StrCat("privacy: no noise multiplier up to ", kMaxNoiseMultiplier,
                                  " stays within an epsilon of ", epsilon));
  }
  double low = 0;
  while (high - low > high * 1e-3) {
    const double middle = (low + high) / 2;
    ATTUNE_ASSIGN_OR_RETURN(const bool over, spends(middle));
    (over ? low : high) = middle;
  }
  return high;
}

}  // namespace attune
