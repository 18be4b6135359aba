// The step of training taken apart, against the trainer that has it in one piece.

#include "attune/engine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "models/weights.h"
#include "session/training_setup.h"
#include "support/adaptation_world.h"
#include "support/status_matchers.h"
#include "train/trainer.h"

namespace attune {
namespace {

constexpr std::int64_t kLength = 32, kRank = 4;

std::vector<std::int32_t> Row(std::int32_t first, std::int32_t stride, std::int32_t tokens) {
  std::vector<std::int32_t> row;
  for (std::int32_t t = 0; t < tokens; ++t) row.push_back(1 + (first + t * stride) % 255);
  return row;
}

// Multiplies nothing, but says that it is narrow; when told, the first gradient is not
// finite.
class NarrowBackend final : public Backend {
 public:
  explicit NarrowBackend(Backend* backend) : backend_(*backend) {}
  bool overflows = false;

  std::string_view name() const override { return "narrow"; }
  bool half_precision() const override { return true; }
  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    ATTUNE_ASSIGN_OR_RETURN(auto executable, backend_.Compile(graph, frozen, options));
    return std::unique_ptr<Executable>(
        std::make_unique<NarrowExecutable>(*this, std::move(executable)));
  }
  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    return backend_.PredictMemory(graph, frozen, options);
  }

 private:
  class NarrowExecutable final : public Executable {
   public:
    NarrowExecutable(const NarrowBackend& backend, std::unique_ptr<Executable> executable)
        : backend_(backend), executable_(std::move(executable)) {}
    Result<std::span<std::byte>> Input(std::string_view name) override {
      return executable_->Input(name);
    }
    Status Bind(std::string_view name, std::span<std::byte> storage) override {
      return executable_->Bind(name, storage);
    }
    Result<TensorView> Output(std::string_view name) override {
      ATTUNE_ASSIGN_OR_RETURN(const TensorView view, executable_->Output(name));
      if (!backend_.overflows || !name.starts_with("grad.")) return view;
      copy_ = ToF32(view);
      copy_.f32()[0] = std::numeric_limits<float>::infinity();
      return copy_.view();
    }
    Status Run() override { return executable_->Run(); }
    Result<std::optional<std::string>> FindNonFinite() override {
      return executable_->FindNonFinite();
    }
    const MemoryReport& memory() const override { return executable_->memory(); }

   private:
    const NarrowBackend& backend_;
    std::unique_ptr<Executable> executable_;
    Tensor copy_;
  };

  Backend& backend_;
};

class EngineTest : public ::testing::Test {
 protected:
  std::unique_ptr<engine::Model> Load(const engine::LoadOptions& options = {.rank = kRank}) {
    auto model = engine::Model::Load(world_.platform(), "base", options);
    EXPECT_OK(model);
    return model.ok() ? *std::move(model) : nullptr;
  }

  // Two rows a batch, each of kLength tokens and the one that follows.
  static std::vector<std::vector<std::int32_t>> Rows() {
    std::vector<std::vector<std::int32_t>> rows;
    for (std::int32_t i = 0; i < 6; ++i) rows.push_back(Row(10 * i, 1 + i % 3, kLength + 1));
    return rows;
  }
  static std::vector<engine::Batch> Batches() {
    const auto rows = Rows();
    std::vector<engine::Batch> batches;
    for (std::size_t i = 0; i < rows.size(); i += 2) {
      batches.push_back(engine::Batch::NextToken({rows[i], rows[i + 1]}));
    }
    return batches;
  }

  // Three steps of the trainer on the same batches.
  void TrainWith(const OptimizerConfig& optimizer, double rate, double clip_norm, bool full,
                 std::vector<StepReport>* reports, std::string* bytes) {
    ASSERT_OK_AND_ASSIGN(const LanguageModelWeights base, LoadModel(world_.files(), "base"));
    TrainingOptions options;
    options.rank = kRank;
    LoraSpec lora;
    if (!full) {
      ASSERT_OK_AND_ASSIGN(lora, LoraSpecOf(base, PeftConfigOf(options, base.config)));
    }
    TrainConfig config;
    config.sampler = {2, {kLength}, /*packed=*/false, /*shuffle=*/false, 0};
    config.optimizer = optimizer;
    config.clip_norm = clip_norm;
    config.schedule.peak = rate;
    config.schedule.decay = Decay::kConstant;
    config.schedule.total_steps = 3;
    std::vector<TrainingExample> examples;
    for (auto& row : Rows()) examples.push_back({std::move(row)});
    ASSERT_OK_AND_ASSIGN(const auto trainer, Trainer::Create(PartsOf(world_.platform(), base, lora),
                                                             config, std::move(examples)));
    InitializeParameters(base, 0, &trainer->state());
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(const StepReport report, trainer->Step());
      reports->push_back(report);
    }
    for (std::size_t i = 0; i < trainer->state().trainables().size(); ++i) {
      Append(trainer->state().parameter(i), bytes);
    }
  }

  static void Append(std::span<const float> values, std::string* bytes) {
    const auto raw = std::as_bytes(values);
    bytes->append(reinterpret_cast<const char*>(raw.data()), raw.size());
  }
  static std::string Bytes(const engine::Model& model) {
    std::string bytes;
    for (const engine::Parameter& parameter : model.parameters()) Append(parameter.data, &bytes);
    return bytes;
  }

  template <typename Optimizer>
  static void Train(engine::Model* model, Optimizer& optimizer,
                    const std::vector<StepReport>& reports) {
    const auto batches = Batches();
    for (std::size_t i = 0; i < reports.size(); ++i) {
      ASSERT_OK_AND_ASSIGN(engine::Loss loss, model->Forward(batches[i]));
      EXPECT_EQ(loss.value(), reports[i].loss);
      EXPECT_EQ(loss.labels(), reports[i].labels);
      ASSERT_OK(loss.Backward());
      ASSERT_OK_AND_ASSIGN(const engine::StepResult step, optimizer.Step());
      EXPECT_EQ(step.gradient_norm, reports[i].gradient_norm);
      EXPECT_FALSE(step.skipped);
      optimizer.ZeroGrad();
    }
  }

  testing::AdaptationWorld world_;
};

TEST_F(EngineTest, AdamWStepsAreTheTrainersBitForBit) {
  for (const bool full : {false, true}) {
    SCOPED_TRACE(full ? "every weight" : "adapter");
    std::vector<StepReport> reports;
    std::string wanted;
    TrainWith({.weight_decay = 0.01}, 1e-2, /*clip_norm=*/0.5, full, &reports, &wanted);
    const auto model = Load({.full = full, .rank = kRank});
    engine::AdamW optimizer(model.get(), {.learning_rate = 1e-2, .clip_norm = 0.5});
    Train(model.get(), optimizer, reports);
    EXPECT_EQ(Bytes(*model) == wanted, true);
    EXPECT_EQ(model->compiled_programs(), 1);
  }
}

TEST_F(EngineTest, SgdStepsAreTheTrainersBitForBit) {
  for (const double momentum : {0.0, 0.9}) {
    std::vector<StepReport> reports;
    std::string wanted;
    TrainWith({.kind = OptimizerKind::kSgd, .momentum = momentum}, 0.1, 0, false, &reports,
              &wanted);
    const auto model = Load();
    engine::Sgd optimizer(model.get(), {.learning_rate = 0.1, .momentum = momentum});
    Train(model.get(), optimizer, reports);
    EXPECT_EQ(Bytes(*model) == wanted, true) << momentum;
  }
}

TEST_F(EngineTest, GradientsAddUpUntilTheyAreCleared) {
  const auto model = Load();
  const auto batches = Batches();
  const auto gradient = [&] { return model->parameters()[1].gradient; };
  const auto run = [&](const engine::Batch& batch) {
    auto loss = model->Forward(batch);
    ASSERT_OK(loss);
    ASSERT_OK(loss->Backward());
  };
  run(batches[0]);
  const std::vector<float> one(gradient().begin(), gradient().end());
  model->ZeroGrad();
  run(batches[1]);
  const std::vector<float> two(gradient().begin(), gradient().end());
  EXPECT_NE(one, two);
  run(batches[0]);
  double largest = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    ASSERT_EQ(gradient()[i], two[i] + one[i]);
    largest = std::max(largest, std::abs(double{one[i]}));
  }
  EXPECT_GT(largest, 0);
  model->ZeroGrad();
  for (const engine::Parameter& parameter : model->parameters()) {
    for (const float value : parameter.gradient) ASSERT_EQ(value, 0.0f);
  }
}

TEST_F(EngineTest, ALossOfAnEarlierRunHasNoGradientsAnyMore) {
  const auto model = Load();
  const auto batches = Batches();
  ASSERT_OK_AND_ASSIGN(engine::Loss first, model->Forward(batches[0]));
  ASSERT_OK_AND_ASSIGN(engine::Loss second, model->Forward(batches[1]));
  EXPECT_EQ(first.Backward().code(), StatusCode::kFailedPrecondition);
  ASSERT_OK(second.Backward());
  EXPECT_EQ(second.Backward().code(), StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, ACopyOfALossDoesNotAddItsGradientsAgain) {
  const auto model = Load();
  ASSERT_OK_AND_ASSIGN(engine::Loss loss, model->Forward(Batches()[0]));
  engine::Loss copy = loss;
  ASSERT_OK(loss.Backward());
  const std::span<const float> gradient = model->parameters()[0].gradient;
  const std::vector<float> once(gradient.begin(), gradient.end());
  EXPECT_EQ(copy.Backward().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::vector<float>(gradient.begin(), gradient.end()), once);
}

TEST_F(EngineTest, ShapesShareParametersAndEvaluatingChangesNothing) {
  const auto model = Load();
  engine::AdamW optimizer(model.get(), {.learning_rate = 5e-3});
  const engine::Batch tall = engine::Batch::NextToken({Row(1, 2, 12)});
  ASSERT_OK_AND_ASSIGN(const double before, model->Evaluate(tall));
  const std::string bytes = Bytes(*model);
  ASSERT_OK_AND_ASSIGN(const double again, model->Evaluate(tall));
  EXPECT_EQ(before, again);
  EXPECT_EQ(Bytes(*model), bytes);
  for (int i = 0; i < 10; ++i) {
    // Rows of 11 and 21 tokens: another shape.
    auto loss = model->Forward(engine::Batch::NextToken({Row(1, 2, 12), Row(1, 2, 22)}));
    ASSERT_OK(loss);
    ASSERT_OK(loss->Backward());
    ASSERT_OK(optimizer.Step());
    optimizer.ZeroGrad();
  }
  ASSERT_OK_AND_ASSIGN(const double after, model->Evaluate(tall));
  EXPECT_LT(after, before - 0.01);
  EXPECT_EQ(model->compiled_programs(), 2);
}

TEST_F(EngineTest, PaddingAndMissingLabelsDoNotCount) {
  const auto model = Load();
  engine::Batch batch = engine::Batch::NextToken({Row(3, 2, 10)});
  ASSERT_OK_AND_ASSIGN(const double alone, model->Evaluate(batch));
  engine::Batch wide = batch;
  wide.ids.push_back(Row(7, 1, 16));
  wide.labels.emplace_back(16, -100);
  ASSERT_OK_AND_ASSIGN(const double beside, model->Evaluate(wide));
  EXPECT_NEAR(beside, alone, 1e-6);
}

TEST_F(EngineTest, OverflowSkipsTheStepAndHalvesTheScale) {
  NarrowBackend narrow(world_.platform().backend);
  Platform platform = world_.platform();
  platform.backend = &narrow;
  ASSERT_OK_AND_ASSIGN(const auto model, engine::Model::Load(platform, "base", {.rank = kRank}));
  const auto exact = Load();
  engine::AdamW optimizer(model.get()), other(exact.get());
  const auto batches = Batches();
  const auto step = [&](engine::Model& of, engine::Optimizer& by) -> Result<engine::StepResult> {
    ATTUNE_ASSIGN_OR_RETURN(engine::Loss loss, of.Forward(batches[0]));
    ATTUNE_RETURN_IF_ERROR(loss.Backward());
    ATTUNE_ASSIGN_OR_RETURN(const engine::StepResult result, by.Step());
    by.ZeroGrad();
    return result;
  };
  EXPECT_EQ(model->loss_scale(), 1024.0);
  narrow.overflows = true;
  const std::string before = Bytes(*model);
  ASSERT_OK_AND_ASSIGN(const auto skipped, step(*model, optimizer));
  EXPECT_TRUE(skipped.skipped);
  EXPECT_EQ(Bytes(*model), before);
  EXPECT_EQ(model->loss_scale(), 512.0);
  narrow.overflows = false;
  ASSERT_OK_AND_ASSIGN(const auto taken, step(*model, optimizer));
  EXPECT_FALSE(taken.skipped);
  ASSERT_OK_AND_ASSIGN(const auto wanted, step(*exact, other));
  EXPECT_EQ(taken.gradient_norm, wanted.gradient_norm);
  EXPECT_EQ(Bytes(*model) == Bytes(*exact), true);
}

TEST_F(EngineTest, TheAdapterGoesOutAndInAgainAndServes) {
  const auto model = Load();
  engine::AdamW optimizer(model.get(), {.learning_rate = 5e-3});
  ASSERT_OK_AND_ASSIGN(const engine::Batch batch, model->Encode({"kettle on", "touch wood"}));
  EXPECT_EQ(batch.ids.size(), 2u);
  EXPECT_EQ(batch.ids[0].front(), 0) << "the token that begins a text";
  for (int i = 0; i < 10; ++i) {
    auto loss = model->Forward(batch);
    ASSERT_OK(loss);
    ASSERT_OK(loss->Backward());
    ASSERT_OK(optimizer.Step());
    optimizer.ZeroGrad();
  }
  ASSERT_OK(model->SavePeft("adapter"));
  const auto other = Load({.rank = kRank, .seed = 9});
  EXPECT_NE(Bytes(*other), Bytes(*model));
  ASSERT_OK(other->LoadPeft("adapter"));
  EXPECT_EQ(Bytes(*other) == Bytes(*model), true);
  OpenOptions open;
  open.context_tokens = 64;
  ASSERT_OK_AND_ASSIGN(const auto served, LanguageModel::Open(world_.platform(), "base", open));
  ASSERT_OK_AND_ASSIGN(const Score bare, served->ScoreText("kettle on"));
  ASSERT_OK(served->LoadAdapter("adapter"));
  ASSERT_OK_AND_ASSIGN(const Score adapted, served->ScoreText("kettle on"));
  EXPECT_LT(adapted.nats_per_token, bare.nats_per_token - 0.1);
  EXPECT_EQ(Load({.rank = 2})->LoadPeft("adapter").code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(Load({.full = true})->SavePeft("x").code(), StatusCode::kFailedPrecondition);
}

TEST_F(EngineTest, WhatIsWrongWithABatchIsSaid) {
  const auto model = Load();
  const auto expect = [&](const engine::Batch& batch, const char* part) {
    const Status status = model->Forward(batch).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.ToString();
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  };
  expect({}, "0 rows");
  expect({.ids = {{1, 2}}, .labels = {{1}}}, "row 0: 2 tokens, 1 labels");
  expect({.ids = {{1, 2}}, .labels = {{-1, -1}}}, "without a label");
  expect({.ids = {{1, 260}}, .labels = {{1, 1}}}, "token 1: 260");
  expect({.ids = {{1, -1}}, .labels = {{1, -1}}}, "token 1: -1");
  expect({.ids = {{1, 2}}, .labels = {{1, 300}}}, "token 1: 300");
  expect(engine::Batch::NextToken({Row(0, 1, 66)}), "a row of 65 tokens, the model allows 64");
  EXPECT_EQ(model->compiled_programs(), 0);
  EXPECT_EQ(engine::Model::Load(world_.platform(), "base", {.rank = 0}).status().code(),
            StatusCode::kInvalidArgument);
  engine::Sgd optimizer(model.get(), {.learning_rate = -1});
  EXPECT_EQ(optimizer.Step().status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
