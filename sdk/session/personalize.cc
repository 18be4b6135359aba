#include "attune/personalize.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "session/dataset.h"
#include "session/model_tokenizer.h"
#include "session/platform.h"
#include "session/training_checkpoint.h"
#include "session/training_output.h"
#include "session/training_setup.h"
#include "text/tokenizer.h"
#include "train/evaluate.h"

namespace attune {
namespace {

// At most `limit` messages, evenly chosen.
std::vector<Message> Thinned(std::vector<Message> messages, std::int64_t limit) {
  const auto n = static_cast<std::int64_t>(messages.size());
  if (n <= limit) return messages;
  std::vector<Message> kept;
  for (std::int64_t i = 0; i < limit; ++i) {
    kept.push_back(std::move(messages[static_cast<std::size_t>(i * n / limit)]));
  }
  return kept;
}

// One call of Personalize().
class Job {
 public:
  Job(const Platform& platform, const PersonalizeOptions& options, const TrainingCallback& on_step)
      : platform_(platform), options_(options), on_step_(on_step) {}

  Result<TrainingReport> Run() {
    ATTUNE_RETURN_IF_ERROR(CheckOptions(options_));
    ATTUNE_RETURN_IF_ERROR(OpenModel());
    ATTUNE_RETURN_IF_ERROR(ReadMessages());
    ATTUNE_RETURN_IF_ERROR(Prepare());
    ATTUNE_RETURN_IF_ERROR(platform_.files->CreateDirectories(options_.output));
    ATTUNE_RETURN_IF_ERROR(StartOrResume());
    ATTUNE_RETURN_IF_ERROR(Train());
    if (report_.finished) ATTUNE_RETURN_IF_ERROR(WriteOrSave());
    return std::move(report_);
  }

 private:
  Status OpenModel() {
    ATTUNE_ASSIGN_OR_RETURN(base_, OpenBase(*platform_.files, options_));
    ATTUNE_ASSIGN_OR_RETURN(row_length_, RowLength(options_.training, base_.config));
    ATTUNE_ASSIGN_OR_RETURN(tokenizer_, OpenModelTokenizer(*platform_.files, options_.model,
                                                           options_.tokenizer, base_.config));
    return OkStatus();
  }

  Status ReadMessages() {
    ATTUNE_ASSIGN_OR_RETURN(Dataset dataset, ReadDataset(*platform_.files, options_.data));
    const bool own_file = !options_.held_out_data.empty();
    DatasetSplit split =
        SplitByTime(std::move(dataset), own_file ? 0.0 : options_.held_out_fraction);
    if (own_file) {
      ATTUNE_ASSIGN_OR_RETURN(Dataset other, ReadDataset(*platform_.files, options_.held_out_data));
      split.held_out = std::move(other.messages);
    }
    split.held_out = Thinned(std::move(split.held_out), options_.held_out_messages);
    // A row predicts one token less than the example has.
    const std::int64_t window = row_length_ + 1;
    ATTUNE_ASSIGN_OR_RETURN(train_, EncodeMessages(*tokenizer_, split.train, window));
    ATTUNE_ASSIGN_OR_RETURN(held_out_, EncodeMessages(*tokenizer_, split.held_out, window));
    if (train_.empty()) {
      return InvalidArgument(StrCat(BaseName(options_.data), ": ", split.train.size(),
                                    " messages to learn, none of 2 tokens"));
    }
    report_.train_messages = static_cast<std::int64_t>(split.train.size());
    report_.held_out_messages = static_cast<std::int64_t>(split.held_out.size());
    report_.train_tokens = CountLabels(train_);
    report_.held_out_tokens = CountLabels(held_out_);
    return OkStatus();
  }

  // Everything that may refuse, before anything is written.
  Status Prepare() {
    if (!options_.full) {
      peft_ = PeftConfigOf(options_.training, base_.config);
      ATTUNE_ASSIGN_OR_RETURN(lora_, LoraSpecOf(base_, peft_));
    }
    TrainConfig config =
        TrainConfigOf(options_.training, options_.full, row_length_, report_.train_tokens);
    LoraSpec exact = lora_;
    exact.dropout = 0;
    const TrainerParts testing = PartsOf(platform_, base_, exact);
    SamplerConfig layout = TrainConfigOf(options_.training, options_.full, row_length_,
                                         std::max<std::int64_t>(report_.held_out_tokens, 1))
                               .sampler;
    CompileOptions compile = config.compile;
    compile.pack_weights = false;
    config.reserved_bytes = kProcessBytes + base_.copied_bytes;
    if (!held_out_.empty()) {
      ATTUNE_ASSIGN_OR_RETURN(const std::int64_t bytes,
                              Evaluator::PredictBytes(testing, layout, compile, held_out_));
      config.reserved_bytes += bytes;
    }
    ATTUNE_ASSIGN_OR_RETURN(
        trainer_, Trainer::Create(PartsOf(platform_, base_, lora_), config, std::move(train_)));
    if (!held_out_.empty()) {
      ATTUNE_ASSIGN_OR_RETURN(evaluator_,
                              Evaluator::Create(testing, layout, compile, std::move(held_out_)));
      ATTUNE_RETURN_IF_ERROR(evaluator_->BindAll(&trainer_->state()));
    }
    report_.predicted_bytes = trainer_->memory().private_bytes();
    report_.recomputed_values = trainer_->memory().recomputed;
    for (const Trainable& trainable : trainer_->state().trainables()) {
      report_.trained_parameters += trainable.shape.elements();
    }
    return OkStatus();
  }

  Status StartOrResume() {
    base_hash_ = Fingerprint(base_.views);
    state_path_ = JoinPath(options_.output, kTrainingStateFile);
    if (options_.resume && platform_.files->Exists(state_path_)) {
      ATTUNE_RETURN_IF_ERROR(
          LoadTrainingState(*platform_.files, state_path_, base_hash_, trainer_.get(), &curve_));
    } else {
      InitializeParameters(base_, options_.training.seed, &trainer_->state());
    }
    if (evaluator_ != nullptr && curve_.held_out.empty()) ATTUNE_RETURN_IF_ERROR(Test());
    return OkStatus();
  }

  std::int64_t StepsDone() { return trainer_->state().progress.step; }

  Status Test() {
    ATTUNE_ASSIGN_OR_RETURN(const Evaluation evaluation, evaluator_->Run());
    curve_.held_out.push_back({StepsDone(), evaluation.loss()});
    return OkStatus();
  }

  bool IsTestDue() {
    if (evaluator_ == nullptr) return false;
    if (trainer_->remaining_steps() == 0) return true;
    if (options_.training.evaluate_every < 0) return false;
    const std::int64_t every = options_.training.evaluate_every > 0
                                   ? options_.training.evaluate_every
                                   : std::max<std::int64_t>(options_.training.steps / 10, 1);
    return StepsDone() % every == 0;
  }

  Status Save() {
    return SaveTrainingState(*platform_.files, state_path_, base_hash_, trainer_->state(), curve_);
  }

  Status Train() {
    std::int64_t labels = 0;
    while (trainer_->remaining_steps() > 0) {
      ATTUNE_ASSIGN_OR_RETURN(StepReport step, trainer_->Step());
      labels += step.labels;
      report_.training_seconds += step.seconds;
      if (step.skipped) {
        ++report_.skipped_steps;
      } else {
        curve_.training.push_back({step.step, step.loss});
      }
      const bool tested = IsTestDue();
      if (tested) ATTUNE_RETURN_IF_ERROR(Test());
      const bool go_on = Report(std::move(step), tested) && StepsDone() != options_.stop_at_step;
      const bool last = trainer_->remaining_steps() == 0;
      const bool due =
          options_.checkpoint_every > 0 && StepsDone() % options_.checkpoint_every == 0;
      if (!last && (!go_on || due)) ATTUNE_RETURN_IF_ERROR(Save());
      if (!go_on) break;
    }
    report_.finished = trainer_->remaining_steps() == 0;
    report_.steps = StepsDone();
    if (report_.training_seconds > 0) {
      report_.tokens_per_second = static_cast<double>(labels) / report_.training_seconds;
    }
    if (!curve_.held_out.empty()) {
      report_.loss_before = curve_.held_out.front().loss;
      report_.loss_after = curve_.held_out.back().loss;
    }
    return OkStatus();
  }

  // Whether to go on.
  bool Report(StepReport step, bool tested) const {
    if (!on_step_) return true;
    TrainingEvent event;
    event.step = step.step;
    event.steps = options_.training.steps;
    event.loss = step.loss;
    event.learning_rate = step.learning_rate;
    event.gradient_norm = step.gradient_norm;
    event.loss_scale = step.loss_scale;
    event.skipped = step.skipped;
    event.reason = std::move(step.reason);
    event.seconds = step.seconds;
    if (step.seconds > 0) {
      event.tokens_per_second = static_cast<double>(step.labels) / step.seconds;
    }
    event.has_held_out_loss = tested;
    if (tested) event.held_out_loss = curve_.held_out.back().loss;
    return on_step_(event);
  }

  // What the weights came from: hashes and counts, never text.
  SafetensorsMetadata Provenance() const {
    const TrainingProgress& progress = trainer_->state().progress;
    return {{"attune.base", HexOf(base_hash_)},
            {"attune.data", HexOf(progress.fingerprint)},
            {"attune.steps", StrCat(progress.step)},
            {"attune.updates", StrCat(progress.updates)},
            {"attune.messages", StrCat(report_.train_messages)},
            {"attune.tokens", StrCat(progress.tokens)},
            {"attune.seed", StrCat(options_.training.seed)}};
  }

  Status Write() {
    FileSystem& files = *platform_.files;
    if (options_.full) {
      ATTUNE_RETURN_IF_ERROR(WriteModel(files, options_.output,
                                        ModelDirectory(files, options_.model), options_.full_format,
                                        trainer_->state(), Provenance()));
    } else {
      ATTUNE_RETURN_IF_ERROR(
          WriteAdapter(files, options_.output, peft_, lora_, trainer_->state(), Provenance()));
    }
    ATTUNE_RETURN_IF_ERROR(WriteCurve(files, options_.output, curve_));
    // A state from before the end would, when resumed, train the end again.
    const bool stale = platform_.files->Exists(state_path_);
    return stale || options_.checkpoint_every > 0 ? Save() : OkStatus();
  }

  // What cannot be written is not lost: a resume has only the writing to do.
  Status WriteOrSave() {
    Status written = Write();
    if (!written.ok()) Save().Ignore();
    return written;
  }

  const Platform& platform_;
  const PersonalizeOptions& options_;
  const TrainingCallback& on_step_;

  LanguageModelWeights base_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::int64_t row_length_ = 0;
  std::vector<TrainingExample> train_, held_out_;
  PeftConfig peft_;
  LoraSpec lora_;  // Names no module when every weight is trained.
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Evaluator> evaluator_;
  std::uint64_t base_hash_ = 0;
  std::string state_path_;
  LossCurve curve_;
  TrainingReport report_;
};

}  // namespace

Result<TrainingReport> Personalize(const Platform& platform, const PersonalizeOptions& options,
                                   const TrainingCallback& on_step) {
  return Job(platform, options, on_step).Run();
}

}  // namespace attune
