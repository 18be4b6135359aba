#include "train/outcome.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"

namespace attune {
namespace {

// A look each time the number shown has grown by so much.
constexpr double kGrowth = 1.5;

double LogChoose(double n, double k) {
  return std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1);
}

double Rate(const Outcome& outcome) {
  return outcome.shown == 0
             ? 0
             : static_cast<double>(outcome.accepted) / static_cast<double>(outcome.shown);
}

}  // namespace

Status CheckOptions(const OutcomeOptions& options) {
  if (options.min_shown < 1) {
    return InvalidArgument(StrCat("outcomes: min_shown ", options.min_shown, ", allowed 1 and up"));
  }
  if (!(options.confidence >= 0.5 && options.confidence < 1)) {
    return InvalidArgument(
        StrCat("outcomes: confidence ", options.confidence, ", allowed 0.5 to below 1"));
  }
  if (!(options.min_drop >= 0 && options.min_drop < 1)) {
    return InvalidArgument(
        StrCat("outcomes: min_drop ", options.min_drop, ", allowed 0 to below 1"));
  }
  return OkStatus();
}

double ChanceOfSoFew(const Outcome& now, const Outcome& before) {
  const double shown = static_cast<double>(now.shown);
  const double all = shown + static_cast<double>(before.shown);
  const double accepted = static_cast<double>(now.accepted) + static_cast<double>(before.accepted);
  // P(x) = C(accepted, x) C(all - accepted, shown - x) / C(all, shown)
  double x = static_cast<double>(now.accepted);
  double term = std::exp(LogChoose(accepted, x) + LogChoose(all - accepted, shown - x) -
                         LogChoose(all, shown));
  double sum = term;
  // Each term from the one after it. Once they fall, what is left is below the rounding.
  const double least = std::max(0.0, shown - (all - accepted));
  for (; x > least; --x) {
    const double ratio = x * (all - accepted - shown + x) / ((accepted - x + 1) * (shown - x + 1));
    term *= ratio;
    sum += term;
    if (ratio < 1 && term < sum * 1e-17) break;
  }
  return std::min(1.0, sum);
}

int LooksBy(std::int64_t shown, const OutcomeOptions& options) {
  int looks = 0;
  double next = static_cast<double>(std::max<std::int64_t>(1, options.min_shown));
  for (; next <= static_cast<double>(shown); next *= kGrowth) ++looks;
  return looks;
}

OutcomeVerdict JudgeOutcome(const Outcome& earlier, const Outcome& now, const Outcome& before,
                            const OutcomeOptions& options) {
  OutcomeVerdict verdict;
  const int look = LooksBy(now.shown, options);
  const bool due = look > LooksBy(earlier.shown, options);
  if (!due || before.shown < std::max<std::int64_t>(1, options.min_shown)) return verdict;
  verdict.compared = true;
  verdict.level = (1 - options.confidence) / (static_cast<double>(look) * (look + 1.0));
  if (Rate(now) >= Rate(before)) return verdict;
  verdict.p_value = ChanceOfSoFew(now, before);
  const bool dropped = Rate(now) < Rate(before) * (1 - options.min_drop);
  verdict.worse = dropped && verdict.p_value <= verdict.level;
  return verdict;
}

}  // namespace attune
