// A Trainer takes optimizer steps on the trainable parameters of a loss graph.
//
// Each shape of micro-batch that the examples need is built, differentiated,
// optimised and compiled once, by Create(); all executables read the same
// parameters. After the first step Step() allocates nothing, unless a new epoch
// or a skipped step makes it.
//
// Determinism: with an exact backend, equal parts, configuration and examples
// give equal bytes; so does a run that was saved and resumed.
// Threads: use from one at a time; the work is shared over the Parallel port.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attune/status.h"
#include "compute/backend.h"
#include "ports/clock.h"
#include "ports/parallel.h"
#include "train/loss_scale.h"
#include "train/optimizer.h"
#include "train/sampler.h"
#include "train/schedule.h"
#include "train/training_state.h"

namespace attune {

// Builds the forward graph of one shape. Inputs, `shape.tokens()` of each: "ids",
// "positions", "labels" i32, "weights" f32; when packed also "lo" and "hi" i32;
// optionally "dropout_seed" i32 [2]. Output: "loss", the sum over all tokens of
// weight times negative log-likelihood. Its trainable parameters are what is
// trained, the same for every shape.
using LossGraphBuilder = std::function<Result<Graph>(const BatchShape& shape)>;

struct TrainerParts {
  // Not owned; must outlive the trainer. REQUIRES: non-null.
  Backend* backend = nullptr;
  Parallel* parallel = nullptr;
  Clock* clock = nullptr;
  LossGraphBuilder build;
  // The bytes must outlive the trainer.
  FrozenParameters frozen;
};

// Differentially private training (Abadi et al., "Deep learning with differential
// privacy", 2016). A step draws every example with probability micro_batches / examples,
// clips each one's gradient to clip_norm, adds noise to the sum and divides it by
// micro_batches. What that gives away: train/privacy_accountant.h.
// The random numbers are Philox's in floating point: good against who sees the
// weights, not against who can choose examples and time the machine.
struct PrivateSgd {
  // Standard deviation of the noise over clip_norm; 0: not private.
  double noise_multiplier = 0;
  // Secret, for who knows it can take the noise off again. Kept in the progress: a
  // resumed run goes on with the one it began with.
  std::uint64_t seed = 0;
  bool on() const { return noise_multiplier > 0; }
};

struct TrainConfig {
  // --- What a step is ---

  SamplerConfig sampler;
  // Micro-batches whose gradients make one step, averaged over all their labels.
  std::int64_t micro_batches = 1;
  OptimizerConfig optimizer;
  ScheduleConfig schedule;
  // Largest global norm of the gradient; 0 does not clip.
  double clip_norm = 1.0;
  // How much faster B learns than A in a LoRA pair (LoRA+); 1 is plain LoRA.
  double lora_plus_ratio = 1.0;
  PrivateSgd privacy;
  // Room in the state for the parameters that were best, for early stopping.
  bool keeps_best = false;

  // --- What happens when numbers overflow ---

  LossScaleConfig loss_scale;
  // Steps skipped in a row after which training is called diverged.
  std::int64_t max_skips = 25;

  // --- What it costs ---

  CompileOptions compile;
  // Limit on private memory; activations are recomputed as far as it needs. 0
  // is no limit.
  std::int64_t memory_budget_bytes = 0;
  // What others in the process use of that budget.
  std::int64_t reserved_bytes = 0;
};

// What a training process takes besides the plan: its libraries' data, graphs,
// generated code, and the buffers that a GEMM library keeps to itself. Measured:
// 8 to 15 MiB on models of 15 to 110 M parameters (docs/performance.md).
inline constexpr std::int64_t kProcessBytes = std::int64_t{12} << 20;

// What training will take, known before anything is allocated.
struct MemoryEstimate {
  std::int64_t arena_bytes = 0;     // Activations and gradients, all shapes.
  std::int64_t scratch_bytes = 0;   // Of kernels.
  std::int64_t packed_bytes = 0;    // Weights copied to the GEMM's layout.
  std::int64_t slot_bytes = 0;      // Inputs.
  std::int64_t state_bytes = 0;     // Parameters and moments.
  std::int64_t gradient_bytes = 0;  // Sums over micro-batches.
  std::int64_t reserved_bytes = 0;  // As configured.
  std::int64_t mapped_bytes = 0;    // Frozen weights: clean pages, not private.
  std::int64_t recomputed = 0;      // Forward values computed twice to fit.
  std::int64_t private_bytes() const {
    return arena_bytes + scratch_bytes + packed_bytes + slot_bytes + state_bytes + gradient_bytes +
           reserved_bytes;
  }
};

struct StepReport {
  std::int64_t step = 0;  // Steps taken so far, this one included.
  double loss = 0;        // Nats per label, before the update.
  std::int64_t labels = 0;
  std::int64_t tokens = 0;  // Run through the model, padding included.
  double learning_rate = 0;
  double gradient_norm = 0;  // Before clipping.
  double loss_scale = 1;     // That this step used.
  bool skipped = false;
  std::string reason;  // Why it was skipped: tensor, layer and step.
  double seconds = 0;
};

class Trainer {
 public:
  // What Create() would take.
  //
  //   kInvalidArgument    an option is out of range, or the examples do not fit
  //   kResourceExhausted  more than the budget; the message has both numbers
  static Result<MemoryEstimate> Preflight(const TrainerParts& parts, const TrainConfig& config,
                                          const std::vector<TrainingExample>& examples);

  // Errors as Preflight(), found before the state is allocated. Parameters start
  // at 0: set them through state() before the first step. `estimate`: set once it is
  // known, also where it is over the budget.
  static Result<std::unique_ptr<Trainer>> Create(TrainerParts parts, const TrainConfig& config,
                                                 std::vector<TrainingExample> examples,
                                                 MemoryEstimate* estimate = nullptr);

  ~Trainer();
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  // One optimizer step. A step with non-finite numbers changes no parameter and
  // no moment: it halves the loss scale and says so in the report.
  //
  //   kFailedPrecondition  `max_skips` steps in a row were skipped
  Result<StepReport> Step();

  // Steps left of the schedule's total.
  std::int64_t remaining_steps() const;

  // Save: all of state(), the progress among it. Resume: Resume(progress), then
  // overwrite the bytes of state().Sections().
  TrainingState& state() { return *state_; }

  // On error nothing has changed.
  //
  // kFailedPrecondition  saved with another configuration, model or examples
  // kInvalidArgument     contradicts itself
  Status Resume(const TrainingProgress& progress);

  const MemoryEstimate& memory() const { return memory_; }
  const Sampler& sampler() const { return sampler_; }

 private:
  struct Plan;
  struct Bucket;

  static Result<Plan> MakePlan(const TrainerParts& parts, const TrainConfig& config,
                               std::vector<TrainingExample> examples, MemoryEstimate* estimate);
  Trainer(const TrainerParts& parts, const TrainConfig& config, Plan plan);
  Status Compile(const FrozenParameters& frozen, const std::vector<Graph>& graphs);
  Status BindBucket(Bucket* bucket, const BatchShape& shape);

  // The step's gradients, times the loss scale, in spans_.
  Status Gather(StepReport* report);
  void Feed(const MicroBatch& batch, std::int64_t index, std::int64_t labels);
  Status RunMicroBatch(std::size_t index, std::int64_t labels, double* loss);
  Status CollectGradients(Bucket& bucket, std::size_t index);
  // The same in private: trainer_private.cc.
  Status GatherPrivately(StepReport* report);
  Status AddClipped(std::int64_t index, StepReport* report);
  void AddNoise(double scale);

  Status FindCulprit(std::int64_t labels, std::string* reason);
  std::string FirstNonFiniteGradient(Bucket& bucket) const;
  Status Skip(std::int64_t labels, StepReport* report);
  void Apply(const StepReport& report);

  Backend* backend_;
  Parallel* parallel_;
  Clock* clock_;
  TrainConfig config_;
  Sampler sampler_;
  MemoryEstimate memory_;
  LossScale loss_scale_;
  std::unique_ptr<TrainingState> state_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<std::unique_ptr<Bucket>> buckets_;  // One a shape of the sampler.
  std::vector<MicroBatch> batches_;               // Of the current step.
  Tensor gradient_sums_;                          // With several micro-batches, or in private.
  std::vector<ParameterSpan> spans_;
};

}  // namespace attune
