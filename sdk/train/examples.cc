#include "train/examples.h"

#include <algorithm>

#include "base/check.h"
#include "train/digest.h"

namespace attune {

std::vector<TrainingExample> SplitIntoWindows(const TrainingExample& text, std::int64_t window) {
  ATTUNE_CHECK(window >= 2);
  std::vector<TrainingExample> windows;
  const auto size = static_cast<std::int64_t>(text.ids.size());
  for (std::int64_t begin = 0; begin + 1 < size; begin += window - 1) {
    const std::int64_t end = std::min(begin + window, size);
    TrainingExample piece;
    piece.first_label = std::max<std::int64_t>(text.first_label - begin, 1);
    piece.ids.assign(text.ids.begin() + begin, text.ids.begin() + end);
    if (piece.labels() > 0) windows.push_back(std::move(piece));
  }
  return windows;
}

std::int64_t CountLabels(std::span<const TrainingExample> examples) {
  std::int64_t labels = 0;
  for (const TrainingExample& example : examples) labels += example.labels();
  return labels;
}

std::uint64_t Digest(std::span<const TrainingExample> examples) {
  Fnv1a digest;
  for (const TrainingExample& example : examples) {
    digest.Add(static_cast<std::uint64_t>(example.first_label));
    digest.Add(std::uint64_t{example.ids.size()});
    for (std::int32_t id : example.ids) digest.Add(static_cast<std::uint64_t>(id));
  }
  return digest.value();
}

}  // namespace attune
