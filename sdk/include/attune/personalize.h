// Personalize() trains a model on one user's own messages: a LoRA adapter next
// to the frozen base, or every weight.
//
// Nothing of the user's text leaves the process: what is written is weights,
// figures and hashes.
// Determinism: with f32 arithmetic, equal files, options and worker count give
// equal bytes, also across a stop and a resume.
// Threads: one call at a time per Platform.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attune/language_model.h"
#include "attune/status.h"

namespace attune {

struct Platform;

enum class RateDecay : std::uint8_t { kConstant, kLinear, kCosine };
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

  // --- What is trained ---

  std::int64_t rank = 8;
  double alpha = 16;
  bool rslora = false;  // Scale by alpha / sqrt(rank).
  double dropout = 0;
  // Modules by name or end of name. Empty, with an empty pattern: all linears.
  std::vector<std::string> targets;
  // Instead: modules whose whole name matches this regular expression.
  std::string target_pattern;
  // Every weight instead of an adapter; writes a whole model directory.
  bool full = false;
  // With `full`: start from random weights. Needs config.json and a tokenizer.
  bool from_scratch = false;
  WeightFormat full_format = WeightFormat::kF32;

  // --- How ---

  std::int64_t steps = 200;
  std::int64_t batch = 4;          // Rows of a micro-batch.
  std::int64_t micro_batches = 1;  // Accumulated into one step.
  // Tokens of a row. 0: 128, or what the model can look at.
  std::int64_t sequence = 0;
  // Several messages share a row; else each has one, in a few lengths.
  bool packed = true;
  // 0: 1e-3 for an adapter, 5e-4 for all weights.
  double learning_rate = 0;
  RateDecay decay = RateDecay::kCosine;
  double final_rate_fraction = 0.1;
  std::int64_t warmup_steps = -1;  // Negative: a twentieth of the steps.
  double weight_decay = 0.01;
  double beta2 = 0.99;
  bool sgd = false;            // SGD with momentum 0.9 instead of AdamW.
  double clip_norm = 1.0;      // 0: no clipping.
  double lora_plus_ratio = 1;  // Learning rate of B over that of A.
  std::uint64_t seed = 0;

  // --- What it costs ---

  Arithmetic arithmetic = Arithmetic::kF32;
  bool pack_weights = false;
  // Refuse if more private memory is needed; activations are recomputed as far
  // as that helps. 0: no limit.
  std::int64_t memory_budget_bytes = 0;

  // --- Stopping and going on ---

  // Save the training state every so many steps. 0: only when stopped early.
  std::int64_t checkpoint_every = 0;
  // Go on from the state saved in `output`, if there is one.
  bool resume = false;
  // Save and stop once so many steps are done. 0: at the end only.
  std::int64_t stop_at_step = 0;
  // Test on held-out messages every so many steps. 0: ten times. Negative: at
  // the beginning and the end only.
  std::int64_t evaluate_every = 0;
};

// After every step.
struct TrainingEvent {
  std::int64_t step = 0;
  std::int64_t steps = 0;  // In all.
  double loss = 0;         // Nats per token.
  double learning_rate = 0;
  double gradient_norm = 0;
  double loss_scale = 1;
  bool skipped = false;
  std::string reason;  // Why it was skipped.
  double seconds = 0;  // That the step took.
  double tokens_per_second = 0;
  // Set on the steps after which held-out messages were tested.
  bool has_held_out_loss = false;
  double held_out_loss = 0;
};

struct PersonalizeReport {
  bool finished = false;  // False: stopped early, state saved.
  std::int64_t steps = 0;
  std::int64_t skipped_steps = 0;  // In this call.
  std::int64_t trained_parameters = 0;
  std::int64_t train_messages = 0;
  std::int64_t held_out_messages = 0;
  std::int64_t train_tokens = 0;  // In one pass over the data.
  std::int64_t held_out_tokens = 0;
  // Nats per token on held-out messages; 0 without any.
  double loss_before = 0;
  double loss_after = 0;
  double training_seconds = 0;  // Of this call, without the tests.
  double tokens_per_second = 0;
  std::int64_t predicted_bytes = 0;  // Private memory, known before training.
  std::int64_t recomputed_values = 0;
};

// Runs after every step; returning false saves the state and stops.
using TrainingCallback = std::function<bool(const TrainingEvent&)>;

// When the result cannot be written, the state is saved as if stopped early.
//
//   kInvalidArgument    an option out of range, or a file that is not what it
//                       should be; nothing was written. Or a trained weight that
//                       `full_format` cannot hold
//   kNotFound           a file is absent
//   kResourceExhausted  over the memory budget; both numbers; nothing was written
//   kFailedPrecondition the saved state is of another run, or training diverged
Result<PersonalizeReport> Personalize(const Platform& platform, const PersonalizeOptions& options,
                                      const TrainingCallback& on_step = nullptr);

}  // namespace attune
