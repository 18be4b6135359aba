#include "cli/ane_model.h"

#include <CLI/CLI.hpp>
#include <utility>

#include "base/strings.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"
#include "session/training_setup.h"
#include "train/bucket_graph.h"

namespace attune {
namespace {

struct NamedShape {
  const char* name;
  DecoderFamily family;
  std::int64_t layers, hidden, heads, kv_heads, intermediate, vocabulary, positions;
};

// The sizes that were published with the models. What is called 82M elsewhere is a
// Llama of eight layers with six wide heads.
constexpr NamedShape kShapes[] = {
    {"stories260k", DecoderFamily::kLlama, 5, 64, 8, 4, 172, 512, 512},
    {"stories15m", DecoderFamily::kLlama, 6, 288, 6, 6, 768, 32000, 256},
    {"stories110m", DecoderFamily::kLlama, 12, 768, 12, 12, 2048, 32000, 1024},
    {"gpt2-124m", DecoderFamily::kGpt2, 12, 768, 12, 12, 3072, 50257, 1024},
    {"llama-82m", DecoderFamily::kLlama, 8, 768, 6, 6, 2048, 32000, 1024},
};

DecoderConfig ConfigOf(const NamedShape& shape) {
  DecoderConfig config;
  config.family = shape.family;
  config.layers = shape.layers;
  config.hidden = shape.hidden;
  config.heads = shape.heads;
  config.kv_heads = shape.kv_heads;
  config.head_dim = shape.hidden / shape.heads;
  config.intermediate = shape.intermediate;
  config.vocabulary = shape.vocabulary;
  config.max_positions = shape.positions;
  config.tied_embeddings = true;
  if (shape.family == DecoderFamily::kGpt2) {
    config.activation = Activation::kGeluTanh;
    config.qkv_bias = config.output_bias = config.mlp_bias = true;
  }
  return config;
}

LanguageModelWeights RandomModel(const DecoderConfig& config) {
  LanguageModelWeights base;
  base.config = config;
  for (auto& [name, tensor] : InitialWeights(config, /*seed=*/1)) {
    base.parameters += tensor.shape().elements();
    base.copied_bytes += tensor.bytes();
    base.copies.push_back(std::move(tensor));
    base.views[name] = base.copies.back().view();
  }
  return base;
}

Result<LoraSpec> LoraOf(const LanguageModelWeights& base, const AneModelOptions& options) {
  TrainingOptions training;
  training.rank = options.rank;
  training.alpha = options.alpha;
  if (options.targets != std::vector<std::string>{"all-linear"}) training.targets = options.targets;
  ATTUNE_RETURN_IF_ERROR(CheckOptions(training));
  return LoraSpecOf(base, PeftConfigOf(training, base.config));
}

Result<Graph> InferenceGraph(const LanguageModelWeights& base, const AneModelOptions& options) {
  const std::int64_t tokens = options.decode ? 1 : options.prefill;
  if (tokens > options.context || options.context > base.config.max_positions) {
    return InvalidArgument(StrCat(tokens, " tokens into caches of ", options.context,
                                  " rows, of a model that allows ", base.config.max_positions));
  }
  ATTUNE_ASSIGN_OR_RETURN(
      Graph graph,
      BuildLogitsGraph(base.config, base.views, {.tokens = tokens, .capacity = options.context}));
  Optimize(&graph);
  return graph;
}

}  // namespace

Result<DecoderConfig> ShapeNamed(const std::string& name) {
  std::string known;
  for (const NamedShape& shape : kShapes) {
    if (name == shape.name) return ConfigOf(shape);
    known += StrCat(known.empty() ? "" : ", ", shape.name);
  }
  return InvalidArgument(StrCat("shape \"", name, "\" is not one of ", known));
}

Result<LanguageModelWeights> OpenAneModel(FileSystem& files, const AneModelOptions& options) {
  if (!options.model.empty()) return LoadModel(files, options.model);
  ATTUNE_ASSIGN_OR_RETURN(const DecoderConfig config, ShapeNamed(options.shape));
  return RandomModel(config);
}

std::string DescribeRun(const AneModelOptions& options) {
  if (options.decode) return StrCat("decoding a token over ", options.context, " rows");
  if (options.prefill > 0) {
    return StrCat("prefill of ", options.prefill, " tokens, ", options.context, " rows");
  }
  const std::string tokens = StrCat(options.batch, " x ", options.sequence, " tokens");
  return options.full ? StrCat("full training step, ", tokens)
                      : StrCat("LoRA step, rank ", options.rank, ", ", tokens);
}

Result<Graph> BuildAneGraph(const LanguageModelWeights& base, const AneModelOptions& options) {
  if (!options.training()) return InferenceGraph(base, options);
  if (options.sequence > base.config.max_positions) {
    return InvalidArgument(StrCat("sequences of ", options.sequence, " tokens, the model allows ",
                                  base.config.max_positions));
  }
  LossGraphOptions shape;
  shape.batch = options.batch;
  shape.length = options.sequence;
  shape.trainable = options.full;
  ATTUNE_ASSIGN_OR_RETURN(Graph graph, BuildLossGraph(base.config, base.views, shape));
  if (!options.full) {
    ATTUNE_ASSIGN_OR_RETURN(const LoraSpec lora, LoraOf(base, options));
    ATTUNE_RETURN_IF_ERROR(InjectLora(&graph, lora).status());
  }
  ATTUNE_RETURN_IF_ERROR(MakeTrainingGraph(&graph));
  return graph;
}

void AddAneModelOptions(CLI::App* app, AneModelOptions* options) {
  CLI::Option* model =
      app->add_option("--model", options->model, "Hugging Face directory, or llama2.c .bin file");
  app->add_option("--shape", options->shape,
                  "Random weights instead: stories260k, stories15m, stories110m, gpt2-124m, "
                  "llama-82m")
      ->excludes(model);
  CLI::Option* full = app->add_flag("--full", options->full, "Train all weights");
  CLI::Option* prefill = app->add_option("--prefill", options->prefill, "Tokens into the caches")
                             ->check(CLI::Range(1, 512))
                             ->excludes(full);
  app->add_flag("--decode", options->decode, "One token after those in the caches")
      ->excludes(full)
      ->excludes(prefill);
  app->add_option("--rank", options->rank, "Of the adapter")->capture_default_str();
  app->add_option("--alpha", options->alpha)->capture_default_str();
  app->add_option("--targets", options->targets, "Modules; default: all-linear")->delimiter(',');
  app->add_option("--batch", options->batch, "Sequences")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  app->add_option("--seq", options->sequence, "Tokens of a sequence")
      ->check(CLI::Range(2, 1 << 16))
      ->capture_default_str();
  app->add_option("--context", options->context, "Rows of the caches")->capture_default_str();
}

}  // namespace attune
