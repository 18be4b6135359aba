#include "cli/options.h"

#include <CLI/CLI.hpp>

namespace attune {

void AddComputeOptions(CLI::App* app, ComputeOptions* options) {
  app->add_option("--precision", options->precision, "Operands of matrix products: f32 or bf16")
      ->check(CLI::IsMember({"f32", "bf16"}))
      ->capture_default_str();
  app->add_flag("--pack", options->pack,
                "Keep frozen weights in the matrix library's layout too: faster, more memory");
  app->add_option("--workers", options->workers, "Threads; 0: one a processor")
      ->check(CLI::Range(0, 256))
      ->capture_default_str();
}

void AddModelOptions(CLI::App* app, ModelOptions* options) {
  app->add_option("--model", options->model, "Hugging Face directory, or llama2.c .bin file")
      ->required();
  app->add_option("--tokenizer", options->tokenizer,
                  "Tokenizer file or directory; default: beside the model");
  app->add_option("--adapter", options->adapter, "PEFT directory to put on top of the model");
  app->add_option("--context", options->context, "Tokens that the model may look at")
      ->check(CLI::Range(std::int64_t{2}, std::int64_t{1} << 20))
      ->capture_default_str();
  AddComputeOptions(app, &options->compute);
}

Result<OpenedModel> OpenModel(const ModelOptions& options) {
  OpenedModel opened;
  opened.platform = std::make_unique<DefaultPlatform>(options.compute.workers);
  OpenOptions open;
  open.tokenizer = options.tokenizer;
  open.context_tokens = options.context;
  open.arithmetic = options.compute.arithmetic();
  open.pack_weights = options.compute.pack;
  ATTUNE_ASSIGN_OR_RETURN(opened.model,
                          LanguageModel::Open(opened.platform->get(), options.model, open));
  if (!options.adapter.empty()) {
    ATTUNE_RETURN_IF_ERROR(opened.model->LoadAdapter(options.adapter));
  }
  return opened;
}

}  // namespace attune
