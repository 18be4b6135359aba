// Training on the simulated Neural Engine: the steps are the CPU's but for rounding,
// nothing is compiled on the way, and an overflow is named and got over.

#include <gtest/gtest.h>

#include <iostream>

#include "attune/engine.h"
#include "numeric/ane/parity_world.h"
#include "posix/posix_clock.h"
#include "session/platform.h"
#include "session/training_setup.h"
#include "train/trainer.h"

namespace attune::ane {
namespace {

using testing::Machines;

constexpr std::int64_t kBatch = 2, kLength = 32;

class AneTraining : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = LoadModel(files_, StrCat(ATTUNE_SOURCE_DIR, "/samples/keyboard/base"));
    ASSERT_OK(opened);
    base_ = *std::move(opened);
    options_.rank = 8;
    auto lora = LoraSpecOf(base_, PeftConfigOf(options_, base_.config));
    ASSERT_OK(lora);
    lora_ = *std::move(lora);
    ASSERT_NE(machines_.ane, nullptr);
  }

  Platform PlatformOn(Backend* backend) {
    Platform platform;
    platform.files = &files_;
    platform.clock = &clock_;
    platform.parallel = &machines_.pool;
    platform.backend = backend;
    return platform;
  }

  // Rows with a rule, so that there is something to learn.
  std::vector<TrainingExample> Rows() const {
    std::vector<TrainingExample> rows(4 * kBatch);
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (std::int64_t t = 0; t <= kLength; ++t) {
        const auto token = (static_cast<std::int64_t>(r) * 31 + 7 * t) % 200 + 5;
        rows[r].ids.push_back(static_cast<std::int32_t>(token));
      }
    }
    return rows;
  }

  TrainConfig Config(const Backend& backend) const {
    TrainConfig config;
    config.sampler = {kBatch, {kLength}, /*packed=*/false, /*shuffle=*/false, 0};
    config.schedule.peak = 1e-3;
    config.schedule.total_steps = 1000;
    config.loss_scale = LossScaleOf(backend);
    return config;
  }

  std::unique_ptr<Trainer> MakeTrainer(Backend* backend, const TrainConfig& config) {
    auto trainer = Trainer::Create(PartsOf(PlatformOn(backend), base_, lora_), config, Rows());
    EXPECT_OK(trainer);
    if (!trainer.ok()) return nullptr;
    InitializeParameters(base_, 1, &(*trainer)->state());
    return *std::move(trainer);
  }
  std::unique_ptr<Trainer> MakeTrainer(Backend* backend) {
    return MakeTrainer(backend, Config(*backend));
  }

  static void ExpectNothingWasMade(const AneActivity& before, const AneActivity& after) {
    EXPECT_EQ(after.device.compiles, before.device.compiles);
    EXPECT_EQ(after.device.loads, before.device.loads);
    EXPECT_EQ(after.device.unloads, before.device.unloads);
    EXPECT_EQ(after.device.surfaces, before.device.surfaces);
    EXPECT_EQ(after.device.surface_bytes, before.device.surface_bytes);
    EXPECT_EQ(after.evictions, before.evictions);
    EXPECT_GT(after.device.evaluations, before.device.evaluations);
  }

  PosixFileSystem files_;
  PosixClock clock_;
  Machines machines_{/*exact=*/false};
  LanguageModelWeights base_;
  TrainingOptions options_;
  LoraSpec lora_;
};

TEST_F(AneTraining, TwentyStepsFollowTheCpuAndMakeNothingNew) {
  const auto on_ane = MakeTrainer(machines_.ane.get());
  const auto on_cpu = MakeTrainer(machines_.cpu.get());
  ASSERT_NE(on_ane, nullptr);
  ASSERT_NE(on_cpu, nullptr);
  const AneActivity before = machines_.ane->activity();
  double worst = 0, last = 0, first = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK_AND_ASSIGN(const StepReport got, on_ane->Step());
    ASSERT_OK_AND_ASSIGN(const StepReport want, on_cpu->Step());
    ASSERT_FALSE(got.skipped) << got.reason;
    EXPECT_EQ(got.loss_scale, 1024.0);
    worst = std::max(worst, std::abs(got.loss - want.loss) / want.loss);
    if (i == 0) first = got.loss;
    last = got.loss;
  }
  std::cout << "loss " << first << " -> " << last << ", off by at most " << worst << "\n";
  // Twice what is seen: rounding grows where the loss jumps in the first steps.
  EXPECT_LT(worst, 5e-3);
  EXPECT_LT(last, first - 0.5);
  ExpectNothingWasMade(before, machines_.ane->activity());
}

// A B so large that the layer's output leaves half precision.
TEST_F(AneTraining, AnOverflowIsNamedByLayerAndGotOver) {
  const struct {
    std::int64_t layer;
    const char* linear;
  } cases[] = {{1, "mlp.up_proj"}, {3, "self_attn.q_proj"}, {5, "self_attn.o_proj"}};
  for (const auto& [layer, linear] : cases) {
    SCOPED_TRACE(linear);
    const auto trainer = MakeTrainer(machines_.ane.get());
    ASSERT_NE(trainer, nullptr);
    for (int i = 0; i < 3; ++i) {
      ASSERT_OK_AND_ASSIGN(const StepReport step, trainer->Step());
      ASSERT_FALSE(step.skipped) << step.reason;
    }
    const std::string module = StrCat("model.layers.", layer, ".", linear);
    const std::span<float> b = trainer->state().Find(module + ".lora_B.weight");
    ASSERT_FALSE(b.empty());
    const std::vector<float> kept(b.begin(), b.end());
    for (float& value : b) value = 30000.0f;
    ASSERT_OK_AND_ASSIGN(const StepReport bad, trainer->Step());
    EXPECT_TRUE(bad.skipped);
    std::cout << bad.reason << "\n";
    EXPECT_NE(bad.reason.find(module), std::string::npos) << bad.reason;
    for (const float value : b) ASSERT_EQ(value, 30000.0f) << "a skipped step changed it";
    std::copy(kept.begin(), kept.end(), b.begin());
    double first = 0, last = 0;
    for (int i = 0; i < 8; ++i) {
      ASSERT_OK_AND_ASSIGN(const StepReport step, trainer->Step());
      EXPECT_FALSE(step.skipped) << step.reason;
      EXPECT_EQ(step.loss_scale, 512.0);
      if (i == 0) first = step.loss;
      last = step.loss;
    }
    EXPECT_LT(last, first);
  }
}

TEST_F(AneTraining, ALossScaleThatIsTooLargeIsHalvedUntilItFits) {
  TrainConfig config = Config(*machines_.ane);
  config.loss_scale.initial = config.loss_scale.maximum = 0x1p24;
  const auto trainer = MakeTrainer(machines_.ane.get(), config);
  ASSERT_NE(trainer, nullptr);
  const AneActivity before = machines_.ane->activity();
  int skipped = 0;
  double scale = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK_AND_ASSIGN(const StepReport step, trainer->Step());
    skipped += step.skipped ? 1 : 0;
    EXPECT_TRUE(i <= 12 || !step.skipped) << step.reason;
    scale = step.loss_scale;
  }
  std::cout << skipped << " steps skipped, scale " << scale << "\n";
  EXPECT_GT(skipped, 0);
  ExpectNothingWasMade(before, machines_.ane->activity());
}

TEST_F(AneTraining, TheEngineTakesTheSameStepsHereAndThere) {
  const std::string path = StrCat(ATTUNE_SOURCE_DIR, "/samples/keyboard/base");
  std::vector<std::vector<std::int32_t>> rows;
  for (const TrainingExample& row : Rows()) rows.push_back(row.ids);
  rows.resize(kBatch);
  const engine::Batch batch = engine::Batch::NextToken(rows);
  std::vector<std::vector<double>> losses;
  for (Backend* backend : {static_cast<Backend*>(machines_.ane.get()), machines_.cpu.get()}) {
    ASSERT_OK_AND_ASSIGN(const auto model, engine::Model::Load(PlatformOn(backend), path));
    EXPECT_EQ(model->loss_scale(), backend->half_precision() ? 1024.0 : 1.0);
    engine::AdamW optimizer(model.get(), {.learning_rate = 5e-3});
    std::vector<double>& each = losses.emplace_back();
    for (int i = 0; i < 6; ++i) {
      ASSERT_OK_AND_ASSIGN(engine::Loss loss, model->Forward(batch));
      ASSERT_OK(loss.Backward());
      ASSERT_OK_AND_ASSIGN(const engine::StepResult step, optimizer.Step());
      EXPECT_FALSE(step.skipped);
      optimizer.ZeroGrad();
      each.push_back(loss.value());
    }
    EXPECT_EQ(model->compiled_programs(), 1);
  }
  for (std::size_t i = 0; i < losses[0].size(); ++i) {
    EXPECT_NEAR(losses[0][i], losses[1][i], 5e-3 * losses[1][i]) << "step " << i;
  }
  EXPECT_LT(losses[0].back(), losses[0].front() - 0.5);
}

}  // namespace
}  // namespace attune::ane
