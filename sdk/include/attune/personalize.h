// Personalize() trains a model on one user's own messages: a LoRA adapter next
// to the frozen base, or every weight.
//
// Nothing of the user's text leaves the process: what is written is weights,
// figures and hashes. They are written in plain: an Adaptation keeps them sealed.
// Determinism: with f32 arithmetic, equal files, options and worker count give
// equal bytes, also across a stop and a resume.
// Threads: one call at a time per Platform.

#pragma once

#include <cstdint>
#include <string>

#include "attune/status.h"
#include "attune/training.h"

namespace attune {

struct Platform;

enum class WeightFormat : std::uint8_t { kF32, kF16, kBf16 };

struct PersonalizeOptions {
  // --- What is read and written ---

  std::string model;
  // File or directory. Empty: beside the model.
  std::string tokenizer;
  // Messages to learn: plain text, TSV or JSONL.
  std::string data;
  // Directory for the adapter (or the model), the loss curve and the saved
  // training state. Created if absent.
  std::string output;
  // The latest part of `data` is not learned but tested on.
  double held_out_fraction = 0.1;
  // Test on these messages instead, and learn all of `data`.
  std::string held_out_data;
  // At most so many held-out messages, evenly chosen, are tested on.
  std::int64_t held_out_messages = 1000;

  // --- What is made ---

  // Every weight instead of an adapter; writes a whole model directory.
  bool full = false;
  // With `full`: start from random weights. Needs config.json and a tokenizer.
  bool from_scratch = false;
  WeightFormat full_format = WeightFormat::kF32;

  TrainingOptions training;

  // --- Stopping and going on ---

  // Save the training state every so many steps. 0: only when stopped early.
  std::int64_t checkpoint_every = 0;
  // Go on from the state saved in `output`, if there is one.
  bool resume = false;
  // Save and stop once so many steps are done. 0: at the end only.
  std::int64_t stop_at_step = 0;
};

// When the result cannot be written, the state is saved as if stopped early.
//
//   kInvalidArgument    an option out of range, or a file that is not what it
//                       should be; nothing was written. Or a trained weight that
//                       `full_format` cannot hold
//   kNotFound           a file is absent
//   kResourceExhausted  over the memory budget; both numbers; nothing was written
//   kFailedPrecondition the saved state is of another run, or training diverged
Result<TrainingReport> Personalize(const Platform& platform, const PersonalizeOptions& options,
                                   const TrainingCallback& on_step = nullptr);

}  // namespace attune
