// Where a training run keeps its state, so that another process can go on.

#pragma once

#include <cstdint>

#include "attune/status.h"
#include "session/loss_curve.h"
#include "train/trainer.h"

namespace attune {

class StateStore {
 public:
  virtual ~StateStore() = default;

  // Private memory that Save() takes besides a state of so many bytes.
  virtual std::int64_t BytesToSave(std::int64_t state_bytes) const = 0;

  // Durable once it returns OK; until then the state before is kept.
  virtual Status Save(TrainingState& state, const LossCurve& curve) = 0;

  // Makes the trainer continue from the state saved last. On error neither it
  // nor the curve has changed.
  virtual Status Load(Trainer* trainer, LossCurve* curve) = 0;
};

}  // namespace attune
