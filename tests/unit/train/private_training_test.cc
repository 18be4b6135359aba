// Differentially private steps: what an example may add, what noise is added, who is
// drawn.

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <iostream>

#include "support/status_matchers.h"
#include "train/trainer.h"
#include "unit/train/tiny_model.h"

namespace attune {
namespace {

using testing::PatternExamples;
using testing::TinyConfig;
using testing::TinyModel;

// Plain SGD at rate 1: a step moves the parameters by the gradient.
TrainConfig PrivateConfig(double noise, double clip, std::int64_t expected) {
  TrainConfig config = TinyConfig(40);
  config.sampler.batch = 1;
  config.sampler.packed = false;
  config.micro_batches = expected;
  config.clip_norm = clip;
  config.optimizer = {.kind = OptimizerKind::kSgd, .momentum = 0};
  config.schedule = {.peak = 1, .warmup_steps = 0, .total_steps = 40, .decay = Decay::kConstant};
  config.privacy = {.noise_multiplier = noise, .seed = 99};
  return config;
}

class PrivateTraining : public ::testing::Test {
 protected:
  std::unique_ptr<Trainer> NewTrainer(const TrainConfig& config,
                                      std::vector<TrainingExample> examples) {
    auto trainer = Trainer::Create(model_.Parts(backend_.get(), &serial_, &clock_), config,
                                   std::move(examples));
    EXPECT_OK(trainer);
    InitializeLora(&(*trainer)->state(), config.sampler.seed);
    return *std::move(trainer);
  }
  // By how much a step moves every parameter, in the order of the state.
  static std::vector<double> Move(Trainer* trainer) {
    const std::vector<float> before = Parameters(trainer);
    EXPECT_OK(trainer->Step());
    const std::vector<float> after = Parameters(trainer);
    std::vector<double> move;
    for (std::size_t i = 0; i < before.size(); ++i) move.push_back(after[i] - before[i]);
    return move;
  }
  static std::vector<float> Parameters(Trainer* trainer) {
    std::vector<float> all;
    for (std::size_t i = 0; i < trainer->state().trainables().size(); ++i) {
      const auto parameter = trainer->state().parameter(i);
      all.insert(all.end(), parameter.begin(), parameter.end());
    }
    return all;
  }
  static double Norm(const std::vector<double>& x) {
    double squares = 0;
    for (double v : x) squares += v * v;
    return std::sqrt(squares);
  }

  TinyModel model_;
  std::unique_ptr<Backend> backend_ = MakeReferenceBackend();
  SerialParallel serial_;
  testing::StillClock clock_;
};

// With everybody drawn, hardly any noise and no clipping to speak of, a step is the
// mean of the examples' own gradients: what one trainer an example finds.
TEST_F(PrivateTraining, WithoutNoiseIsTheMeanOverExamples) {
  const auto examples = PatternExamples(6);
  const auto trainer = NewTrainer(PrivateConfig(1e-12, 1e6, 6), examples);
  const std::vector<double> move = Move(trainer.get());
  std::vector<double> mean(move.size(), 0);
  for (const TrainingExample& example : examples) {
    TrainConfig alone = PrivateConfig(0, 0, 1);
    const auto one = NewTrainer(alone, {example});
    const std::vector<double> own = Move(one.get());
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += own[i] / 6;
  }
  ASSERT_GT(Norm(mean), 1e-3);
  for (std::size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(move[i], mean[i], 1e-6);
}

// However strange an example is, it moves the sum by the norm limit at most.
TEST_F(PrivateTraining, NoExampleMovesMoreThanTheLimit) {
  constexpr double kClip = 0.01;
  auto examples = PatternExamples(8);
  const auto all = NewTrainer(PrivateConfig(1e-12, kClip, 8), examples);
  const std::vector<double> with = Move(all.get());
  // Another text of the same length in its place: the worst that one can do.
  for (std::int32_t& id : examples[3].ids) id = 10 - id;
  const auto other = NewTrainer(PrivateConfig(1e-12, kClip, 8), examples);
  const std::vector<double> without = Move(other.get());
  std::vector<double> change(with.size());
  for (std::size_t i = 0; i < with.size(); ++i) change[i] = with[i] - without[i];
  EXPECT_GT(Norm(change), 0);
  EXPECT_LE(Norm(change), 2 * kClip / 8 + 1e-7);
  EXPECT_LE(Norm(with), kClip + 1e-7);
}

TEST_F(PrivateTraining, NoiseHasTheDeviationThatTheAccountantIsTold) {
  constexpr double kNoise = 1.5, kClip = 0.2;
  constexpr int kExpected = 12;  // Everybody, so that the gradients are the same.
  double squares = 0, sum = 0, n = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    TrainConfig config = PrivateConfig(kNoise, kClip, kExpected);
    config.privacy.seed = seed;
    const std::vector<double> loud = Move(NewTrainer(config, PatternExamples(12)).get());
    config.privacy.noise_multiplier = 1e-12;
    const std::vector<double> still = Move(NewTrainer(config, PatternExamples(12)).get());
    for (std::size_t i = 0; i < loud.size(); ++i, ++n) {
      squares += (loud[i] - still[i]) * (loud[i] - still[i]);
      sum += loud[i] - still[i];
    }
  }
  const double deviation = kNoise * kClip / kExpected;
  // Of a sample variance the deviation is sqrt(2 / n) of it; four of them.
  EXPECT_NEAR(squares / n, deviation * deviation, deviation * deviation * 4 * std::sqrt(2 / n));
  EXPECT_NEAR(sum / n, 0, 4 * deviation / std::sqrt(n));
}

// Noise that came twice could be subtracted.
TEST_F(PrivateTraining, EveryStepHasNoiseOfItsOwn) {
  const auto trainer = NewTrainer(PrivateConfig(50, 0.01, 3), PatternExamples(12));
  const std::vector<double> first = Move(trainer.get()), second = Move(trainer.get());
  double product = 0;
  for (std::size_t i = 0; i < first.size(); ++i) product += first[i] * second[i];
  EXPECT_LT(std::abs(product), 0.6 * Norm(first) * Norm(second));
}

TEST_F(PrivateTraining, DrawsEveryExampleWithItsProbability) {
  constexpr std::int64_t kExamples = 12, kExpected = 3, kSteps = 200;
  TrainConfig config = PrivateConfig(1, 0.1, kExpected);
  config.schedule.total_steps = kSteps;
  const auto examples = PatternExamples(kExamples);
  double mean_labels = 0;
  for (const TrainingExample& e : examples) {
    mean_labels += static_cast<double>(e.ids.size() - 1) / kExamples;
  }
  std::cout << "seed " << config.privacy.seed << "\n";
  const auto trainer = NewTrainer(config, examples);
  double labels = 0;
  for (int s = 0; s < kSteps; ++s) {
    const auto step = trainer->Step();
    ASSERT_OK(step);
    EXPECT_FALSE(step->skipped);
    labels += static_cast<double>(step->labels);
  }
  const double expected = kSteps * kExpected * mean_labels;
  EXPECT_NEAR(labels, expected, 0.1 * expected);
}

TEST_F(PrivateTraining, GoesOnWithTheNoiseItBeganWith) {
  TrainConfig config = PrivateConfig(1, 0.1, 3);
  const auto whole = NewTrainer(config, PatternExamples(12));
  for (int s = 0; s < 10; ++s) ASSERT_OK(whole->Step());

  const auto first = NewTrainer(config, PatternExamples(12));
  for (int s = 0; s < 4; ++s) ASSERT_OK(first->Step());
  config.privacy.seed = 1234567;  // Another process draws its own.
  const auto second = NewTrainer(config, PatternExamples(12));
  ASSERT_OK(second->Resume(first->state().progress));
  const auto from = first->state().Sections();
  const auto to = second->state().Sections();
  for (std::size_t i = 0; i < from.size(); ++i) {
    std::memcpy(to[i].bytes.data(), from[i].bytes.data(), from[i].bytes.size());
  }
  for (int s = 4; s < 10; ++s) ASSERT_OK(second->Step());
  EXPECT_EQ(Parameters(second.get()), Parameters(whole.get()));
}

TEST_F(PrivateTraining, RefusesWhatWouldMixExamples) {
  const auto refusal = [&](const TrainConfig& config) {
    return Trainer::Create(model_.Parts(backend_.get(), &serial_, &clock_), config,
                           PatternExamples(4))
        .status()
        .code();
  };
  TrainConfig packed = PrivateConfig(1, 0.1, 2);
  packed.sampler.packed = true;
  TrainConfig rows = PrivateConfig(1, 0.1, 2);
  rows.sampler.batch = 2;
  EXPECT_EQ(refusal(packed), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(rows), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(PrivateConfig(1, 0, 2)), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(PrivateConfig(-1, 0.1, 2)), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
