#include "train/feeds.h"

#include <algorithm>
#include <string_view>

namespace attune {
namespace {

Status FindI32(Executable& executable, std::string_view name, std::span<std::int32_t>* input) {
  ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> bytes, executable.Input(name));
  *input = AsI32(bytes);
  return OkStatus();
}

}  // namespace

Result<LossFeeds> LossFeeds::Find(Executable& executable, const BatchShape& shape) {
  LossFeeds feeds;
  ATTUNE_RETURN_IF_ERROR(FindI32(executable, "ids", &feeds.ids_));
  ATTUNE_RETURN_IF_ERROR(FindI32(executable, "positions", &feeds.positions_));
  ATTUNE_RETURN_IF_ERROR(FindI32(executable, "labels", &feeds.labels_));
  ATTUNE_ASSIGN_OR_RETURN(const std::span<std::byte> weights, executable.Input("weights"));
  feeds.weights_ = AsF32(weights);
  if (shape.packed) {
    ATTUNE_RETURN_IF_ERROR(FindI32(executable, "lo", &feeds.lo_));
    ATTUNE_RETURN_IF_ERROR(FindI32(executable, "hi", &feeds.hi_));
  }
  // Only graphs with dropout have a seed.
  FindI32(executable, "dropout_seed", &feeds.dropout_).Ignore();
  const auto tokens = static_cast<std::size_t>(shape.tokens());
  if (feeds.ids_.size() != tokens || feeds.weights_.size() != tokens) {
    return Internal("the loss graph has another shape than was asked for");
  }
  return feeds;
}

void LossFeeds::Write(const MicroBatch& batch, float label_weight) const {
  const auto copy = [](const std::vector<std::int32_t>& from, std::span<std::int32_t> to) {
    std::copy_n(from.begin(), to.size(), to.begin());
  };
  copy(batch.ids, ids_);
  copy(batch.positions, positions_);
  copy(batch.targets, labels_);
  copy(batch.lo, lo_);
  copy(batch.hi, hi_);
  for (std::size_t i = 0; i < weights_.size(); ++i) weights_[i] = batch.weights[i] * label_weight;
}

void LossFeeds::WriteDropoutSeed(std::uint64_t seed, std::uint64_t run) const {
  if (dropout_.size() < 2) return;
  dropout_[0] = static_cast<std::int32_t>(seed ^ (seed >> 32));
  dropout_[1] = static_cast<std::int32_t>(run);
}

}  // namespace attune
