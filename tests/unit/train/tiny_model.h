// A one-layer language model small enough for the reference backend, with the
// inputs and the output that the trainer expects.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/philox.h"
#include "compute/reference_backend.h"
#include "graph/builder.h"
#include "graph/lora.h"
#include "graph/memory_plan.h"
#include "train/trainer.h"

namespace attune::testing {

inline constexpr std::int64_t kVocabulary = 11;
inline constexpr std::int64_t kWidth = 8;

struct TinyModel {
  TinyModel() {
    Philox random(7);
    for (const auto& [name, shape] : Shapes()) {
      Tensor weight(DType::kF32, shape);
      for (float& x : weight.f32()) x = 0.5f * random.NextNormal();
      weights[name] = std::move(weight);
    }
  }

  static std::map<std::string, Shape> Shapes() {
    return {{"table.weight", {kVocabulary, kWidth}},
            {"q.weight", {kWidth, kWidth}},
            {"k.weight", {kWidth, kWidth}},
            {"v.weight", {kWidth, kWidth}},
            {"head.weight", {kVocabulary, kWidth}}};
  }

  // Every weight trainable when `full`, else a LoRA pair of rank 2 on q and v.
  static Result<Graph> Build(const BatchShape& shape, bool full, float dropout = 0) {
    Graph graph;
    GraphBuilder b(&graph);
    const Shape rows{shape.tokens()};
    const ValueId ids = graph.AddInput("ids", {DType::kI32, rows});
    // Declared although unused, as a model without positions would.
    graph.AddInput("positions", {DType::kI32, rows});
    const ValueId labels = graph.AddInput("labels", {DType::kI32, rows});
    const ValueId weights = graph.AddInput("weights", {DType::kF32, rows});
    std::map<std::string, ValueId> parameters;
    for (const auto& [name, size] : Shapes()) {
      parameters[name] = graph.AddParameter(name, {DType::kF32, size}, full);
    }
    AttentionAttrs attrs{.batch = shape.batch, .heads = 2, .kv_heads = 2, .head_dim = kWidth / 2};
    ValueId lo = kNoValue, hi = kNoValue;
    if (shape.packed) {
      attrs.mask = AttentionMask::kBounded;
      lo = graph.AddInput("lo", {DType::kI32, rows});
      hi = graph.AddInput("hi", {DType::kI32, rows});
    }
    const ValueId x = b.Embedding(parameters["table.weight"], ids);
    const ValueId q = b.Linear(x, parameters["q.weight"]);
    const ValueId k = b.Linear(x, parameters["k.weight"]);
    const ValueId v = b.Linear(x, parameters["v.weight"]);
    const ValueId h = b.Add(x, b.Attention(q, k, v, attrs, lo, hi));
    graph.AddOutput("loss", b.LinearCrossEntropy(h, parameters["head.weight"], labels, weights));
    ATTUNE_RETURN_IF_ERROR(b.status());
    if (!full) {
      LoraSpec spec{{{"q", 2, 2.0f}, {"v", 2, 2.0f}}, dropout};
      ATTUNE_RETURN_IF_ERROR(InjectLora(&graph, spec).status());
    }
    return graph;
  }

  // `frozen` lists all weights; a full graph reads none of them.
  TrainerParts Parts(Backend* backend, Parallel* parallel, Clock* clock, bool full = false,
                     float dropout = 0) const {
    TrainerParts parts{backend, parallel, clock, {}, {}};
    parts.build = [full, dropout](const BatchShape& shape) { return Build(shape, full, dropout); };
    for (const auto& [name, weight] : weights) parts.frozen[name] = weight.view();
    return parts;
  }

  void CopyWeightsTo(TrainingState* state) const {
    for (std::size_t i = 0; i < state->trainables().size(); ++i) {
      const auto it = weights.find(state->trainables()[i].name);
      if (it == weights.end()) continue;
      const auto from = it->second.f32();
      std::copy(from.begin(), from.end(), state->parameter(i).begin());
    }
  }

  std::map<std::string, Tensor> weights;
};

// Texts that repeat a pattern with a random start: learnable, of all lengths
// from 3 to 9.
inline std::vector<TrainingExample> PatternExamples(int count, std::uint64_t seed = 3) {
  Philox random(seed);
  std::vector<TrainingExample> examples;
  for (int i = 0; i < count; ++i) {
    TrainingExample example;
    auto id = static_cast<std::int32_t>(random.NextBelow(kVocabulary));
    const std::uint32_t length = 3 + random.NextBelow(7);
    for (std::uint32_t t = 0; t < length; ++t) {
      example.ids.push_back(id);
      id = (id * 3 + 1) % static_cast<std::int32_t>(kVocabulary);
    }
    examples.push_back(std::move(example));
  }
  return examples;
}

class StillClock final : public Clock {
 public:
  double MonotonicSeconds() override { return seconds += 0.25; }
  std::int64_t UnixSeconds() override { return 1'700'000'000; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double length) override { seconds += length; }
  double seconds = 0;
};

inline TrainConfig TinyConfig(std::int64_t steps) {
  TrainConfig config;
  config.sampler.batch = 2;
  config.sampler.lengths = {4, 8, 16};
  config.sampler.seed = 5;
  config.schedule.peak = 0.02;
  config.schedule.total_steps = steps;
  return config;
}

}  // namespace attune::testing
