// Options that several subcommands share.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "attune/language_model.h"
#include "platform/platform.h"

namespace CLI {
class App;
}

namespace attune {

// --precision, --pack, --workers.
struct ComputeOptions {
  std::string precision = "f32";
  bool pack = false;
  int workers = 0;

  Arithmetic arithmetic() const {
    return precision == "bf16" ? Arithmetic::kBf16 : Arithmetic::kF32;
  }
};
void AddComputeOptions(CLI::App* app, ComputeOptions* options);

// --model, --tokenizer, --adapter, --context, and those above.
struct ModelOptions {
  std::string model;
  std::string tokenizer;
  std::string adapter;
  std::int64_t context = OpenOptions{}.context_tokens;
  ComputeOptions compute;
};
void AddModelOptions(CLI::App* app, ModelOptions* options);

// A model ready to use, with the platform it runs on.
struct OpenedModel {
  std::unique_ptr<DefaultPlatform> platform;
  std::unique_ptr<LanguageModel> model;
};
Result<OpenedModel> OpenModel(const ModelOptions& options);

}  // namespace attune
