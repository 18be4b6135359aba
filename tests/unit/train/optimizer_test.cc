#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/philox.h"
#include "posix/thread_pool.h"
#include "support/status_matchers.h"
#include "train/loss_scale.h"
#include "train/schedule.h"
#include "train/training_state.h"

namespace attune {
namespace {

struct Problem {
  explicit Problem(std::vector<std::int64_t> of) : sizes(std::move(of)) {
    Philox random(1);
    for (std::int64_t n : sizes) {
      Tensors t;
      t.p.resize(static_cast<std::size_t>(n));
      t.g = t.m = t.v = t.p;
      for (float& x : t.p) x = random.NextNormal();
      for (float& x : t.g) x = random.NextNormal();
      tensors.push_back(std::move(t));
    }
  }
  std::vector<ParameterSpan> Spans() {
    std::vector<ParameterSpan> spans;
    for (Tensors& t : tensors) {
      spans.push_back(
          {t.p.data(), t.g.data(), t.m.data(), t.v.data(), static_cast<std::int64_t>(t.p.size())});
    }
    return spans;
  }
  struct Tensors {
    std::vector<float> p, g, m, v;
  };
  std::vector<std::int64_t> sizes;
  std::vector<Tensors> tensors;
};

// torch.optim.AdamW as its documentation states it, one number, in double.
double AdamWInDouble(double p, const std::vector<double>& gradients, double rate, double beta1,
                     double beta2, double epsilon, double decay) {
  double m = 0, v = 0;
  for (std::size_t t = 0; t < gradients.size(); ++t) {
    const double g = gradients[t], steps = static_cast<double>(t + 1);
    p -= rate * decay * p;
    m = beta1 * m + (1 - beta1) * g;
    v = beta2 * v + (1 - beta2) * g * g;
    const double m_hat = m / (1 - std::pow(beta1, steps));
    const double v_hat = v / (1 - std::pow(beta2, steps));
    p -= rate * m_hat / (std::sqrt(v_hat) + epsilon);
  }
  return p;
}

TEST(AdamW, EqualsTheFormulaInDoubleOverSeveralUpdates) {
  Problem problem({5, 1, 33});
  const Problem start = problem;
  const OptimizerConfig config{.beta2 = 0.95, .weight_decay = 0.1};
  SerialParallel serial;
  Optimizer optimizer(config, serial, problem.sizes);
  for (int t = 1; t <= 4; ++t) optimizer.Update(problem.Spans(), t, 0.01, 0.5);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < problem.tensors[i].p.size(); ++j) {
      const std::vector<double> gradients(4, 0.5 * start.tensors[i].g[j]);
      const double expected =
          AdamWInDouble(start.tensors[i].p[j], gradients, 0.01, 0.9, 0.95, 1e-8, 0.1);
      // A few roundings of f32 an update.
      EXPECT_NEAR(problem.tensors[i].p[j], expected, 1e-6 * (1 + std::abs(expected)));
    }
  }
}

TEST(Sgd, HasPyTorchsMomentumAndCoupledDecay) {
  Problem problem({3});
  const float p0 = problem.tensors[0].p[1], g0 = problem.tensors[0].g[1];
  const OptimizerConfig config{.kind = OptimizerKind::kSgd, .momentum = 0.8, .weight_decay = 0.01};
  SerialParallel serial;
  Optimizer optimizer(config, serial, problem.sizes);
  optimizer.Update(problem.Spans(), 1, 0.1, 1.0);
  optimizer.Update(problem.Spans(), 2, 0.1, 1.0);
  const double m1 = g0 + 0.01 * p0, p1 = p0 - 0.1 * m1;
  const double m2 = 0.8 * m1 + g0 + 0.01 * p1, p2 = p1 - 0.1 * m2;
  EXPECT_NEAR(problem.tensors[0].p[1], p2, 1e-6);
  EXPECT_NEAR(problem.tensors[0].m[1], m2, 1e-6);
}

TEST(Sgd, WithoutMomentumNeedsNoMoments) {
  Problem problem({40});
  const float p0 = problem.tensors[0].p[39], g0 = problem.tensors[0].g[39];
  auto spans = problem.Spans();
  spans[0].first_moment = spans[0].second_moment = nullptr;
  SerialParallel serial;
  const OptimizerConfig config{.kind = OptimizerKind::kSgd, .momentum = 0};
  EXPECT_EQ(config.moments(), 0);
  Optimizer(config, serial, problem.sizes).Update(spans, 1, 0.1, 2.0);
  EXPECT_FLOAT_EQ(problem.tensors[0].p[39], p0 - 0.1f * 2.0f * g0);
}

TEST(Optimizer, NoBitDependsOnTheWorkerCount) {
  const std::vector<std::int64_t> sizes = {100000, 17, 40000, 1};
  Problem one(sizes), three(sizes);
  SerialParallel serial;
  ThreadPool pool(3);
  Optimizer a({}, serial, sizes), b({}, pool, sizes);
  EXPECT_EQ(a.GradientNorm(one.Spans()), b.GradientNorm(three.Spans()));
  a.Update(one.Spans(), 1, 0.01, 1.0);
  b.Update(three.Spans(), 1, 0.01, 1.0);
  for (std::size_t i = 0; i < sizes.size(); ++i) EXPECT_EQ(one.tensors[i].p, three.tensors[i].p);
}

TEST(Optimizer, TheNormIsThatOfAllTensorsTogether) {
  Problem problem({20000, 3});
  double sum = 0;
  for (const auto& t : problem.tensors) {
    for (float g : t.g) sum += static_cast<double>(g) * g;
  }
  SerialParallel serial;
  Optimizer optimizer({}, serial, problem.sizes);
  EXPECT_NEAR(optimizer.GradientNorm(problem.Spans()), std::sqrt(sum), 1e-9);
}

TEST(Optimizer, TheNormIsNotFiniteExactlyWhenAGradientIsNot) {
  SerialParallel serial;
  for (float bad : {std::numeric_limits<float>::infinity(), std::nanf("")}) {
    Problem problem({20000, 3});
    Optimizer optimizer({}, serial, problem.sizes);
    problem.tensors[1].g[2] = bad;
    EXPECT_FALSE(std::isfinite(optimizer.GradientNorm(problem.Spans())));
    // The largest floats overflow an f32 sum, not this one.
    problem.tensors[1].g[2] = std::numeric_limits<float>::max();
    EXPECT_TRUE(std::isfinite(optimizer.GradientNorm(problem.Spans())));
  }
}

TEST(Optimizer, FactorsActOnTheirTensorOnly) {
  Problem problem({4, 4});
  problem.tensors[1] = problem.tensors[0];
  const auto before = problem.tensors[0].p;
  auto spans = problem.Spans();
  spans[1].rate_factor = 3.0;
  SerialParallel serial;
  const OptimizerConfig sgd{.kind = OptimizerKind::kSgd};
  Optimizer(sgd, serial, problem.sizes).Update(spans, 1, 0.01, 1.0);
  const float plain = problem.tensors[0].p[0] - before[0];
  EXPECT_NEAR(problem.tensors[1].p[0] - before[0], 3 * plain, 1e-6);
}

TEST(Optimizer, RefusesOptionsOutOfRange) {
  EXPECT_OK(CheckOptimizer({}));
  EXPECT_EQ(CheckOptimizer({.beta1 = 1.0}).message(), "beta1 1, must be at least 0 and below 1");
  EXPECT_FALSE(CheckOptimizer({.epsilon = 0}).ok());
  EXPECT_FALSE(CheckOptimizer({.weight_decay = -1}).ok());
  EXPECT_FALSE(CheckOptimizer({.weight_decay = std::nan("")}).ok());
}

TEST(Schedule, WarmsUpThenFallsToTheEnd) {
  ScheduleConfig config{.peak = 2.0, .warmup_steps = 4, .total_steps = 13};
  EXPECT_DOUBLE_EQ(LearningRate(config, 0), 0.5);
  EXPECT_DOUBLE_EQ(LearningRate(config, 3), 2.0);
  EXPECT_DOUBLE_EQ(LearningRate(config, 4), 2.0);
  EXPECT_NEAR(LearningRate(config, 8), 1.0, 1e-12);  // Half way down the cosine.
  EXPECT_NEAR(LearningRate(config, 12), 0.0, 1e-12);
  config.decay = Decay::kLinear;
  config.final_fraction = 0.5;
  EXPECT_NEAR(LearningRate(config, 6), 2.0 * (1 - 0.5 * 0.25), 1e-12);
  EXPECT_NEAR(LearningRate(config, 12), 1.0, 1e-12);
  EXPECT_NEAR(LearningRate(config, 500), 1.0, 1e-12);
  config.decay = Decay::kConstant;
  EXPECT_DOUBLE_EQ(LearningRate(config, 12), 2.0);
}

TEST(Schedule, RefusesOptionsOutOfRange) {
  EXPECT_OK(CheckSchedule({.total_steps = 1}));
  EXPECT_FALSE(CheckSchedule({.total_steps = 0}).ok());
  EXPECT_FALSE(CheckSchedule({.peak = 0, .total_steps = 1}).ok());
  EXPECT_EQ(CheckSchedule({.warmup_steps = 9, .total_steps = 5}).message(),
            "9 warm-up steps, must be from 0 to 5");
}

TEST(LossScale, HalvesOnOverflowAndDoublesAfterTheInterval) {
  LossScale scale({.initial = 8, .growth_interval = 2, .maximum = 16, .minimum = 4});
  scale.OnFinite();
  EXPECT_EQ(scale.scale(), 8);
  scale.OnFinite();
  EXPECT_EQ(scale.scale(), 16);
  scale.OnFinite();
  scale.OnFinite();
  EXPECT_EQ(scale.scale(), 16);  // At its maximum.
  scale.OnFinite();
  scale.OnNonFinite();
  EXPECT_EQ(scale.scale(), 8);
  scale.OnFinite();  // The interval starts anew.
  EXPECT_EQ(scale.scale(), 8);
  for (int i = 0; i < 5; ++i) scale.OnNonFinite();
  EXPECT_EQ(scale.scale(), 4);
}

TEST(LossScale, RefusesWhatIsNotAPowerOfTwo) {
  EXPECT_OK(LossScale::Check({}));
  EXPECT_FALSE(LossScale::Check({.initial = 3}).ok());
  EXPECT_FALSE(LossScale::Check({.initial = 0x1p30}).ok());
  LossScale scale(LossScaleConfig{});
  EXPECT_FALSE(scale.Restore(1.5, 0).ok());
  EXPECT_FALSE(scale.Restore(1.0, -1).ok());
  EXPECT_OK(scale.Restore(0.25, 3));
  EXPECT_EQ(scale.scale(), 0.25f);
}

TEST(TrainingState, LaysEverythingInOneAlignedBlock) {
  std::vector<Trainable> trainables = {{"a", {3, 5}}, {"b", {2}}};
  TrainingState state(trainables, 2);
  EXPECT_EQ(TrainingState::Bytes(trainables, 2), 3 * (16 + 16) * 4);
  const auto sections = state.Sections();
  ASSERT_EQ(sections.size(), 6u);
  EXPECT_EQ(sections[0].name, "a");
  EXPECT_EQ(sections[3].name, "b.first_moment");
  EXPECT_EQ(sections[5].name, "b.second_moment");
  for (const NamedBytes& section : sections) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(section.bytes.data()) % kTensorAlignment, 0u);
    EXPECT_EQ(section.bytes.size(), static_cast<std::size_t>(section.shape.elements()) * 4);
  }
  state.moment(1, 1)[1] = 4.0f;
  EXPECT_EQ(reinterpret_cast<const float*>(sections[5].bytes.data())[1], 4.0f);
}

TEST(InitializeLora, DrawsAFromPeftsRangeAndLeavesBAtZero) {
  TrainingState state({{"m.lora_A.weight", {64, 400}}, {"m.lora_B.weight", {7, 64}}}, 0);
  state.parameter(1)[3] = 1.0f;
  InitializeLora(&state, 9);
  double sum = 0, squares = 0, largest = 0;
  for (float a : state.parameter(0)) {
    sum += a;
    squares += static_cast<double>(a) * a;
    largest = std::max(largest, std::abs(static_cast<double>(a)));
  }
  const double n = 64 * 400, bound = 1.0 / 20.0;
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.99 * bound);
  EXPECT_NEAR(sum / n, 0, 4 * bound / std::sqrt(3 * n));
  EXPECT_NEAR(squares / n, bound * bound / 3, 0.02 * bound * bound);
  for (float b : state.parameter(1)) EXPECT_EQ(b, 0.0f);
}

TEST(InitializeLora, GivesAModuleTheSameValuesWhateverTheOthersAre) {
  TrainingState alone({{"m.lora_A.weight", {2, 3}}}, 0);
  TrainingState beside({{"k.lora_A.weight", {2, 3}}, {"m.lora_A.weight", {2, 3}}}, 0);
  InitializeLora(&alone, 9);
  InitializeLora(&beside, 9);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(alone.parameter(0)[i], beside.parameter(1)[i]);
    EXPECT_NE(beside.parameter(0)[i], beside.parameter(1)[i]);
  }
}

}  // namespace
}  // namespace attune
