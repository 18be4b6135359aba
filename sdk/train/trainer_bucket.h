// One compiled shape of a trainer.

#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "compute/backend.h"
#include "train/feeds.h"
#include "train/trainer.h"

namespace attune {

struct Trainer::Bucket {
  std::unique_ptr<Executable> executable;
  LossFeeds feeds;
  std::span<float> loss_seed;
  std::vector<std::string> gradients;  // Output names, by trainable.
};

}  // namespace attune
