// A StateStore that keeps sealed checkpoints in a vault.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "attune/status.h"
#include "session/state_store.h"
#include "vault/checkpoint_store.h"

namespace attune {

// Private memory that saving a state of so many bytes takes besides it.
std::int64_t VaultBytesToSave(std::int64_t state_bytes);

class VaultStateStore final : public StateStore {
 public:
  // `seen`: the examples of the run. `checkpoints` is not owned.
  VaultStateStore(CheckpointStore& checkpoints, const BaseHash& base, std::vector<IdRange> seen);

  std::int64_t BytesToSave(std::int64_t state_bytes) const override {
    return VaultBytesToSave(state_bytes);
  }
  Status Save(TrainingState& state, const LossCurve& curve) override;

  // What Load() loads, and then drops.
  void Offer(Container state) { offered_ = std::move(state); }
  Status Load(Trainer* trainer, LossCurve* curve) override;

 private:
  CheckpointStore& checkpoints_;
  const std::string base_;
  const std::vector<IdRange> seen_;
  std::optional<Container> offered_;
};

}  // namespace attune
