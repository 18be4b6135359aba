// A run that stops early, and one in private, a step at a time.

#include "session/training_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>

#include "session/early_stopping.h"
#include "session/training_checkpoint.h"
#include "support/adaptation_world.h"

namespace attune {
namespace {

constexpr auto GoOn = [] { return true; };

// The last saved state, in memory.
class MemoryStateStore final : public StateStore {
 public:
  std::int64_t BytesToSave(std::int64_t state_bytes) const override { return state_bytes; }
  Status Save(TrainingState& state, const LossCurve& curve) override {
    const StateParts parts = PartsOfState("base", state, curve);
    fields_ = parts.fields;
    tensors_.clear();
    for (const NamedTensor& section : parts.sections) {
      Tensor tensor(section.view.dtype, section.view.shape);
      std::memcpy(tensor.data(), section.view.data, static_cast<std::size_t>(tensor.bytes()));
      tensors_.emplace(section.name, std::move(tensor));
    }
    return OkStatus();
  }
  Status Load(Trainer* trainer, LossCurve* curve) override {
    StateParts parts{fields_, {}, {}};
    for (const auto& [name, tensor] : tensors_) parts.sections.push_back({name, tensor.view()});
    return RestoreState(parts, "base", trainer, curve);
  }

 private:
  std::map<std::string, std::string> fields_;
  std::map<std::string, Tensor> tensors_;
};

class TrainingRunTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(base_, LoadModel(world_.files(), "base"));
    // Learned: one pattern, so often that it is all the model knows; tested on another.
    for (int i = 0; i < 8; ++i) texts_.train.push_back(Text(10 + i % 2, 1));
    for (int i = 0; i < 4; ++i) texts_.stopping.push_back(Text(40 + i, 3));
  }
  static TrainingExample Text(std::int32_t first, std::int32_t stride) {
    TrainingExample example;
    for (std::int32_t t = 0; t < 20; ++t) example.ids.push_back(1 + (first + t * stride) % 255);
    return example;
  }
  static TrainingOptions Options() {
    TrainingOptions options;
    options.steps = 60;
    options.batch = 2;
    options.sequence = 32;
    options.rank = 4;
    options.learning_rate = 0.02;
    options.evaluate_every = 4;
    options.patience = 3;
    return options;
  }
  std::unique_ptr<TrainingRun> Make(const TrainingOptions& options, StateStore* store) {
    auto run = TrainingRun::Create(world_.platform(), base_, {.options = options, .row_length = 32},
                                   texts_, store);
    EXPECT_OK(run);
    return *std::move(run);
  }
  static void Finish(TrainingRun& run) {
    while (!run.done()) ASSERT_OK(run.Advance(GoOn));
  }
  static std::string Parameters(TrainingRun& run) {
    std::string bytes;
    for (std::size_t i = 0; i < run.state().trainables().size(); ++i) {
      const auto parameter = std::as_bytes(run.state().parameter(i));
      bytes.append(reinterpret_cast<const char*>(parameter.data()), parameter.size());
    }
    return bytes;
  }

  testing::AdaptationWorld world_;
  LanguageModelWeights base_;
  TrainingTexts texts_;
  MemoryStateStore store_;
};

TEST_F(TrainingRunTest, StopsWhenTestsGetWorseAndReturnsToTheBestParameters) {
  const auto run = Make(Options(), &store_);
  run->Start();
  std::map<std::int64_t, std::string> at;
  while (!run->done()) {
    ASSERT_OK(run->Advance(GoOn));
    at[run->state().progress.step] = Parameters(*run);
  }
  const auto& tests = run->curve().held_out;
  const std::int64_t best = BestOf(tests).step;
  std::cout << "best after " << best << " steps, stopped after " << tests.back().step << "\n";
  ASSERT_GT(best, 0);
  EXPECT_EQ(run->state().progress.step, best + 3 * 4);
  EXPECT_LT(run->state().progress.step, 60);
  EXPECT_TRUE(run->report().finished);
  EXPECT_NE(Parameters(*run), at[best]);
  run->ReturnToBest();
  EXPECT_EQ(Parameters(*run), at[best]);
}

TEST_F(TrainingRunTest, AResumedRunStillKnowsWhatWasBest) {
  const auto whole = Make(Options(), &store_);
  whole->Start();
  Finish(*whole);
  whole->ReturnToBest();
  const std::int64_t best = BestOf(whole->curve().held_out).step;
  for (const std::int64_t cut : {best - 1, best + 1, best + 10}) {
    SCOPED_TRACE(cut);
    const auto first = Make(Options(), &store_);
    first->Start();
    while (first->state().progress.step < cut) ASSERT_OK(first->Advance(GoOn));
    ASSERT_OK(first->Save());
    const auto second = Make(Options(), &store_);
    ASSERT_OK(second->Resume());
    Finish(*second);
    second->ReturnToBest();
    EXPECT_EQ(Parameters(*second), Parameters(*whole));
  }
}

TEST_F(TrainingRunTest, WithoutExamplesSetAsideThePatienceIsEndless) {
  texts_.held_out = std::move(texts_.stopping);
  texts_.stopping.clear();
  const auto run = Make(Options(), &store_);
  run->Start();
  Finish(*run);
  EXPECT_EQ(run->state().progress.step, 60);
}

// Says that it computes in half precision, and does not.
class HalfBackend final : public Backend {
 public:
  explicit HalfBackend(Backend* backend) : backend_(*backend) {}
  std::string_view name() const override { return backend_.name(); }
  bool half_precision() const override { return true; }
  Result<std::unique_ptr<Executable>> Compile(const Graph& graph, const FrozenParameters& frozen,
                                              const CompileOptions& options) override {
    return backend_.Compile(graph, frozen, options);
  }
  Result<MemoryReport> PredictMemory(const Graph& graph, const FrozenParameters& frozen,
                                     const CompileOptions& options) override {
    return backend_.PredictMemory(graph, frozen, options);
  }

 private:
  Backend& backend_;
};

// A power of two changes no bit of what is learned.
TEST_F(TrainingRunTest, ABackendInHalfPrecisionGetsALossScaleAndLearnsTheSame) {
  TrainingOptions options = Options();
  options.patience = 0;
  options.steps = 10;
  const auto exact = Make(options, &store_);
  exact->Start();
  Finish(*exact);
  EXPECT_EQ(exact->state().progress.loss_scale, 1.0);

  HalfBackend half(world_.platform().backend);
  Platform platform = world_.platform();
  platform.backend = &half;
  auto scaled =
      TrainingRun::Create(platform, base_, {.options = options, .row_length = 32}, texts_, &store_);
  ASSERT_OK(scaled);
  (*scaled)->Start();
  Finish(**scaled);
  EXPECT_EQ((*scaled)->state().progress.loss_scale, 1024.0);
  EXPECT_EQ(Parameters(**scaled), Parameters(*exact));
}

TEST_F(TrainingRunTest, InPrivateSaysWhatItGivesAwayAndResumesInTheSameBytes) {
  TrainingOptions options = Options();
  options.patience = 0;
  options.steps = 10;
  options.noise_multiplier = 1;
  const auto whole = Make(options, &store_);
  whole->Start();
  while (whole->state().progress.step < 4) ASSERT_OK(whole->Advance(GoOn));
  ASSERT_OK(whole->Save());
  const double early = whole->report().epsilon;
  Finish(*whole);
  EXPECT_GT(early, 0);
  EXPECT_GT(whole->report().epsilon, early);
  const auto second = Make(options, &store_);
  ASSERT_OK(second->Resume());
  Finish(*second);
  EXPECT_EQ(Parameters(*second), Parameters(*whole));
  // Noise is not a matter of the options: another run has another.
  const auto other = Make(options, &store_);
  other->Start();
  Finish(*other);
  EXPECT_NE(Parameters(*other), Parameters(*whole));
}

TEST_F(TrainingRunTest, InPrivateNeedsRandomNumbers) {
  TrainingOptions options = Options();
  options.noise_multiplier = 1;
  Platform platform = world_.platform();
  platform.crypto = nullptr;
  const auto run =
      TrainingRun::Create(platform, base_, {.options = options, .row_length = 32}, texts_, &store_);
  EXPECT_EQ(run.status().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune
