// A training state as text fields and named sections, whatever holds them, and
// as a safetensors file: tensors by name, counters in the metadata, the loss
// curve so far.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "formats/named_tensors.h"
#include "ports/file_system.h"
#include "session/loss_curve.h"
#include "session/state_store.h"
#include "train/trainer.h"

namespace attune {

inline constexpr const char* kTrainingStateFile = "training_state.safetensors";

// Views of a state, to write it or to restore it from.
struct StateParts {
  std::map<std::string, std::string> fields;
  std::vector<NamedTensor> sections;  // Parameters and moments f32, the loss curve f64.
  std::vector<Tensor> curves;         // What the curve's sections view, if they are made here.
};

// `base` identifies the base model. Valid while `state` is there and unchanged.
StateParts PartsOfState(std::string_view base, TrainingState& state, const LossCurve& curve);

// Makes `trainer` continue from `parts`. On error neither it nor `curve` has
// changed.
//
//   kDataLoss, kInvalidArgument  the parts contradict themselves
//   kFailedPrecondition          they are of another run
//   kUnsupported                 of a later version
Status RestoreState(const StateParts& parts, std::string_view base, Trainer* trainer,
                    LossCurve* curve);

// A StateStore that keeps one file.
class TrainingStateFile final : public StateStore {
 public:
  // `base` identifies the base model. `files` is not owned.
  TrainingStateFile(FileSystem& files, std::string path, std::uint64_t base);

  bool exists() const { return files_.Exists(path_); }

  std::int64_t BytesToSave(std::int64_t) const override { return 0; }
  Status Save(TrainingState& state, const LossCurve& curve) override;
  //   kNotFound                    there is none
  //   kDataLoss, kInvalidArgument  the file is damaged or contradicts itself
  //   kFailedPrecondition          it was saved by another run
  Status Load(Trainer* trainer, LossCurve* curve) override;

 private:
  FileSystem& files_;
  std::string path_;
  std::string base_;
};

// 16 hexadecimal digits, and two a byte.
std::string HexOf(std::uint64_t number);
std::string HexOf(std::span<const std::byte> bytes);

}  // namespace attune
