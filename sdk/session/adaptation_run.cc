// Training on a vault: which examples, which saved state, and what becomes of the
// result.

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/strings.h"
#include "session/adaptation_impl.h"
#include "session/adapter_evaluation.h"
#include "session/training_checkpoint.h"
#include "session/training_output.h"
#include "session/training_setup.h"
#include "session/vault_state_store.h"

namespace attune {
namespace {

// Of the loss curve that a generation keeps: some 50 KiB, however long it learned.
constexpr std::size_t kMaxCurvePoints = 1000;

// Shortest text that reads back the same number.
std::string Text(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

Message MessageOf(const Example& example) {
  return {.prompt = example.prompt, .text = example.text};
}

struct Dated {
  std::int64_t when = 0;
  Message message;
};

void Append(std::uint64_t id, std::vector<IdRange>* ranges) {
  if (!ranges->empty() && ranges->back().last + 1 == id) {
    ranges->back().last = id;
  } else {
    ranges->push_back({id, id});
  }
}

}  // namespace

Result<ExampleSnapshot> Adaptation::Impl::Snapshot(const std::vector<IdRange>* only) {
  ExampleSnapshot snapshot;
  std::vector<Dated> dated;
  const auto visit = [&](const StoredExample& stored) {
    if (stored.example.kind == ExampleKind::kLabelledBlob) {
      ++snapshot.skipped;
      return true;
    }
    dated.push_back({stored.example.when, MessageOf(stored.example)});
    Append(stored.id, &snapshot.seen);
    return true;
  };
  ATTUNE_ASSIGN_OR_RETURN(
      const ExampleStore::Visited visited,
      only == nullptr ? examples_->ForEach(visit) : examples_->ForEachOf(*only, visit));
  snapshot.damaged = static_cast<std::int64_t>(visited.damaged);
  snapshot.seen = MergeRanges(std::move(snapshot.seen));
  std::stable_sort(dated.begin(), dated.end(),
                   [](const Dated& a, const Dated& b) { return a.when < b.when; });
  Dataset dataset;
  for (Dated& one : dated) dataset.messages.push_back(std::move(one.message));
  snapshot.messages = SplitByTime(std::move(dataset), options_.held_out_fraction);
  snapshot.messages.held_out =
      Thinned(std::move(snapshot.messages.held_out), options_.held_out_examples);
  return snapshot;
}

class Adaptation::Impl::Job {
 public:
  Job(Impl& adaptation, const RunOptions& options)
      : adaptation_(adaptation),
        model_(*adaptation.model_),
        options_(options),
        checkpoints_(*adaptation.vault_, {adaptation.options_.adapter, adaptation.base_,
                                          adaptation.options_.keep_checkpoints}) {}

  Result<RunReport> Run(const TrainingCallback& on_step) {
    // Before an example is read: from here on nothing of this run can be stored once
    // one was forgotten.
    ATTUNE_RETURN_IF_ERROR(checkpoints_.BeginRun(/*resume=*/true));
    if (options_.resume) ATTUNE_RETURN_IF_ERROR(TryToResume());
    if (run_ == nullptr) {
      ATTUNE_RETURN_IF_ERROR(Start());
      ATTUNE_RETURN_IF_ERROR(checkpoints_.Clear());
    }
    ATTUNE_RETURN_IF_ERROR(run_->Train(on_step));
    report_.training = run_->report();
    if (report_.training.finished) ATTUNE_RETURN_IF_ERROR(Finish());
    return std::move(report_);
  }

 private:
  // A run on `snapshot`, from its first step.
  Status Prepare(ExampleSnapshot snapshot) {
    const LanguageModelWeights& base = model_.weights();
    TrainingTask task{.options = options_.training,
                      .reserved_bytes = model_.adapter_bytes(),
                      .checkpoint_every = options_.checkpoint_every,
                      .stop_at_step = options_.stop_at_step};
    ATTUNE_ASSIGN_OR_RETURN(task.row_length, RowLength(options_.training, base.config));
    ATTUNE_ASSIGN_OR_RETURN(TrainingTexts texts,
                            EncodeTexts(model_.tokenizer(), snapshot.messages, task.row_length));
    if (texts.train.empty()) {
      return FailedPrecondition(StrCat("nothing to learn: ", texts.train_messages,
                                       " examples of text, none of 2 tokens"));
    }
    held_out_ = texts.held_out;
    seen_ = std::move(snapshot.seen);
    report_.skipped_examples = snapshot.skipped;
    report_.damaged_examples = snapshot.damaged;
    store_ = std::make_unique<VaultStateStore>(checkpoints_, adaptation_.base_, seen_);
    ATTUNE_ASSIGN_OR_RETURN(run_, TrainingRun::Create(adaptation_.platform_, base, task,
                                                      std::move(texts), store_.get()));
    return OkStatus();
  }

  Status Start() {
    ATTUNE_RETURN_IF_ERROR(adaptation_.examples_->ApplyRetention().status());
    ATTUNE_ASSIGN_OR_RETURN(ExampleSnapshot snapshot, adaptation_.Snapshot(nullptr));
    ATTUNE_RETURN_IF_ERROR(Prepare(std::move(snapshot)));
    run_->Start();
    return OkStatus();
  }

  // Leaves no run where there is nothing to go on from.
  Status TryToResume() {
    CheckpointNews news;
    Result<Checkpoint> latest = checkpoints_.Latest(&news);
    report_.damaged_checkpoints = news.quarantined;
    if (latest.status().code() == StatusCode::kNotFound) {
      if (news.quarantined + news.tainted + news.other_base > 0) {
        report_.not_resumed = latest.status().message();
      }
      return OkStatus();
    }
    if (!latest.ok()) return latest.status();
    ATTUNE_ASSIGN_OR_RETURN(ExampleSnapshot snapshot, adaptation_.Snapshot(&latest->entry.seen));
    Status status = Prepare(std::move(snapshot));
    if (status.ok()) {
      store_->Offer(std::move(latest->content));
      status = run_->Resume();
    }
    if (status.ok()) {
      report_.resumed_at_step = run_->state().progress.step;
      return OkStatus();
    }
    // Of other options, or examples went by age since: a state that fits nothing
    // any more. What is short now would be short for a new run too.
    run_.reset();
    if (status.code() == StatusCode::kResourceExhausted) return status;
    report_.not_resumed = status.message();
    return OkStatus();
  }

  // The state is saved once more, so that whatever cuts this off leaves a run with
  // only the writing to do.
  Status Finish() {
    ATTUNE_RETURN_IF_ERROR(run_->Save());
    const SafetensorsMetadata metadata = run_->Provenance(Fingerprint(model_.weights().views));
    ATTUNE_ASSIGN_OR_RETURN(PeftFiles files,
                            FormatAdapter(run_->peft(), run_->lora(), run_->state(), metadata));
    curve_ = FormatCurve(Thinned(run_->curve(), kMaxCurvePoints));
    run_.reset();  // Its memory is what the tests below take.
    ATTUNE_RETURN_IF_ERROR(Compare());
    AdapterStore adapters = adaptation_.Adapters();
    ATTUNE_ASSIGN_OR_RETURN(report_.generation,
                            adapters.Add({std::move(files.config), std::move(files.weights)},
                                         ProvenanceOf(metadata), seen_, checkpoints_.run()));
    if (report_.promoted) ATTUNE_RETURN_IF_ERROR(adapters.Promote(report_.generation));
    ATTUNE_RETURN_IF_ERROR(checkpoints_.Clear());
    ATTUNE_RETURN_IF_ERROR(adaptation_.PutInForce());
    if (report_.resumed_at_step == 0) return OkStatus();  // Start() did it.
    // Only now: a state that needs an example which has gone goes nowhere.
    return adaptation_.examples_->ApplyRetention().status();
  }

  // Whether what was trained is better than what serves, and than the bare base.
  Status Compare() {
    ATTUNE_RETURN_IF_ERROR(adaptation_.Refresh());
    ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, adaptation_.Adapters().LoadServing());
    const bool tested = !held_out_.empty();
    const double base_loss = report_.training.loss_before;
    report_.candidate_loss = report_.training.loss_after;
    report_.serving_loss = base_loss;
    if (tested && serving.entry.generation != 0) {
      ATTUNE_ASSIGN_OR_RETURN(
          const PeftAdapter adapter,
          ParsePeftAdapter({std::move(serving.files.config), std::move(serving.files.weights)}));
      ATTUNE_ASSIGN_OR_RETURN(const Evaluation evaluation,
                              EvaluateAdapter(adaptation_.platform_, model_.weights(), &adapter,
                                              options_.training, std::move(held_out_)));
      report_.serving_loss = evaluation.loss();
    }
    const bool better =
        !tested || report_.candidate_loss < std::min(report_.serving_loss, base_loss);
    report_.promoted = options_.promote_if_better && better;
    serving_ = serving.entry.generation;
    return OkStatus();
  }

  // Counts, hashes and figures.
  Provenance ProvenanceOf(const SafetensorsMetadata& metadata) const {
    Provenance provenance(metadata.begin(), metadata.end());
    provenance["base_sha256"] = HexOf(adaptation_.base_);
    provenance["held_out_messages"] = StrCat(report_.training.held_out_messages);
    provenance["held_out_tokens"] = StrCat(report_.training.held_out_tokens);
    provenance["base_loss"] = Text(report_.training.loss_before);
    provenance["candidate_loss"] = Text(report_.candidate_loss);
    provenance["serving_generation"] = StrCat(serving_);
    provenance["serving_loss"] = Text(report_.serving_loss);
    provenance["decision"] = report_.promoted ? "promoted" : "kept back";
    provenance[kCurveTable] = curve_.table;
    provenance[kCurveDrawing] = curve_.drawing;
    return provenance;
  }

  Impl& adaptation_;
  ServedModel& model_;
  const RunOptions& options_;
  CheckpointStore checkpoints_;
  std::unique_ptr<VaultStateStore> store_;
  std::unique_ptr<TrainingRun> run_;
  std::vector<TrainingExample> held_out_;
  std::vector<IdRange> seen_;
  CurveFiles curve_;
  std::uint64_t serving_ = 0;  // What the candidate was compared with.
  RunReport report_;
};

Result<RunReport> Adaptation::Impl::Run(const RunOptions& options,
                                        const TrainingCallback& on_step) {
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options.training));
  ATTUNE_RETURN_IF_ERROR(Model().status());
  ATTUNE_RETURN_IF_ERROR(Refresh());
  // Training needs the memory; prediction makes its programs again.
  model_->DropExecutables();
  return Job(*this, options).Run(on_step);
}

Result<AdaptationEvaluation> Adaptation::Impl::Evaluate() {
  ATTUNE_RETURN_IF_ERROR(Model().status());
  ATTUNE_RETURN_IF_ERROR(Refresh());
  const LanguageModelWeights& base = model_->weights();
  TrainingOptions options;
  options.arithmetic = options_.open.arithmetic;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t row, RowLength(options, base.config));
  ATTUNE_ASSIGN_OR_RETURN(const ExampleSnapshot snapshot, Snapshot(nullptr));
  const DatasetSplit held_out{{}, snapshot.messages.held_out};
  ATTUNE_ASSIGN_OR_RETURN(const TrainingTexts texts,
                          EncodeTexts(model_->tokenizer(), held_out, row));
  if (texts.held_out.empty()) {
    return FailedPrecondition(StrCat("no held-out examples to test on, of ",
                                     snapshot.messages.train.size(), " examples of text"));
  }
  AdaptationEvaluation out;
  out.examples = texts.held_out_messages;
  ATTUNE_ASSIGN_OR_RETURN(const Evaluation bare,
                          EvaluateAdapter(platform_, base, nullptr, options, texts.held_out));
  out.tokens = bare.labels;
  out.base_loss = out.serving_loss = bare.loss();
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration serving, Adapters().LoadServing());
  out.serving = serving.entry.generation;
  if (out.serving == 0) return out;
  ATTUNE_ASSIGN_OR_RETURN(
      const PeftAdapter adapter,
      ParsePeftAdapter({std::move(serving.files.config), std::move(serving.files.weights)}));
  ATTUNE_ASSIGN_OR_RETURN(const Evaluation adapted,
                          EvaluateAdapter(platform_, base, &adapter, options, texts.held_out));
  out.serving_loss = adapted.loss();
  return out;
}

}  // namespace attune
