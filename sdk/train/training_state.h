// TrainingState owns all that training changes: parameters, optimizer moments
// and the progress counters. Saved and restored byte for byte, it continues a
// run as if it had never stopped.
//
// Threads: no synchronisation.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "tensor/tensor.h"
#include "train/sampler.h"

namespace attune {

struct Trainable {
  std::string name;
  Shape shape;
  // Multiplies the learning rate, e.g. for B in LoRA+ (Hayou et al., 2024).
  double rate_factor = 1.0;
  double decay_factor = 1.0;
};

struct TrainingProgress {
  std::int64_t step = 0;     // Global steps taken, skipped ones among them.
  std::int64_t updates = 0;  // Optimizer updates: steps that were not skipped.
  std::int64_t skipped_in_a_row = 0;
  std::int64_t tokens = 0;  // Labels learned from.
  double loss_scale = 1.0;
  std::int64_t finite_steps = 0;  // Since the loss scale last changed.
  Cursor cursor;
  std::uint64_t noise_seed = 0;  // Of private training; see PrivateSgd.
  // Of everything the continuation depends on: configuration, tensors, data.
  std::uint64_t fingerprint = 0;
  bool operator==(const TrainingProgress&) const = default;
};

// Bytes of the state under a name that is stable across versions:
// "<parameter>", "<parameter>.first_moment", "<parameter>.second_moment",
// "<parameter>.best".
struct NamedBytes {
  std::string name;
  Shape shape;
  std::span<std::byte> bytes;  // f32.
};

class TrainingState {
 public:
  // Allocates one zero-filled block of Bytes() bytes. `keeps_best`: room for a second
  // set of parameters.
  TrainingState(std::vector<Trainable> trainables, int moments, bool keeps_best = false);

  // What a state of these tensors takes.
  static std::int64_t Bytes(std::span<const Trainable> trainables, int moments,
                            bool keeps_best = false);

  const std::vector<Trainable>& trainables() const { return trainables_; }
  // By index into trainables(); 64-byte aligned. REQUIRES: moment < moments.
  std::span<float> parameter(std::size_t index) { return Section(0, index); }
  std::span<float> moment(int moment, std::size_t index) { return Section(1 + moment, index); }
  int moments() const { return moments_; }

  // Early stopping: the parameters as they were best so far. REQUIRES: keeps_best().
  bool keeps_best() const { return keeps_best_; }
  void KeepAsBest();
  void ReturnToBest();

  // The parameter of that name; empty if there is none.
  std::span<float> Find(std::string_view name);

  // Everything but the progress, parameters first.
  std::vector<NamedBytes> Sections();

  TrainingProgress progress;

 private:
  std::span<float> Section(int which, std::size_t index);
  int sections() const { return 1 + moments_ + (keeps_best_ ? 1 : 0); }

  std::vector<Trainable> trainables_;
  int moments_;
  bool keeps_best_;
  std::vector<std::int64_t> offsets_;  // Of each tensor in a section, in elements.
  std::int64_t section_ = 0;           // Elements of a section.
  Tensor block_;
};

// PEFT's initial values: A ~ U(-1/sqrt(in), 1/sqrt(in)), B = 0, for every
// parameter named "<module>.lora_A.weight" and "<module>.lora_B.weight". Each
// tensor has a random stream of its own, so values do not depend on the others.
void InitializeLora(TrainingState* state, std::uint64_t seed);

}  // namespace attune
