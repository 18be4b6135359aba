// A training state as a safetensors file: tensors by name, counters in the
// metadata, the loss curve so far.

#pragma once

#include <cstdint>
#include <string>

#include "attune/status.h"
#include "ports/file_system.h"
#include "session/loss_curve.h"
#include "train/trainer.h"

namespace attune {

inline constexpr const char* kTrainingStateFile = "training_state.safetensors";

// Replaces the file at `path` by the whole state, atomically. `base` identifies
// the base model.
Status SaveTrainingState(FileSystem& files, const std::string& path, std::uint64_t base,
                         TrainingState& state, const LossCurve& curve);

// Makes `trainer` continue from the file.
//
//   kDataLoss, kInvalidArgument  the file is damaged or contradicts itself
//   kFailedPrecondition          it was saved by another run
Status LoadTrainingState(FileSystem& files, const std::string& path, std::uint64_t base,
                         Trainer* trainer, LossCurve* curve);

// 16 hexadecimal digits.
std::string HexOf(std::uint64_t number);

}  // namespace attune
