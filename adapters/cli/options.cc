#include "cli/options.h"

#include <CLI/CLI.hpp>

#include "base/strings.h"
#include "cli/platform_note.h"
#include "platform/device_choice.h"

namespace attune {
namespace {

// Says what is allowed and not what was typed: it may have been meant for another option.
std::string CheckDevice(const std::string& name) {
  if (ParseDeviceChoice(name).ok()) return "";
  std::string chips;
  for (const ane::Chip chip : ane::AllChips()) {
    chips += StrCat(chips.empty() ? "" : ", ", ane::ChipName(chip));
  }
  return StrCat("must be cpu, ane, or ane-sim[:CHIP][:exact], CHIP of ", chips);
}

}  // namespace

void AddComputeOptions(CLI::App* app, ComputeOptions* options) {
  app->add_option("--device", options->device,
                  "What computes: cpu, ane (the Neural Engine), or a simulated one: "
                  "ane-sim[:CHIP][:exact]")
      ->check(CheckDevice)
      ->capture_default_str();
  app->add_option("--precision", options->precision, "Operands of matrix products: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app->add_flag("--pack", options->pack,
                "Keep frozen weights in the matrix library's layout too: faster, more memory");
  app->add_option("--workers", options->workers, "Threads; 0: one a processor")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
}

PlatformOptions ComputeOptions::platform() const {
  PlatformOptions options;
  options.workers = workers;
  options.device = device;
  return options;
}

Result<std::unique_ptr<DefaultPlatform>> OpenPlatform(const ComputeOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto platform, DefaultPlatform::WithoutKeys(options.platform()));
  PrintNote(*platform);
  return platform;
}

void AddModelOptions(CLI::App* app, ModelOptions* options) {
  app->add_option("--model", options->model, "Hugging Face directory, or llama2.c .bin file")
      ->required();
  app->add_option("--tokenizer", options->tokenizer,
                  "Tokenizer file or directory; default: beside the model");
  CLI::Option* adapter =
      app->add_option("--adapter", options->adapter, "PEFT directory to put on top of the model");
  AddVaultFlags(app, &options->vault)->excludes(adapter);
  app->add_option("--context", options->context, "Tokens that the model may look at")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1} << 20))
      ->capture_default_str();
  AddComputeOptions(app, &options->compute);
}

Result<OpenedModel> OpenedModel::Open(const ModelOptions& options) {
  OpenOptions open;
  open.tokenizer = options.tokenizer;
  open.context_tokens = options.context;
  open.arithmetic = options.compute.arithmetic();
  open.pack_weights = options.compute.pack;
  OpenedModel opened;
  ATTUNE_RETURN_IF_ERROR(options.vault.directory.empty() ? opened.OpenPlain(options, open)
                                                         : opened.OpenVault(options, open));
  return opened;
}

Status OpenedModel::OpenPlain(const ModelOptions& options, const OpenOptions& open) {
  ATTUNE_ASSIGN_OR_RETURN(platform_, OpenPlatform(options.compute));
  ATTUNE_ASSIGN_OR_RETURN(model_, LanguageModel::Open(platform_->get(), options.model, open));
  return options.adapter.empty() ? OkStatus() : model_->LoadAdapter(options.adapter);
}

Status OpenedModel::OpenVault(const ModelOptions& options, const OpenOptions& open) {
  ATTUNE_ASSIGN_OR_RETURN(platform_, OpenVaultPlatform(options.vault, options.compute.platform()));
  AdaptationOptions adaptation = options.vault.without_model();
  adaptation.model = options.model;
  adaptation.open = open;
  ATTUNE_ASSIGN_OR_RETURN(adaptation_, Adaptation::Open(platform_->get(), adaptation));
  return OkStatus();
}

Result<Generated> OpenedModel::Generate(std::string_view prompt, const GenerateOptions& options,
                                        const std::function<bool(std::string_view)>& on_piece) {
  return adaptation_ ? adaptation_->Generate(prompt, options, on_piece)
                     : model_->Generate(prompt, options, on_piece);
}

Result<Score> OpenedModel::ScoreText(std::string_view text) {
  return adaptation_ ? adaptation_->ScoreText(text) : model_->ScoreText(text);
}

Result<std::vector<WordSuggestion>> OpenedModel::SuggestWords(std::string_view prefix,
                                                              std::size_t count) {
  return adaptation_ ? adaptation_->SuggestWords(prefix, count)
                     : model_->SuggestWords(prefix, count);
}

}  // namespace attune
