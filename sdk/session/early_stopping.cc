#include "session/early_stopping.h"

#include <algorithm>

#include "base/check.h"

namespace attune {

const LossPoint& BestOf(std::span<const LossPoint> tests) {
  ATTUNE_CHECK(!tests.empty());
  return *std::min_element(tests.begin(), tests.end(), [](const auto& a, const auto& b) {
    // A loss that is no number is worse than any.
    return a.loss < b.loss || (b.loss != b.loss && a.loss == a.loss);
  });
}

bool IsBestYet(std::span<const LossPoint> tests) {
  return !tests.empty() && &BestOf(tests) == &tests.back();
}

bool HasStalled(std::span<const LossPoint> tests, std::int64_t patience) {
  if (patience == 0 || tests.empty()) return false;
  return &tests.back() - &BestOf(tests) >= patience;
}

}  // namespace attune
