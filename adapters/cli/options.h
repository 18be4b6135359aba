// Options that several subcommands share.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attune/adaptation.h"
#include "attune/language_model.h"
#include "cli/vault_flags.h"
#include "platform/platform.h"

namespace CLI {
class App;
}

namespace attune {

// --device, --precision, --pack, --workers.
struct ComputeOptions {
  std::string device = "cpu";
  std::string precision = "f32";
  bool pack = false;
  int workers = 0;

  Arithmetic arithmetic() const {
    return precision == "bf16" ? Arithmetic::kBf16 : Arithmetic::kF32;
  }
  PlatformOptions platform() const;
};
void AddComputeOptions(CLI::App* app, ComputeOptions* options);

// The platform that computes so, without keys. What is not as it was asked for is said
// on stderr.
Result<std::unique_ptr<DefaultPlatform>> OpenPlatform(const ComputeOptions& options);

// --model, --tokenizer, --adapter, --vault and what belongs to it, --context, and
// those above.
struct ModelOptions {
  std::string model;
  std::string tokenizer;
  std::string adapter;  // PEFT directory. Instead of it:
  VaultFlags vault;
  std::int64_t context = OpenOptions{}.context_tokens;
  ComputeOptions compute;
};
void AddModelOptions(CLI::App* app, ModelOptions* options);

// A model ready to use, with the platform it runs on: bare, with the adapter of a
// PEFT directory, or with the one that a vault serves.
class OpenedModel {
 public:
  static Result<OpenedModel> Open(const ModelOptions& options);

  const Platform& platform() const { return platform_->get(); }
  Result<Generated> Generate(std::string_view prompt, const GenerateOptions& options,
                             const std::function<bool(std::string_view)>& on_piece);
  Result<Score> ScoreText(std::string_view text);
  Result<std::vector<WordSuggestion>> SuggestWords(std::string_view prefix, std::size_t count);

 private:
  Status OpenPlain(const ModelOptions& options, const OpenOptions& open);
  Status OpenVault(const ModelOptions& options, const OpenOptions& open);

  std::unique_ptr<DefaultPlatform> platform_;
  // One or the other.
  std::unique_ptr<LanguageModel> model_;
  std::unique_ptr<Adaptation> adaptation_;
};

}  // namespace attune
