// What training is told and what it tells, whether Personalize() trains on files
// or an Adaptation on its vault.
//
// Threads: values.

#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "attune/language_model.h"

namespace attune {

enum class RateDecay : std::uint8_t { kConstant, kLinear, kCosine };

struct TrainingOptions {
  // --- What is trained ---

  std::int64_t rank = 8;
  double alpha = 16;
  bool rslora = false;  // Scale by alpha / sqrt(rank).
  double dropout = 0;
  // Modules by name or end of name. Empty, with an empty pattern: all linears.
  std::vector<std::string> targets{};
  // Instead: modules whose whole name matches this regular expression.
  std::string target_pattern{};

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
  // Test on held-out messages every so many steps. 0: ten times. Negative: at
  // the beginning and the end only.
  std::int64_t evaluate_every = 0;

  // --- Against learning too much ---

  // Stop after so many tests in a row without a better one, and take the parameters
  // that were best: on examples set aside for it, where there are any. 0: never.
  std::int64_t patience = 0;
  // Differentially private training: deviation of the noise over `clip_norm`, which
  // then bounds every example's gradient. Examples are drawn at random, batch times
  // micro_batches a step on average. 0: not private.
  double noise_multiplier = 0;
  double privacy_delta = 1e-5;  // That TrainingReport::epsilon is for.

  // --- What it costs ---

  Arithmetic arithmetic = Arithmetic::kF32;
  bool pack_weights = false;
  // Refuse if more private memory is needed; activations are recomputed as far
  // as that helps. 0: no limit.
  std::int64_t memory_budget_bytes = 0;
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

// Runs after every step; returning false saves the state and stops.
using TrainingCallback = std::function<bool(const TrainingEvent&)>;

struct TrainingReport {
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
  // Of private training: what the steps so far give away about any one example (a
  // message, or a row of a longer one) at
  // TrainingOptions::privacy_delta, by train/privacy_accountant.h; 0: not private.
  double epsilon = 0;
  double training_seconds = 0;  // Of this call, without the tests.
  double tokens_per_second = 0;
  std::int64_t predicted_bytes = 0;  // Private memory, known before training.
  std::int64_t recomputed_values = 0;
};

}  // namespace attune
