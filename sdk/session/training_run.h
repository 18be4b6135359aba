// A TrainingRun trains on texts, from its first step to its last or until it is
// told to stop: what Personalize() and Adaptation::Run() have in common. Where
// texts come from, where states are saved and what becomes of the result is
// theirs.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "attune/status.h"
#include "attune/training.h"
#include "base/function_ref.h"
#include "formats/peft.h"
#include "graph/lora.h"
#include "models/weights.h"
#include "session/dataset.h"
#include "session/loss_curve.h"
#include "session/platform.h"
#include "session/state_store.h"
#include "text/tokenizer.h"
#include "train/evaluate.h"
#include "train/trainer.h"

namespace attune {

// Messages as the model sees them.
struct TrainingTexts {
  std::vector<TrainingExample> train, held_out;
  // Tested on during training, for early stopping; empty: the held-out ones are.
  std::vector<TrainingExample> stopping;
  std::int64_t train_messages = 0;
  std::int64_t held_out_messages = 0;
};
// `row_length`: see RowLength().
Result<TrainingTexts> EncodeTexts(const Tokenizer& tokenizer, const DatasetSplit& messages,
                                  std::int64_t row_length);

struct TrainingTask {
  TrainingOptions options;
  bool full = false;  // Every weight, not an adapter.
  std::int64_t row_length = 0;
  std::int64_t reserved_bytes = 0;  // Private memory that the caller holds.
  // Save a state every so many steps; 0: only when stopped early.
  std::int64_t checkpoint_every = 0;
  // Save and stop once so many steps are done; 0: at the end only.
  std::int64_t stop_at_step = 0;
};

class TrainingRun {
 public:
  // Everything that may refuse, before anything is written. `base` and `store`
  // are not owned; they must outlive the run.
  //
  //   kInvalidArgument    an option out of range, or no text to learn
  //   kResourceExhausted  over the memory budget; both numbers
  // `needed`: the private memory it takes, also where that is over the budget.
  static Result<std::unique_ptr<TrainingRun>> Create(const Platform& platform,
                                                     const LanguageModelWeights& base,
                                                     const TrainingTask& task, TrainingTexts texts,
                                                     StateStore* store,
                                                     std::int64_t* needed = nullptr);

  // Goes on from the state that the store holds; its errors. On error nothing
  // has changed.
  Status Resume() { return store_.Load(trainer_.get(), &curve_); }
  // From the beginning.
  void Start();

  struct Advanced {
    bool stepped = false;  // Else `event` says nothing.
    TrainingEvent event;
  };
  // Tests, if a test is overdue (before the first step, or cut off), takes the next
  // step if one is left, and makes the test that is due after it. `go_on` is asked
  // before each micro-batch of a test: false cuts it off, and the next call, or the
  // next process after a Save(), makes it again from its beginning, so that an
  // interrupted run ends in the same bytes. A cut-off test before the step leaves
  // the step undone.
  //
  //   kFailedPrecondition  training diverged
  Result<Advanced> Advance(FunctionRef<bool()> go_on);
  // Whether the last step ended the run because too many were skipped in a row.
  bool diverged() const { return diverged_; }
  // No step and no test is left, or hope of a better one: see TrainingOptions::patience.
  bool done();
  // Takes the parameters that were best, where early stopping looked for them.
  void ReturnToBest();

  // Takes the steps that are left. Saves when it is time to, and when the
  // callback or `stop_at_step` ends it early; not after the last step.
  //
  //   the errors of Advance() and of the store
  Status Train(const TrainingCallback& on_step);
  Status Save() { return store_.Save(trainer_->state(), curve_); }

  TrainingState& state() { return trainer_->state(); }
  const LossCurve& curve() const { return curve_; }
  // As of now.
  TrainingReport report();
  // Of an adapter.
  const PeftConfig& peft() const { return peft_; }
  const LoraSpec& lora() const { return lora_; }

  // What the weights came from: hashes and counts, never text. `base` is the
  // base's Fingerprint().
  SafetensorsMetadata Provenance(std::uint64_t base) const;

 private:
  TrainingRun(const TrainingTask& task, StateStore* store) : task_(task), store_(*store) {}
  Status Prepare(const Platform& platform, const LanguageModelWeights& base, TrainingTexts texts,
                 std::int64_t* needed);
  Status CreateTrainer(TrainerParts parts, const TrainConfig& config,
                       std::vector<TrainingExample> examples, std::int64_t* needed);
  double Epsilon();
  // False: cut off.
  Result<bool> Test(FunctionRef<bool()> go_on);
  bool IsTestDue();
  bool HasStepsLeft();
  TrainingEvent EventOf(StepReport step) const;
  std::int64_t steps_done() { return trainer_->state().progress.step; }

  const TrainingTask task_;
  StateStore& store_;
  const LanguageModelWeights* base_ = nullptr;
  PeftConfig peft_;
  LoraSpec lora_;  // Names no module when every weight is trained.
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Evaluator> evaluator_;
  LossCurve curve_;
  TrainingReport report_;    // What report() need not ask for.
  std::int64_t labels_ = 0;  // Learned from in this process.
  std::int64_t examples_ = 0;
  bool diverged_ = false;
};

}  // namespace attune
