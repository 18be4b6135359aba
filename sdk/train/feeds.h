// The inputs of a loss graph, looked up once.

#pragma once

#include <cstdint>
#include <span>

#include "attune/status.h"
#include "compute/backend.h"
#include "train/sampler.h"

namespace attune {

class LossFeeds {
 public:
  // kNotFound  the graph lacks an input that every loss graph has
  static Result<LossFeeds> Find(Executable& executable, const BatchShape& shape);

  // Writes a micro-batch; each label weighs `label_weight`.
  void Write(const MicroBatch& batch, float label_weight) const;

  // The seed of dropout, for graphs that have it.
  void WriteDropoutSeed(std::uint64_t seed, std::uint64_t run) const;

 private:
  std::span<std::int32_t> ids_, positions_, labels_, lo_, hi_, dropout_;
  std::span<float> weights_;
};

}  // namespace attune
