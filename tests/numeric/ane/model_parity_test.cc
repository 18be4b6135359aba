// Logits, loss and every gradient of real models on the simulated Neural Engine against
// the CPU: with the chip's arithmetic, and in f32, which tells errors of the compiler
// from those of the numerics.

#include <gtest/gtest.h>

#include <iostream>

#include "numeric/ane/parity_world.h"
#include "train/bucket_graph.h"

namespace attune::ane {
namespace {

using testing::Closeness;
using testing::Leaves;
using testing::Machines;
using testing::SideBySide;

struct Case {
  std::string name;
  std::string directory;  // Below the source tree.
  std::int64_t batch, length;
  bool exact;
};

class ModelParity : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    auto opened = LoadModel(files_, StrCat(ATTUNE_SOURCE_DIR, "/", GetParam().directory));
    ASSERT_OK(opened);
    model_ = *std::move(opened);
    ASSERT_NE(machines_.ane, nullptr);
  }

  // Cosine 0.999 of a tensor and a thousandth of the loss, or 1e-4 in f32.
  void ExpectClose(const std::map<std::string, Closeness>& outputs) {
    double worst = 1, furthest = 0;
    std::string worst_name;
    for (const auto& [name, close] : outputs) {
      if (!(close.cosine >= worst)) worst_name = name;
      worst = std::min(worst, close.cosine);
      furthest = std::max(furthest, close.relative);
      if (GetParam().exact) {
        EXPECT_LE(close.relative, 1e-4) << name;
      } else if (name == "loss") {
        EXPECT_LE(close.relative, 1e-3) << name;
      } else {
        EXPECT_GE(close.cosine, 0.999) << name << ", off by " << close.relative;
      }
    }
    std::cout << GetParam().name << ": " << outputs.size() << " tensors, cosine at least " << worst
              << " (" << worst_name << "), off by at most " << furthest << "\n";
  }

  std::int64_t tokens() const { return GetParam().batch * GetParam().length; }

  void FeedBatch(float loss_scale) {
    Philox random(3, 0);
    std::vector<std::int32_t> ids, labels, positions;
    std::vector<float> weights;
    for (std::int64_t i = 0; i < tokens(); ++i) {
      ids.push_back(static_cast<std::int32_t>(
          random.NextBelow(static_cast<std::uint32_t>(model_.config.vocabulary))));
      positions.push_back(static_cast<std::int32_t>(i % GetParam().length));
    }
    for (std::int64_t i = 0; i < tokens(); ++i) {
      const bool last = (i + 1) % GetParam().length == 0;
      labels.push_back(last ? 0 : ids[static_cast<std::size_t>(i + 1)]);
      weights.push_back(last ? 0.0f : 1.0f / static_cast<float>(tokens() - GetParam().batch));
    }
    leaves_.Feed("ids", ids);
    leaves_.Feed("labels", labels);
    leaves_.Feed("positions", positions);
    leaves_.Feed("weights", weights);
    leaves_.Feed(kLossSeedInput, std::vector<float>{loss_scale});
  }

  // A of PEFT's start and a B that is as far from 0 as a trained one.
  void MakeAdapter(Graph* graph, float dropout = 0) {
    LoraSpec spec;
    spec.dropout = dropout;
    for (const std::string& module : LinearModules(*graph)) spec.modules.push_back({module, 8, 2});
    auto branches = InjectLora(graph, spec);
    ASSERT_OK(branches);
    for (const LoraBranch& branch : *branches) {
      const Shape a = graph->shape(branch.a), b = graph->shape(branch.b);
      leaves_.Random(graph->value(branch.a).name, a, 1.0f / std::sqrt(static_cast<float>(a[1])));
      leaves_.Random(graph->value(branch.b).name, b, 0.02f);
    }
  }

  // Every second sequence holds two texts.
  void FeedBounds() {
    std::vector<std::int32_t> lo, hi;
    for (std::int64_t i = 0; i < tokens(); ++i) {
      const std::int64_t t = i % GetParam().length, half = GetParam().length / 2;
      const bool second = i / GetParam().length % 2 == 1 && t >= half;
      lo.push_back(static_cast<std::int32_t>(second ? half : 0));
      hi.push_back(static_cast<std::int32_t>(t + 1));
    }
    leaves_.Feed("lo", lo);
    leaves_.Feed("hi", hi);
  }

  // 1024 keeps the gradients above what half precision loses.
  float loss_scale() const { return GetParam().exact ? 1.0f : 1024.0f; }

  void RunTraining(Graph graph, const FrozenParameters& frozen, Machines& machines) {
    ASSERT_OK(MakeTrainingGraph(&graph));
    FeedBatch(loss_scale());
    SideBySide both;
    ASSERT_OK(both.Compile(machines, graph, frozen));
    ASSERT_OK(both.Run(leaves_));
    ASSERT_OK_AND_ASSIGN(const auto outputs, both.Outputs());
    ExpectClose(outputs);
    ExpectNothingIsMadeByAnotherRun(*both.ane, *machines.ane);
  }

  static void ExpectNothingIsMadeByAnotherRun(Executable& executable, AneBackend& backend) {
    const AneActivity before = backend.activity();
    EXPECT_GT(before.device.evaluations, 2) << "nothing but the canary ran on the device";
    ASSERT_OK(executable.Run());
    const AneActivity after = backend.activity();
    EXPECT_EQ(after.device.compiles, before.device.compiles);
    EXPECT_EQ(after.device.loads, before.device.loads);
    EXPECT_EQ(after.device.surfaces, before.device.surfaces);
    EXPECT_GT(after.device.evaluations, before.device.evaluations);
  }

  PosixFileSystem files_;
  LanguageModelWeights model_;
  Machines machines_{GetParam().exact};
  Leaves leaves_{5};
};

TEST_P(ModelParity, LossAndEveryGradientOfAnAdapter) {
  auto graph = BuildLossGraph(model_.config, model_.views,
                              {.batch = GetParam().batch, .length = GetParam().length});
  ASSERT_OK(graph);
  MakeAdapter(&*graph);
  RunTraining(*std::move(graph), model_.views, machines_);
}

TEST_P(ModelParity, LossAndEveryGradientOfAllWeights) {
  auto graph =
      BuildLossGraph(model_.config, model_.views,
                     {.batch = GetParam().batch, .length = GetParam().length, .trainable = true});
  ASSERT_OK(graph);
  for (const auto& [name, view] : model_.views) leaves_.Set(name, view);
  RunTraining(*std::move(graph), {}, machines_);
}

// Several texts in a row, and dropout that keeps the same elements on both.
TEST_P(ModelParity, PackedRowsWithDropout) {
  auto graph =
      BuildLossGraph(model_.config, model_.views,
                     {.batch = GetParam().batch, .length = GetParam().length, .packed = true});
  ASSERT_OK(graph);
  MakeAdapter(&*graph, /*dropout=*/0.2f);
  FeedBounds();
  leaves_.Feed("dropout_seed", std::vector<std::int32_t>{12, 34});
  RunTraining(*std::move(graph), model_.views, machines_);
}

TEST_P(ModelParity, TheHeadOnTheDeviceAndOnTheHost) {
  for (const HeadPlacement head : {HeadPlacement::kDevice, HeadPlacement::kHost}) {
    Machines machines(GetParam().exact, {.head = head});
    auto graph = BuildLossGraph(model_.config, model_.views,
                                {.batch = GetParam().batch, .length = GetParam().length});
    ASSERT_OK(graph);
    MakeAdapter(&*graph);
    RunTraining(*std::move(graph), model_.views, machines);
  }
}

// Forward values that do not fit are computed again, and nothing else changes.
TEST_P(ModelParity, WithRoomForNoForwardValue) {
  auto graph = BuildLossGraph(model_.config, model_.views,
                              {.batch = GetParam().batch, .length = GetParam().length});
  ASSERT_OK(graph);
  MakeAdapter(&*graph);
  ASSERT_OK(MakeTrainingGraph(&*graph));
  FeedBatch(loss_scale());
  CompilerOptions options;
  options.target = machines_.device->target();
  options.element = machines_.device->element();
  options.max_surface_bytes = 1;
  ASSERT_OK_AND_ASSIGN(const Plan plan, Compile(*graph, model_.views, options));
  EXPECT_GT(plan.recomputed, 0);
  EXPECT_GT(plan.graph.values().size(), graph->values().size());

  Machines narrow(GetParam().exact, {.max_surface_bytes = options.max_surface_bytes});
  SideBySide all, limited;
  ASSERT_OK(all.Compile(machines_, *graph, model_.views));
  ASSERT_OK(limited.Compile(narrow, *graph, model_.views));
  EXPECT_LT(limited.ane->memory().arena_bytes, all.ane->memory().arena_bytes);
  ASSERT_OK(all.Run(leaves_));
  ASSERT_OK(limited.Run(leaves_));
  for (const NamedValue& output : graph->outputs()) {
    ASSERT_OK_AND_ASSIGN(const TensorView want, all.ane->Output(output.name));
    ASSERT_OK_AND_ASSIGN(const TensorView got, limited.ane->Output(output.name));
    EXPECT_EQ(testing::Compare(got.f32(), want.f32()).relative, 0) << output.name;
  }
  ASSERT_OK_AND_ASSIGN(const auto found, limited.ane->FindNonFinite());
  EXPECT_FALSE(found.has_value()) << *found;
}

TEST_P(ModelParity, LossWithoutGradients) {
  auto graph = BuildLossGraph(model_.config, model_.views,
                              {.batch = GetParam().batch, .length = GetParam().length});
  ASSERT_OK(graph);
  MakeAdapter(&*graph);
  Optimize(&*graph);
  FeedBatch(1);
  SideBySide both;
  // The seed of the gradient is no input here.
  Leaves leaves = std::move(leaves_);
  leaves.Drop(kLossSeedInput);
  ASSERT_OK(both.Compile(machines_, *graph, model_.views));
  ASSERT_OK(both.Run(leaves));
  ASSERT_OK_AND_ASSIGN(const auto outputs, both.Outputs());
  ExpectClose(outputs);
}

TEST_P(ModelParity, LogitsOfAPromptAndOfTokensAfterIt) {
  const std::int64_t prompt = GetParam().length, capacity = prompt + 8;
  Leaves& leaves = leaves_;
  const std::int64_t width = model_.config.kv_heads * model_.config.head_dim;
  for (std::int64_t layer = 0; layer < model_.config.layers; ++layer) {
    for (const char which : {'k', 'v'}) {
      leaves.Set(CacheName(layer, which), Tensor(DType::kF32, {capacity, width}).view());
    }
  }
  std::int64_t at = 0;
  for (const std::int64_t tokens : {prompt - 4, std::int64_t{1}, std::int64_t{3}}) {
    auto graph =
        BuildLogitsGraph(model_.config, model_.views, {.tokens = tokens, .capacity = capacity});
    ASSERT_OK(graph);
    if (at == 0) {
      MakeAdapter(&*graph);
    } else {
      LoraSpec spec;
      for (const std::string& module : LinearModules(*graph))
        spec.modules.push_back({module, 8, 2});
      ASSERT_OK(InjectLora(&*graph, spec));
    }
    Optimize(&*graph);
    std::vector<std::int32_t> ids, positions, lo, hi;
    for (std::int64_t t = 0; t < tokens; ++t) {
      ids.push_back(static_cast<std::int32_t>((7 * (at + t) + 3) % model_.config.vocabulary));
      positions.push_back(static_cast<std::int32_t>(at + t));
      lo.push_back(0);
      hi.push_back(static_cast<std::int32_t>(at + t + 1));
    }
    leaves.Feed("ids", ids);
    leaves.Feed("positions", positions);
    leaves.Feed("lo", lo);
    leaves.Feed("hi", hi);
    leaves.Feed("cache_position", std::vector<std::int32_t>{static_cast<std::int32_t>(at)});
    leaves.Feed("last", std::vector<std::int32_t>{static_cast<std::int32_t>(tokens - 1)});
    SideBySide both;
    ASSERT_OK(both.Compile(machines_, *graph, model_.views));
    ASSERT_OK(both.Run(leaves));
    ASSERT_OK_AND_ASSIGN(const auto outputs, both.Outputs());
    ExpectClose(outputs);
    // The next tokens go on from the CPU's caches.
    for (auto& [name, tensor] : both.cpu_storage) {
      if (name.starts_with("cache.")) leaves.Set(name, tensor.view());
    }
    at += tokens;
  }
}

std::vector<Case> Cases() {
  std::vector<Case> cases;
  for (const bool exact : {true, false}) {
    for (const char* name : {"gpt2", "llama", "llama-tied", "qwen2", "qwen3"}) {
      std::string label = StrCat(name, exact ? "_exact" : "_m4");
      std::replace(label.begin(), label.end(), '-', '_');
      cases.push_back({label, StrCat("tests/golden/models/", name), 2, 12, exact});
    }
    cases.push_back(
        {exact ? "keyboard_exact" : "keyboard_m4", "samples/keyboard/base", 2, 32, exact});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(All, ModelParity, ::testing::ValuesIn(Cases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace attune::ane
