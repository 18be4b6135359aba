// A TrainingExample is one tokenised text to learn from.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune {

struct TrainingExample {
  std::vector<std::int32_t> ids;
  // Tokens before this one carry no loss: 1 learns the whole text, the length
  // of the prompt learns the answer only. The first token of a text is never a
  // label, for nothing predicts it.
  std::int64_t first_label = 1;

  std::int64_t labels() const {
    const auto n = static_cast<std::int64_t>(ids.size());
    const std::int64_t from = first_label < 1 ? 1 : first_label;
    return n > from ? n - from : 0;
  }
};

// Cuts a text of any length into examples of at most `window` tokens. Each
// window repeats the last token of the one before, so that every label is
// predicted exactly once; windows without a label are left out.
// REQUIRES: window >= 2.
std::vector<TrainingExample> SplitIntoWindows(const TrainingExample& text, std::int64_t window);

// The sum of labels().
std::int64_t CountLabels(std::span<const TrainingExample> examples);

// A digest of all ids and masks, to tell whether a saved cursor belongs to
// these examples. Not cryptographic.
std::uint64_t Digest(std::span<const TrainingExample> examples);

}  // namespace attune
