#include "session/training_run.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "ports/crypto.h"
#include "session/early_stopping.h"
#include "session/training_checkpoint.h"
#include "session/training_setup.h"
#include "train/privacy_accountant.h"

namespace attune {
namespace {

Status DrawNoiseSeed(const Platform& platform, PrivateSgd* privacy) {
  if (platform.crypto == nullptr) {
    return FailedPrecondition("private training needs random numbers, the platform has no crypto");
  }
  return platform.crypto->Random(std::as_writable_bytes(std::span(&privacy->seed, 1)));
}

}  // namespace

Result<TrainingTexts> EncodeTexts(const Tokenizer& tokenizer, const DatasetSplit& messages,
                                  std::int64_t row_length) {
  // A row predicts one token less than the example has.
  const std::int64_t window = row_length + 1;
  TrainingTexts texts;
  ATTUNE_ASSIGN_OR_RETURN(texts.train, EncodeMessages(tokenizer, messages.train, window));
  ATTUNE_ASSIGN_OR_RETURN(texts.held_out, EncodeMessages(tokenizer, messages.held_out, window));
  ATTUNE_ASSIGN_OR_RETURN(texts.stopping, EncodeMessages(tokenizer, messages.stopping, window));
  texts.train_messages = static_cast<std::int64_t>(messages.train.size());
  texts.held_out_messages = static_cast<std::int64_t>(messages.held_out.size());
  return texts;
}

Result<std::unique_ptr<TrainingRun>> TrainingRun::Create(const Platform& platform,
                                                         const LanguageModelWeights& base,
                                                         const TrainingTask& task,
                                                         TrainingTexts texts, StateStore* store,
                                                         std::int64_t* needed) {
  auto run = std::unique_ptr<TrainingRun>(new TrainingRun(task, store));
  ATTUNE_RETURN_IF_ERROR(run->Prepare(platform, base, std::move(texts), needed));
  return run;
}

Status TrainingRun::Prepare(const Platform& platform, const LanguageModelWeights& base,
                            TrainingTexts texts, std::int64_t* needed) {
  base_ = &base;
  report_.train_messages = texts.train_messages;
  report_.held_out_messages = texts.held_out_messages;
  report_.train_tokens = CountLabels(texts.train);
  report_.held_out_tokens = CountLabels(texts.held_out);
  examples_ = static_cast<std::int64_t>(texts.train.size());
  if (!task_.full) {
    peft_ = PeftConfigOf(task_.options, base.config);
    ATTUNE_ASSIGN_OR_RETURN(lora_, LoraSpecOf(base, peft_));
  }
  TrainConfig config =
      TrainConfigOf(task_.options, task_.full, task_.row_length, report_.train_tokens);
  config.loss_scale = LossScaleOf(*platform.backend);
  config.keeps_best = task_.options.patience > 0 && !texts.stopping.empty();
  if (config.privacy.on()) ATTUNE_RETURN_IF_ERROR(DrawNoiseSeed(platform, &config.privacy));
  const std::int64_t state_bytes = StateBytes(base, lora_, config);
  config.reserved_bytes =
      kProcessBytes + base.copied_bytes + task_.reserved_bytes + store_.BytesToSave(state_bytes);
  std::vector<TrainingExample> tests =
      std::move(texts.stopping.empty() ? texts.held_out : texts.stopping);
  const EvaluationSetup testing =
      EvaluationSetupOf(task_.options, task_.row_length, CountLabels(tests));
  LoraSpec exact = lora_;
  exact.dropout = 0;
  const TrainerParts parts = PartsOf(platform, base, exact);
  if (!tests.empty()) {
    ATTUNE_ASSIGN_OR_RETURN(const std::int64_t bytes,
                            Evaluator::PredictBytes(parts, testing.layout, testing.compile, tests));
    config.reserved_bytes += bytes;
  }
  ATTUNE_RETURN_IF_ERROR(
      CreateTrainer(PartsOf(platform, base, lora_), config, std::move(texts.train), needed));
  if (tests.empty()) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(
      evaluator_, Evaluator::Create(parts, testing.layout, testing.compile, std::move(tests)));
  return evaluator_->BindAll(&trainer_->state());
}

Status TrainingRun::CreateTrainer(TrainerParts parts, const TrainConfig& config,
                                  std::vector<TrainingExample> examples, std::int64_t* needed) {
  MemoryEstimate estimate;
  auto trainer = Trainer::Create(std::move(parts), config, std::move(examples), &estimate);
  if (needed != nullptr) *needed = estimate.private_bytes();
  if (!trainer.ok()) return trainer.status();
  trainer_ = *std::move(trainer);
  report_.predicted_bytes = trainer_->memory().private_bytes();
  report_.recomputed_values = trainer_->memory().recomputed;
  for (const Trainable& trainable : trainer_->state().trainables()) {
    report_.trained_parameters += trainable.shape.elements();
  }
  return OkStatus();
}

void TrainingRun::Start() { InitializeParameters(*base_, task_.options.seed, &trainer_->state()); }

Result<bool> TrainingRun::Test(FunctionRef<bool()> go_on) {
  const Result<Evaluation> evaluation = evaluator_->Run([go_on] { return go_on(); });
  if (evaluation.status().code() == StatusCode::kCancelled) return false;
  if (!evaluation.ok()) return evaluation.status();
  curve_.held_out.push_back({steps_done(), evaluation->loss()});
  if (state().keeps_best() && IsBestYet(curve_.held_out)) state().KeepAsBest();
  return true;
}

// Also of a state that was saved between a step and its test.
bool TrainingRun::IsTestDue() {
  if (evaluator_ == nullptr) return false;
  if (curve_.held_out.empty()) return true;
  if (curve_.held_out.back().step == steps_done()) return false;
  if (!HasStepsLeft()) return true;
  const std::int64_t asked = task_.options.evaluate_every;
  if (asked < 0) return false;
  const std::int64_t every =
      asked > 0 ? asked : std::max<std::int64_t>(task_.options.steps / 10, 1);
  return steps_done() % every == 0;
}

Result<TrainingRun::Advanced> TrainingRun::Advance(FunctionRef<bool()> go_on) {
  Advanced advanced;
  if (IsTestDue()) {
    ATTUNE_ASSIGN_OR_RETURN(const bool tested, Test(go_on));
    if (!tested) return advanced;
  }
  if (!HasStepsLeft()) return advanced;
  Result<StepReport> taken = trainer_->Step();
  diverged_ = taken.status().code() == StatusCode::kFailedPrecondition;
  if (!taken.ok()) return taken.status();
  StepReport step = *std::move(taken);
  labels_ += step.labels;
  report_.training_seconds += step.seconds;
  if (step.skipped) {
    ++report_.skipped_steps;
  } else if (step.labels > 0) {  // In private nobody may have been drawn.
    curve_.training.push_back({step.step, step.loss});
  }
  advanced.stepped = true;
  advanced.event = EventOf(std::move(step));
  if (!IsTestDue()) return advanced;
  ATTUNE_ASSIGN_OR_RETURN(advanced.event.has_held_out_loss, Test(go_on));
  if (advanced.event.has_held_out_loss) {
    advanced.event.held_out_loss = curve_.held_out.back().loss;
  }
  return advanced;
}

bool TrainingRun::HasStepsLeft() {
  if (state().keeps_best() && HasStalled(curve_.held_out, task_.options.patience)) return false;
  return trainer_->remaining_steps() > 0;
}

bool TrainingRun::done() { return !HasStepsLeft() && !IsTestDue(); }

void TrainingRun::ReturnToBest() {
  if (state().keeps_best() && !curve_.held_out.empty()) state().ReturnToBest();
}

Status TrainingRun::Train(const TrainingCallback& on_step) {
  while (!done()) {
    ATTUNE_ASSIGN_OR_RETURN(const Advanced advanced, Advance([] { return true; }));
    if (!advanced.stepped) continue;
    const bool wanted = !on_step || on_step(advanced.event);
    const bool go_on = wanted && steps_done() != task_.stop_at_step;
    const bool due = task_.checkpoint_every > 0 && steps_done() % task_.checkpoint_every == 0;
    if (!done() && (!go_on || due)) ATTUNE_RETURN_IF_ERROR(Save());
    if (!go_on) break;
  }
  return OkStatus();
}

TrainingReport TrainingRun::report() {
  TrainingReport report = report_;
  report.finished = done();
  report.steps = steps_done();
  report.epsilon = Epsilon();
  if (report.training_seconds > 0) {
    report.tokens_per_second = static_cast<double>(labels_) / report.training_seconds;
  }
  if (curve_.held_out.empty()) return report;
  report.loss_before = curve_.held_out.front().loss;
  report.loss_after = curve_.held_out.back().loss;
  return report;
}

double TrainingRun::Epsilon() {
  const TrainingOptions& options = task_.options;
  if (options.noise_multiplier == 0) return 0;
  const double drawn = static_cast<double>(options.batch * options.micro_batches);
  const double rate = std::min(drawn / static_cast<double>(examples_), 1.0);
  const Result<PrivacyLoss> loss =
      PrivacyLossOf({rate, options.noise_multiplier, steps_done()}, options.privacy_delta);
  return loss.ok() ? loss->epsilon : 0;
}

TrainingEvent TrainingRun::EventOf(StepReport step) const {
  TrainingEvent event;
  event.step = step.step;
  event.steps = task_.options.steps;
  event.loss = step.loss;
  event.learning_rate = step.learning_rate;
  event.gradient_norm = step.gradient_norm;
  event.loss_scale = step.loss_scale;
  event.skipped = step.skipped;
  event.reason = std::move(step.reason);
  event.seconds = step.seconds;
  if (step.seconds > 0) event.tokens_per_second = static_cast<double>(step.labels) / step.seconds;
  return event;
}

SafetensorsMetadata TrainingRun::Provenance(std::uint64_t base) const {
  const TrainingProgress& progress = trainer_->state().progress;
  return {{"attune.base", HexOf(base)},
          {"attune.data", HexOf(progress.fingerprint)},
          {"attune.steps", StrCat(progress.step)},
          {"attune.updates", StrCat(progress.updates)},
          {"attune.messages", StrCat(report_.train_messages)},
          {"attune.tokens", StrCat(progress.tokens)},
          {"attune.seed", StrCat(task_.options.seed)}};
}

}  // namespace attune
