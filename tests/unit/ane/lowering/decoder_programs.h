// Decoders small enough for the reference, with feeds for every leaf: loss graphs with
// gradients as the trainer makes them, and the graphs of generation.

#pragma once

#include <cmath>
#include <set>
#include <string>

#include "base/philox.h"
#include "base/strings.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "models/decoder.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"
#include "train/bucket_graph.h"

namespace attune::ane::testing {

using attune::testing::OpProgram;

enum class Training { kEvaluate, kLora, kFull };

struct DecoderShape {
  DecoderConfig config;
  std::int64_t batch = 1, length = 8, rank = 4;
  bool packed = false;
  Training training = Training::kLora;
  float dropout = 0;
};

inline DecoderConfig TinyDecoder(DecoderFamily family) {
  DecoderConfig config;
  config.family = family;
  config.vocabulary = 67;
  config.hidden = 24;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = family == DecoderFamily::kGpt2 ? 4 : 2;
  config.head_dim = 6;
  config.intermediate = 40;
  config.max_positions = 64;
  config.tied_embeddings = true;
  if (family == DecoderFamily::kGpt2) {
    config.activation = Activation::kGeluTanh;
    config.qkv_bias = config.output_bias = config.mlp_bias = true;
  }
  config.qkv_bias |= family == DecoderFamily::kQwen2;
  config.qk_norm = family == DecoderFamily::kQwen3;
  return config;
}

// The default initialisation is too tame to tell a wrong term from a small one.
inline std::map<std::string, Tensor> LivelyWeights(const DecoderConfig& config,
                                                   std::uint64_t seed) {
  auto weights = InitialWeights(config, seed);
  Philox random(seed, 3);
  for (auto& [name, tensor] : weights) {
    const bool vector = tensor.shape().rank() == 1;
    for (float& x : tensor.f32()) x = vector ? x + 0.3f * random.NextNormal() : 8.0f * x;
  }
  return weights;
}

class DecoderFeeds {
 public:
  DecoderFeeds(OpProgram* program, std::uint64_t seed) : program_(program), random_(seed, 5) {}

  // Weights by name, low-rank factors and whatever else is float at random.
  void Leaves(const std::map<std::string, Tensor>& weights) {
    for (const Value& value : program_->graph.values()) {
      if (value.leaf != Leaf::kParameter) continue;
      std::vector<double>& data = program_->feeds[value.name];
      const auto known = weights.find(value.name);
      for (std::int64_t i = 0; i < value.type.shape.elements(); ++i) {
        data.push_back(known != weights.end()
                           ? static_cast<double>(known->second.f32()[static_cast<std::size_t>(i)])
                           : 0.2 * random_.NextNormal());
      }
    }
  }

  void Ints(const std::string& name, std::vector<double> values) {
    if (program_->graph.FindLeaf(name)) program_->feeds[name] = std::move(values);
  }
  std::vector<double> Draw(std::int64_t count, std::int64_t limit) {
    std::vector<double> values;
    for (std::int64_t i = 0; i < count; ++i) {
      values.push_back(random_.NextBelow(static_cast<std::uint32_t>(limit)));
    }
    return values;
  }

 private:
  OpProgram* program_;
  Philox random_;
};

// A row's neighbours of its own text; the last row of each sequence sees nothing.
inline void FeedPacked(DecoderFeeds* feeds, std::int64_t batch, std::int64_t length) {
  std::vector<double> lo, hi;
  for (std::int64_t row = 0; row < batch * length; ++row) {
    const std::int64_t t = row % length, begin = t < length / 2 ? 0 : length / 2;
    const bool nothing = length > 2 && t + 1 == length;
    lo.push_back(static_cast<double>(nothing ? 0 : begin));
    hi.push_back(static_cast<double>(nothing ? 0 : t + 1));
  }
  feeds->Ints("lo", lo);
  feeds->Ints("hi", hi);
}

// Outputs "loss" and, unless evaluating, "grad.<parameter>"; optimised.
inline OpProgram LossProgram(const DecoderShape& shape, std::uint64_t seed) {
  const auto weights = LivelyWeights(shape.config, seed);
  WeightViews views;
  for (const auto& [name, tensor] : weights) views[name] = tensor.view();
  OpProgram program;
  auto graph = BuildLossGraph(shape.config, views,
                              {.batch = shape.batch,
                               .length = shape.length,
                               .packed = shape.packed,
                               .trainable = shape.training == Training::kFull});
  ATTUNE_CHECK(graph.ok());
  program.graph = *std::move(graph);
  if (shape.training != Training::kFull) {
    LoraSpec spec;
    for (const std::string& module : LinearModules(program.graph)) {
      spec.modules.push_back({module, shape.rank, 2.0f});
    }
    spec.dropout = shape.dropout;
    ATTUNE_CHECK(InjectLora(&program.graph, spec).ok());
  }
  if (shape.training == Training::kEvaluate) {
    Optimize(&program.graph);
  } else {
    ATTUNE_CHECK(MakeTrainingGraph(&program.graph).ok());
  }
  DecoderFeeds feeds(&program, seed);
  feeds.Leaves(weights);
  const std::int64_t rows = shape.batch * shape.length;
  feeds.Ints("ids", feeds.Draw(rows, shape.config.vocabulary));
  feeds.Ints("positions", feeds.Draw(rows, shape.length));
  feeds.Ints("labels", feeds.Draw(rows, shape.config.vocabulary));
  std::vector<double> row_weights = feeds.Draw(rows, 4);
  row_weights[0] = 1;
  feeds.Ints("weights", row_weights);
  feeds.Ints("loss_seed", {2});
  feeds.Ints("dropout_seed", {3, 4});
  if (shape.packed) FeedPacked(&feeds, shape.batch, shape.length);
  return program;
}

// `tokens` after `done` in the caches.
inline OpProgram LogitsProgram(const DecoderConfig& config, std::int64_t tokens, std::int64_t done,
                               std::uint64_t seed) {
  const auto weights = LivelyWeights(config, seed);
  WeightViews views;
  for (const auto& [name, tensor] : weights) views[name] = tensor.view();
  OpProgram program;
  auto graph = BuildLogitsGraph(config, views, {.tokens = tokens, .capacity = done + tokens + 3});
  ATTUNE_CHECK(graph.ok());
  program.graph = *std::move(graph);
  Optimize(&program.graph);
  DecoderFeeds feeds(&program, seed);
  feeds.Leaves(weights);
  for (const Value& value : program.graph.values()) {
    if (value.leaf != Leaf::kInput || value.type.dtype != DType::kF32) continue;
    for (double x : feeds.Draw(value.type.shape.elements(), 1000)) {
      program.feeds[value.name].push_back(x / 1000 - 0.5);
    }
  }
  std::vector<double> positions, hi;
  for (std::int64_t t = 0; t < tokens; ++t) {
    positions.push_back(static_cast<double>(done + t));
    hi.push_back(static_cast<double>(done + t + 1));
  }
  feeds.Ints("ids", feeds.Draw(tokens, config.vocabulary));
  feeds.Ints("positions", positions);
  feeds.Ints("lo", std::vector<double>(static_cast<std::size_t>(tokens), 0.0));
  feeds.Ints("hi", hi);
  feeds.Ints("cache_position", {static_cast<double>(done)});
  feeds.Ints("last", {static_cast<double>(tokens - 1)});
  return program;
}

}  // namespace attune::ane::testing
