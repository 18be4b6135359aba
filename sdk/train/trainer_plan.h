// What Trainer::Create() knows before it allocates: graphs, shapes, memory.

#pragma once

#include <vector>

#include "train/trainer.h"

namespace attune {

struct Trainer::Plan {
  Sampler sampler;
  std::vector<Graph> graphs;  // One a shape of the sampler.
  std::vector<Trainable> trainables;
  MemoryEstimate memory;
  std::uint64_t fingerprint = 0;
};

}  // namespace attune
