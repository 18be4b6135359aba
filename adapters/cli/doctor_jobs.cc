#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "attune/vault.h"
#include "base/strings.h"
#include "cli/doctor_checks.h"
#include "models/weights.h"
#include "session/dataset.h"
#include "session/model_tokenizer.h"
#include "session/training_checkpoint.h"
#include "session/training_preflight.h"

namespace attune {
namespace {

constexpr double kMebibyte = 1 << 20;
// As GenerationInfo has it.
constexpr std::size_t kShownBaseDigits = 16;

std::string Mebibytes(std::int64_t bytes) {
  return StrCat(static_cast<std::int64_t>(static_cast<double>(bytes) / kMebibyte), " MiB");
}

// What to do about a vault that does not open.
const char* VaultAdvice(StatusCode code) {
  switch (code) {
    case StatusCode::kUnavailable:
      return "unlock the device, or try again later";
    case StatusCode::kFailedPrecondition:
      return "give the --keys and passphrase it was made with";
    case StatusCode::kDataLoss:
      return "restore a backup";
    default:
      return "";
  }
}

// `job`: whose; empty for the ledger's.
Finding VaultFinding(const Platform& platform, const VaultLocation& vault, const std::string& job) {
  const std::string& directory = vault.directory;
  Finding finding{.check = "vault", .job = job, .what = BaseName(directory)};
  if (!platform.files->Exists(directory)) {
    finding.level = Level::kWarn;
    finding.what += ": not there yet";
    finding.advice = "the first example recorded makes it";
    return finding;
  }
  const auto status = InspectVault(platform, vault);
  if (!status.ok()) {
    finding.level = Level::kFail;
    finding.what += StrCat(": ", status.status().message());
    finding.advice = VaultAdvice(status.status().code());
    return finding;
  }
  finding.what += StrCat(": opens; ", status->examples, " examples, ", status->generations.size(),
                         " generations");
  if (!status->quarantine.empty()) {
    finding.level = Level::kWarn;
    finding.what += StrCat(", ", status->quarantine.size(), " damaged files put aside");
    finding.advice = "see attune vault quarantine";
  }
  return finding;
}

// A model that several jobs train is opened and hashed once.
struct CheckedModel {
  std::optional<LanguageModelWeights> weights;
  std::string base;  // The first digits of its hash.
  Status status;
};

CheckedModel OpenModel(const Platform& platform, const AdaptationOptions& options) {
  CheckedModel model;
  auto weights = LoadModel(*platform.files, options.model);
  if (!weights.ok()) return {.weights = {}, .base = {}, .status = weights.status()};
  const auto tokenizer =
      OpenModelTokenizer(*platform.files, options.model, options.open.tokenizer, weights->config);
  if (!tokenizer.ok()) return {.weights = {}, .base = {}, .status = tokenizer.status()};
  const auto hash = HashOf(*platform.crypto, weights->views);
  if (!hash.ok()) return {.weights = {}, .base = {}, .status = hash.status()};
  model.weights = *std::move(weights);
  model.base = HexOf(*hash).substr(0, kShownBaseDigits);
  return model;
}

// The base of what serves, and its number; 0: nothing does, or the vault does not open.
GenerationInfo Serving(const Platform& platform, const AdaptationOptions& options) {
  const auto status = InspectVault(platform, {options.vault, options.adapter});
  if (!status.ok()) return {};
  for (const GenerationInfo& generation : status->generations) {
    if (generation.serving) return generation;
  }
  return {};
}

Finding ModelFinding(const Platform& platform, const NightJob& job, const CheckedModel& model) {
  Finding finding{.check = "model", .job = job.policy.name, .what = BaseName(job.adaptation.model)};
  if (!model.status.ok()) {
    finding.level = Level::kFail;
    finding.what = model.status.message();
    finding.advice = "put the model and its tokenizer where the configuration says";
    return finding;
  }
  finding.what += StrCat(": opens; ", model.weights->parameters, " parameters, base ", model.base);
  const GenerationInfo serving = Serving(platform, job.adaptation);
  if (serving.generation == 0) return finding;
  if (serving.base == model.base) {
    finding.what += StrCat(", that of generation ", serving.generation, ", which serves");
    return finding;
  }
  finding.level = Level::kFail;
  finding.what +=
      StrCat("; generation ", serving.generation, " was trained on base ", serving.base);
  finding.advice =
      "bring back that model, or expect the bare one to serve until a run has finished";
  return finding;
}

// By what a run would keep to.
std::int64_t BudgetOf(const RunOptions& run, const DeviceFacts& facts) {
  const std::int64_t limit = run.training.memory_budget_bytes;
  if (facts.memory_available <= 0) return limit;
  return limit > 0 ? std::min(limit, facts.memory_available) : facts.memory_available;
}

Finding MemoryFinding(const Platform& platform, const NightJob& job, const DeviceFacts& facts,
                      const LanguageModelWeights& weights) {
  Finding finding{.check = "memory", .job = job.policy.name, .what = {}};
  RunOptions run = job.run;
  run.training.memory_budget_bytes = BudgetOf(job.run, facts);
  std::int64_t needed = 0;
  const Status status = PreflightTraining(platform, weights, run, &needed);
  if (!status.ok() && status.code() != StatusCode::kResourceExhausted) {
    finding.level = Level::kFail;
    finding.what = status.message();
    finding.advice = "correct the job's lora and training";
    return finding;
  }
  finding.figures = {{"predicted_bytes", needed},
                     {"available_bytes", facts.memory_available},
                     {"budget_bytes", job.run.training.memory_budget_bytes}};
  finding.what = StrCat(needed, " bytes (", Mebibytes(needed), ") predicted, ");
  finding.what += facts.memory_available < 0 ? "not known what is available"
                                             : StrCat(facts.memory_available, " available");
  if (job.run.training.memory_budget_bytes > 0) {
    finding.what += StrCat(", ", job.run.training.memory_budget_bytes, " allowed");
  }
  if (status.ok()) return finding;
  finding.level = Level::kFail;
  finding.advice = "lower training.batch, training.sequence or lora.rank";
  return finding;
}

Finding AnchorFinding(FileSystem& files, const NightJob& job) {
  Finding finding{
      .check = "anchor", .job = job.policy.name, .what = BaseName(job.adaptation.anchor)};
  const auto anchors = ReadDataset(files, job.adaptation.anchor);
  if (anchors.ok()) {
    finding.what += StrCat(": ", anchors->messages.size(), " texts");
    return finding;
  }
  finding.level = Level::kFail;
  finding.what = anchors.status().message();
  finding.advice = "put the file where the configuration says, or leave gate.anchor away";
  return finding;
}

}  // namespace

void CheckKeys(FileSystem& files, const std::string& directory, Findings* findings) {
  Finding finding{.check = "keys", .job = {}, .what = BaseName(directory)};
  if (!files.Exists(directory)) {
    finding.level = Level::kWarn;
    finding.what += ": not there yet";
    finding.advice = "the first vault makes it";
    return findings->Add(finding);
  }
  const auto is_private = files.IsPrivate(directory);
  const bool sound = is_private.ok() && *is_private;
  finding.what += sound ? ": for its owner alone" : ": others can read or change it";
  if (!is_private.ok()) finding.what = is_private.status().message();
  if (!sound) {
    finding.level = Level::kFail;
    finding.advice = "make it a directory of yours with mode 700";
  }
  findings->Add(finding);
}

void CheckVaults(const Platform& platform, const NightOptions& night, Findings* findings) {
  std::set<std::string> seen;
  for (const NightJob& job : night.jobs) {
    seen.insert(job.adaptation.vault);
    findings->Add(
        VaultFinding(platform, {job.adaptation.vault, job.adaptation.adapter}, job.policy.name));
  }
  if (!seen.contains(night.vault))
    findings->Add(VaultFinding(platform, {.directory = night.vault}, ""));
}

void CheckModels(const Platform& platform, const NightOptions& night, const DeviceFacts& facts,
                 Findings* findings) {
  std::map<std::pair<std::string, std::string>, CheckedModel> models;
  for (const NightJob& job : night.jobs) {
    const auto key = std::pair(job.adaptation.model, job.adaptation.open.tokenizer);
    if (!models.contains(key)) models[key] = OpenModel(platform, job.adaptation);
    const CheckedModel& model = models[key];
    findings->Add(ModelFinding(platform, job, model));
    if (!model.status.ok()) continue;
    findings->Add(MemoryFinding(platform, job, facts, *model.weights));
    if (job.adaptation.anchor.empty()) continue;
    findings->Add(AnchorFinding(*platform.files, job));
  }
}

}  // namespace attune
