#include "attune/adaptation.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "formats/peft.h"
#include "ports/clock.h"
#include "session/adaptation_impl.h"
#include "session/training_output.h"
#include "train/outcome.h"
#include "vault/stored_file.h"

namespace attune {
namespace {

Status CheckOptions(const AdaptationOptions& options) {
  if (options.vault.empty()) return InvalidArgument("no vault directory");
  ATTUNE_RETURN_IF_ERROR(CheckAdapterName(options.adapter));
  if (!(options.held_out_fraction >= 0 && options.held_out_fraction <= 0.9)) {
    return InvalidArgument(
        StrCat("held-out fraction ", options.held_out_fraction, ", allowed 0 to 0.9"));
  }
  if (options.held_out_examples < 1) {
    return InvalidArgument(
        StrCat("held-out examples ", options.held_out_examples, ", allowed 1 and up"));
  }
  if (!(options.stopping_fraction >= 0 && options.stopping_fraction <= 0.9)) {
    return InvalidArgument(
        StrCat("stopping fraction ", options.stopping_fraction, ", allowed 0 to 0.9"));
  }
  if (options.anchor_examples < 1) {
    return InvalidArgument(
        StrCat("anchor examples ", options.anchor_examples, ", allowed 1 and up"));
  }
  if (options.keep_checkpoints < 1 || options.keep_generations < 1) {
    return InvalidArgument(StrCat("to keep ", options.keep_checkpoints, " checkpoints and ",
                                  options.keep_generations, " generations, allowed 1 and up"));
  }
  return CheckOptions(options.outcomes);
}

}  // namespace

Result<std::unique_ptr<Vault>> OpenVault(const Platform& platform, const std::string& directory,
                                         bool create) {
  if (platform.crypto == nullptr || platform.keys == nullptr) {
    return FailedPrecondition("the platform has no place for keys: a vault needs one");
  }
  return Vault::Open({platform.files, platform.keys, platform.crypto, platform.clock},
                     {.directory = directory, .create = create});
}

Result<std::unique_ptr<Adaptation::Impl>> Adaptation::Impl::Open(const Platform& platform,
                                                                 const AdaptationOptions& options) {
  ATTUNE_RETURN_IF_ERROR(CheckOptions(options));
  auto impl = std::unique_ptr<Impl>(new Impl(platform, options));
  ATTUNE_ASSIGN_OR_RETURN(impl->vault_, OpenVault(platform, options.vault, options.create_vault));
  ATTUNE_ASSIGN_OR_RETURN(impl->examples_, ExampleStore::Open(*impl->vault_, options.examples));
  return impl;
}

// --- The model and what serves ---

BaseHash ServedBase(const Manifest& manifest, const std::string& adapter) {
  const AdapterLine* line = manifest.FindLine(adapter);
  const AdapterEntry* newest = nullptr;
  for (const AdapterEntry& entry : manifest.adapters) {
    const bool may_serve = line != nullptr && entry.adapter == adapter && entry.promoted &&
                           !entry.tainted && entry.generation <= line->serving;
    if (may_serve && (newest == nullptr || entry.generation > newest->generation)) newest = &entry;
  }
  return newest == nullptr ? BaseHash{} : newest->base;
}

BaseHash Adaptation::Impl::base() const {
  return model_ != nullptr ? base_ : ServedBase(vault_->manifest(), options_.adapter);
}

AdapterStore Adaptation::Impl::Adapters(const BaseHash& base) const {
  return AdapterStore(*vault_, {options_.adapter, base, options_.keep_generations});
}

Status Adaptation::Impl::OpenModel() {
  ATTUNE_ASSIGN_OR_RETURN(auto model, ServedModel::Open(platform_, options_.model, options_.open));
  ATTUNE_ASSIGN_OR_RETURN(base_, HashOf(*platform_.crypto, model->weights().views));
  model_ = std::move(model);
  return OkStatus();
}

Status Adaptation::Impl::PutInForce() {
  if (Adapters().serving() == in_force_) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration generation, Adapters().LoadServing());
  if (generation.entry.generation == 0) {
    model_->ClearAdapter();
  } else {
    ATTUNE_ASSIGN_OR_RETURN(const PeftAdapter adapter,
                            ParsePeftAdapter({std::move(generation.files.config),
                                              std::move(generation.files.weights)}));
    ATTUNE_RETURN_IF_ERROR(model_->SetAdapter(adapter));
  }
  in_force_ = generation.entry.generation;
  return OkStatus();
}

Status Adaptation::Impl::Refresh() {
  looked_at_ = platform_.clock->MonotonicSeconds();
  ATTUNE_RETURN_IF_ERROR(vault_->Refresh());
  if (options_.model.empty()) return OkStatus();
  if (model_ == nullptr) ATTUNE_RETURN_IF_ERROR(OpenModel());
  return PutInForce();
}

Result<ServedModel*> Adaptation::Impl::Model() {
  if (options_.model.empty()) return FailedPrecondition("opened without a model");
  if (model_ == nullptr) ATTUNE_RETURN_IF_ERROR(Refresh());
  return model_.get();
}

Result<ServedModel*> Adaptation::Impl::ModelInForce() {
  ATTUNE_ASSIGN_OR_RETURN(ServedModel * model, Model());
  if (platform_.clock->MonotonicSeconds() - looked_at_ >= kLookAgainSeconds) {
    // A locked device is no reason to stop serving: the next look will tell.
    if (const Status looked = Refresh(); !looked.ok()) return model;
  }
  return model;
}

std::uint64_t Adaptation::Impl::serving() const {
  return model_ != nullptr ? in_force_ : Adapters().serving();
}

std::vector<GenerationInfo> Adaptation::Impl::Generations() const {
  return DescribeGenerations(vault_->manifest(), options_.adapter, serving());
}

Status Adaptation::Impl::Promote(std::uint64_t generation) {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  const AdapterEntry* entry = vault_->manifest().FindAdapter(options_.adapter, generation);
  const bool own_base = model_ == nullptr && entry != nullptr;
  ATTUNE_RETURN_IF_ERROR(Adapters(own_base ? entry->base : base()).Promote(generation));
  return model_ == nullptr ? OkStatus() : PutInForce();
}

Result<std::uint64_t> Adaptation::Impl::Rollback() {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  ATTUNE_RETURN_IF_ERROR(Adapters().Rollback().status());
  if (model_ != nullptr) ATTUNE_RETURN_IF_ERROR(PutInForce());
  return serving();
}

Status Adaptation::Impl::ExportAdapter(std::uint64_t generation, const std::string& directory) {
  ATTUNE_RETURN_IF_ERROR(Refresh());
  const std::uint64_t which = generation == 0 ? serving() : generation;
  const AdapterEntry* entry = vault_->manifest().FindAdapter(options_.adapter, which);
  if (entry == nullptr) {
    return NotFound(which == 0 ? "the bare base model serves: there is no adapter to export"
                               : StrCat("adapter ", options_.adapter, ": no generation ", which));
  }
  ATTUNE_ASSIGN_OR_RETURN(AdapterGeneration loaded, Adapters(entry->base).Load(which));
  ATTUNE_RETURN_IF_ERROR(
      WritePeftAdapter(*platform_.files, directory,
                       {std::move(loaded.files.config), std::move(loaded.files.weights)}));
  return WriteCurve(
      *platform_.files, directory,
      {std::move(loaded.provenance[kCurveTable]), std::move(loaded.provenance[kCurveDrawing])});
}

// --- Adaptation ---

Result<std::unique_ptr<Adaptation>> Adaptation::Open(const Platform& platform,
                                                     const AdaptationOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto impl, Impl::Open(platform, options));
  return std::unique_ptr<Adaptation>(new Adaptation(std::move(impl)));
}

Adaptation::Adaptation(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Adaptation::~Adaptation() = default;

Result<Recorded> Adaptation::Record(const Example& example) {
  return impl_->examples().Record(example);
}
Result<RunReport> Adaptation::Run(const RunOptions& options, const TrainingCallback& on_step) {
  return impl_->Run(options, on_step);
}
Result<AdaptationEvaluation> Adaptation::Evaluate() { return impl_->Evaluate(); }

Status Adaptation::Refresh() { return impl_->Refresh(); }
std::vector<GenerationInfo> Adaptation::Generations() const { return impl_->Generations(); }
std::uint64_t Adaptation::serving() const { return impl_->serving(); }
Status Adaptation::Promote(std::uint64_t generation) { return impl_->Promote(generation); }
Result<std::uint64_t> Adaptation::Rollback() { return impl_->Rollback(); }

Result<OutcomeReport> Adaptation::ReportOutcome(const Outcome& outcome) {
  return impl_->ReportOutcome(outcome);
}

Result<Forgotten> Adaptation::Forget(const ForgetQuery& query) { return impl_->Forget(query); }
Status Adaptation::ListExamples(const std::function<bool(const StoredExample&)>& visit) {
  return impl_->examples().ForEach(visit).status();
}

Result<Generated> Adaptation::Generate(std::string_view prompt, const GenerateOptions& options,
                                       const std::function<bool(std::string_view)>& on_piece) {
  ATTUNE_ASSIGN_OR_RETURN(ServedModel * model, impl_->ModelInForce());
  return model->Generate(prompt, options, on_piece);
}
Result<Score> Adaptation::ScoreText(std::string_view text) {
  ATTUNE_ASSIGN_OR_RETURN(ServedModel * model, impl_->ModelInForce());
  return model->ScoreText(text);
}
Result<std::vector<WordSuggestion>> Adaptation::SuggestWords(std::string_view prefix,
                                                             std::size_t count) {
  ATTUNE_ASSIGN_OR_RETURN(ServedModel * model, impl_->ModelInForce());
  return model->SuggestWords(prefix, count);
}

Status Adaptation::ExportAdapter(std::uint64_t generation, const std::string& directory) {
  return impl_->ExportAdapter(generation, directory);
}
Status Adaptation::ExportExamples(const std::string& path) { return impl_->ExportExamples(path); }

}  // namespace attune
