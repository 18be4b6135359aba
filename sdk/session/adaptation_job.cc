#include "session/adaptation_job.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>
#include <utility>

#include "base/strings.h"
#include "session/training_checkpoint.h"
#include "session/training_setup.h"
#include "train/canary.h"

namespace attune {
namespace {

// Of the loss curve that a generation keeps: some 50 KiB, however long it learned.
constexpr std::size_t kMaxCurvePoints = 1000;

// That a planted one is compared with: up to 8 bits can be seen.
constexpr int kOtherCanaries = 255;

bool AllFinite(TrainingState& state) {
  for (std::size_t i = 0; i < state.trainables().size(); ++i) {
    const std::span<const float> values = state.parameter(i);
    if (!std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); })) {
      return false;
    }
  }
  return true;
}

// Of other options, of another build, damaged, or examples went by age since: such a
// state will never be gone on from. Anything else may pass, and progress with it.
bool FitsNothing(StatusCode code) {
  return code == StatusCode::kInvalidArgument || code == StatusCode::kFailedPrecondition ||
         code == StatusCode::kDataLoss || code == StatusCode::kNotFound ||
         code == StatusCode::kUnsupported;
}

}  // namespace

Adaptation::Impl::Job::Job(Impl& adaptation, const RunOptions& options)
    : adaptation_(adaptation),
      model_(*adaptation.model_),
      options_(options),
      checkpoints_(*adaptation.vault_, {adaptation.options_.adapter, adaptation.base_,
                                        adaptation.options_.keep_checkpoints}) {}

Status Adaptation::Impl::Job::Begin() {
  // Before an example is read: from here on nothing of this run can be stored once
  // one was forgotten.
  ATTUNE_RETURN_IF_ERROR(checkpoints_.BeginRun(/*resume=*/true));
  if (options_.resume) ATTUNE_RETURN_IF_ERROR(TryToResume());
  if (run_ != nullptr) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(Start());
  return checkpoints_.Clear();
}

// Adds what is not of the user. The anchors are read in any case: what the end of the
// run needs is missed before it begins.
Status Adaptation::Impl::Job::LearnAlong(std::int64_t row_length, std::vector<Message>* train) {
  ATTUNE_ASSIGN_OR_RETURN(const AnchorSet* const anchors, adaptation_.Anchors(options_));
  if (train->empty()) return OkStatus();
  const double share = options_.replay / (1 - options_.replay);
  const std::int64_t replayed = std::llround(share * static_cast<double>(train->size()));
  std::vector<Message> along = Thinned(anchors->replayable, replayed);
  report_.replayed_messages = static_cast<std::int64_t>(along.size());
  const Canaries canaries =
      MakeCanaries(options_.training.seed, static_cast<int>(options_.canaries), kOtherCanaries);
  std::vector<Message> told;
  for (const std::string& text : canaries.planted) told.push_back({.text = text});
  along.insert(along.end(), told.begin(), told.end());
  train->insert(train->end(), std::make_move_iterator(along.begin()),
                std::make_move_iterator(along.end()));
  canaries_ = {};
  if (canaries.planted.empty()) return OkStatus();
  for (const std::string& text : canaries.others) told.push_back({.text = text});
  canaries_.planted = canaries.planted.size();
  ATTUNE_ASSIGN_OR_RETURN(canaries_.texts, EncodeTests(model_.tokenizer(), told, row_length));
  return OkStatus();
}

// A run on `snapshot`, from its first step.
Status Adaptation::Impl::Job::Prepare(ExampleSnapshot snapshot) {
  const LanguageModelWeights& base = model_.weights();
  TrainingTask task{.options = options_.training,
                    .reserved_bytes = model_.adapter_bytes(),
                    .checkpoint_every = options_.checkpoint_every,
                    .stop_at_step = options_.stop_at_step};
  ATTUNE_ASSIGN_OR_RETURN(task.row_length, RowLength(options_.training, base.config));
  ATTUNE_RETURN_IF_ERROR(LearnAlong(task.row_length, &snapshot.messages.train));
  ATTUNE_ASSIGN_OR_RETURN(TrainingTexts texts,
                          EncodeTexts(model_.tokenizer(), snapshot.messages, task.row_length));
  if (texts.train.empty()) {
    return FailedPrecondition(
        StrCat("nothing to learn: ", texts.train_messages, " examples of text, none of 2 tokens"));
  }
  ATTUNE_ASSIGN_OR_RETURN(
      held_out_, EncodeTests(model_.tokenizer(), snapshot.messages.held_out, task.row_length));
  report_.near_duplicates = snapshot.messages.near_duplicates;
  seen_ = std::move(snapshot.seen);
  report_.skipped_examples = snapshot.skipped;
  report_.damaged_examples = snapshot.damaged;
  store_ = std::make_unique<VaultStateStore>(checkpoints_, adaptation_.base_, seen_);
  ATTUNE_ASSIGN_OR_RETURN(
      run_, TrainingRun::Create(adaptation_.platform_, base, task, std::move(texts), store_.get(),
                                &memory_needed_));
  return OkStatus();
}

Status Adaptation::Impl::Job::Start() {
  ATTUNE_RETURN_IF_ERROR(adaptation_.examples_->ApplyRetention().status());
  ATTUNE_ASSIGN_OR_RETURN(ExampleSnapshot snapshot,
                          adaptation_.Snapshot(nullptr, LooksForTheBest()));
  ATTUNE_RETURN_IF_ERROR(Prepare(std::move(snapshot)));
  run_->Start();
  return OkStatus();
}

// Leaves no run where there is nothing to go on from.
Status Adaptation::Impl::Job::TryToResume() {
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
  const Status status = GoOnFrom(*std::move(latest));
  if (status.ok()) {
    report_.resumed_at_step = run_->state().progress.step;
    saved_ = Reached();
    return OkStatus();
  }
  run_.reset();
  if (!FitsNothing(status.code())) return status;
  report_.not_resumed = status.message();
  return OkStatus();
}

Status Adaptation::Impl::Job::GoOnFrom(Checkpoint checkpoint) {
  ATTUNE_ASSIGN_OR_RETURN(ExampleSnapshot snapshot,
                          adaptation_.Snapshot(&checkpoint.entry.seen, LooksForTheBest()));
  ATTUNE_RETURN_IF_ERROR(Prepare(std::move(snapshot)));
  store_->Offer(std::move(checkpoint.content));
  return run_->Resume();
}

Adaptation::Impl::Job::Point Adaptation::Impl::Job::Reached() const {
  return {run_->state().progress.step, run_->curve().held_out.size()};
}

Status Adaptation::Impl::Job::EndFailed(Status failure) {
  // Saved states of a run that diverged hold its steps that were skipped, and
  // parameters that go on to diverge. Best effort: the next attempt ends here again.
  if (run_->diverged()) checkpoints_.Clear().Ignore();
  return failure;
}

Status Adaptation::Impl::Job::Save() {
  if (run_->state().progress.step == 0 || saved_ == Reached()) return OkStatus();
  ATTUNE_RETURN_IF_ERROR(run_->Save());
  saved_ = Reached();
  return OkStatus();
}

const RunReport& Adaptation::Impl::Job::report() {
  if (run_ != nullptr) report_.training = run_->report();
  return report_;
}

// The state is saved first, so that whatever cuts this off leaves a run with only
// the writing to do.
Status Adaptation::Impl::Job::Finish(FunctionRef<bool()> go_on) {
  ATTUNE_RETURN_IF_ERROR(Save());
  run_->ReturnToBest();
  const SafetensorsMetadata metadata = run_->Provenance(Fingerprint(model_.weights().views));
  const bool finite = AllFinite(run_->state());
  PeftFiles files;  // Others cannot be written.
  if (finite) {
    ATTUNE_ASSIGN_OR_RETURN(files,
                            FormatAdapter(run_->peft(), run_->lora(), run_->state(), metadata));
  }
  curve_ = FormatCurve(Thinned(run_->curve(), kMaxCurvePoints));
  report_.training = run_->report();
  run_.reset();  // Its memory is what the tests below take.
  const Candidate candidate{
      .files = files, .held_out = held_out_, .canaries = canaries_, .finite = finite};
  ATTUNE_ASSIGN_OR_RETURN(judgement_, adaptation_.Judge(candidate, options_, go_on));
  report_.gate = judgement_.decision;
  report_.candidate_loss = judgement_.decision.candidate_loss;
  report_.serving_loss = judgement_.decision.serving_loss;
  report_.promoted =
      options_.promote_if_better && judgement_.decision.verdict == GateVerdict::kPromote;
  if (finite) return Store(files, metadata);
  ATTUNE_RETURN_IF_ERROR(checkpoints_.Clear());
  return Leave();
}

Status Adaptation::Impl::Job::Store(const PeftFiles& files, const SafetensorsMetadata& metadata) {
  AdapterStore adapters = adaptation_.Adapters();
  ATTUNE_ASSIGN_OR_RETURN(report_.generation,
                          adapters.Add({files.config, files.weights}, ProvenanceOf(metadata), seen_,
                                       {.run = checkpoints_.run(), .promote = report_.promoted}));
  return Leave();
}

// Of a run that is over.
Status Adaptation::Impl::Job::Leave() {
  ATTUNE_RETURN_IF_ERROR(adaptation_.PutInForce());
  if (report_.resumed_at_step == 0) return OkStatus();  // Start() did it.
  // Only now: a state that needs an example which has gone goes nowhere.
  return adaptation_.examples_->ApplyRetention().status();
}

// Counts, hashes and figures.
Provenance Adaptation::Impl::Job::ProvenanceOf(const SafetensorsMetadata& metadata) const {
  Provenance provenance(metadata.begin(), metadata.end());
  provenance["base_sha256"] = HexOf(adaptation_.base_);
  provenance["held_out_messages"] = StrCat(report_.training.held_out_messages);
  provenance["held_out_tokens"] = StrCat(report_.training.held_out_tokens);
  if (options_.replay > 0) provenance["replayed_messages"] = StrCat(report_.replayed_messages);
  Describe(judgement_, &provenance);
  const bool rejected = judgement_.decision.verdict == GateVerdict::kReject;
  provenance["decision"] = report_.promoted ? "promoted" : rejected ? "rejected" : "kept back";
  provenance[kCurveTable] = curve_.table;
  provenance[kCurveDrawing] = curve_.drawing;
  return provenance;
}

}  // namespace attune
