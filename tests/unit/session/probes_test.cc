// Probes on the tiny model, whose clock a test sets.

#include "session/probes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "cpu/cpu_backend.h"
#include "ports/clock.h"
#include "ports/parallel.h"
#include "session/model_tokenizer.h"
#include "support/memory_file_system.h"
#include "support/status_matchers.h"
#include "support/tiny_language_model.h"

namespace attune {
namespace {

using Ids = std::vector<std::int32_t>;

TEST(EndsInLoopTest, KnowsALoopFromALivelyText) {
  EXPECT_TRUE(EndsInLoop(Ids{5, 5, 5, 5, 5, 5, 5, 5}));
  EXPECT_TRUE(EndsInLoop(Ids{9, 8, 1, 2, 1, 2, 1, 2, 1, 2}));
  EXPECT_TRUE(EndsInLoop(Ids{7, 1, 2, 3, 1, 2, 3, 1, 2, 3}));
  EXPECT_TRUE(EndsInLoop(Ids{1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 6}));
  EXPECT_FALSE(EndsInLoop(Ids{}));
  EXPECT_FALSE(EndsInLoop(Ids{5, 5, 5, 5, 5, 5, 5}));           // Ha ha ha.
  EXPECT_FALSE(EndsInLoop(Ids{1, 2, 3, 1, 2, 3, 1, 2}));        // Not three times.
  EXPECT_FALSE(EndsInLoop(Ids{5, 5, 5, 5, 5, 5, 5, 5, 5, 6}));  // Got out of it.
  EXPECT_FALSE(EndsInLoop(Ids{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8}));
}

// Takes as long for a token as it is told.
class PacedClock final : public Clock {
 public:
  double MonotonicSeconds() override { return now += pace; }
  std::int64_t UnixSeconds() override { return 1'700'000'000; }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return 0; }
  void Sleep(double) override {}
  double now = 0, pace = 0.01;
};

class ProbesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    testing::WriteTinyModel(files_, "base");
    ASSERT_OK_AND_ASSIGN(base_, LoadModel(files_, "base"));
    ASSERT_OK_AND_ASSIGN(tokenizer_, OpenModelTokenizer(files_, "base", "", base_.config));
  }

  // An adapter of the first layer's MLP whose tensors are what `value` says.
  PeftAdapter Adapter(const std::function<float(bool is_b, std::int64_t i)>& value) {
    PeftAdapter adapter;
    const std::string module = "model.layers.1.mlp.down_proj";
    a_ = Tensor(DType::kF32, {2, 48});
    b_ = Tensor(DType::kF32, {32, 2});
    for (std::int64_t i = 0; i < a_.shape().elements(); ++i) {
      a_.f32()[static_cast<std::size_t>(i)] = value(false, i);
    }
    for (std::int64_t i = 0; i < b_.shape().elements(); ++i) {
      b_.f32()[static_cast<std::size_t>(i)] = value(true, i);
    }
    adapter.config.rank = 2;
    adapter.modules[module] = {a_.view(), b_.view(), 1.0};
    return adapter;
  }
  Result<Probes> Probe(const PeftAdapter& adapter, FunctionRef<bool()> go_on) {
    Platform platform;
    platform.files = &files_;
    platform.clock = &clock_;
    platform.parallel = &serial_;
    platform.backend = backend_.get();
    return ProbeAdapter(platform, base_, *tokenizer_, adapter, {}, go_on);
  }
  Result<Probes> Probe(const PeftAdapter& adapter) {
    return Probe(adapter, [] { return true; });
  }

  testing::MemoryFileSystem files_;
  PacedClock clock_;
  SerialParallel serial_;
  std::unique_ptr<Backend> backend_ = MakeCpuBackend(serial_);
  LanguageModelWeights base_;
  std::unique_ptr<Tokenizer> tokenizer_;
  Tensor a_, b_;
};

TEST_F(ProbesTest, AnAdapterThatChangesNothingPasses) {
  ASSERT_OK_AND_ASSIGN(const Probes probes,
                       Probe(Adapter([](bool is_b, std::int64_t) { return is_b ? 0.0f : 0.1f; })));
  EXPECT_TRUE(probes.finite);
  EXPECT_FALSE(probes.degenerate);
  EXPECT_NEAR(probes.slowdown, 1, 1e-9);
  EXPECT_EQ(probes.exposure, 0);
}

TEST_F(ProbesTest, NumbersThatAreNotFiniteAreSeen) {
  const float nan = std::nanf("");
  ASSERT_OK_AND_ASSIGN(
      const Probes probes,
      Probe(Adapter([=](bool is_b, std::int64_t i) { return is_b && i == 5 ? nan : 0.1f; })));
  EXPECT_FALSE(probes.finite);
}

// Whatever it reads, the last layer turns towards one token's embedding, or away from
// it where what it reads is of the other sign.
TEST_F(ProbesTest, AnAdapterThatWritesTheSameForeverIsDegenerate) {
  // A table so large that a model can be sure of a token, and a last layer that says
  // more than the token before, which a model of tied weights would repeat.
  const auto scaled = [this](const std::string& name, float by) {
    Tensor tensor = ToF32(base_.views[name]);
    for (float& x : tensor.f32()) x *= by;
    return tensor;
  };
  const Tensor table = scaled("model.embed_tokens.weight", 20);
  const Tensor down = scaled("model.layers.1.mlp.down_proj.weight", 1e4f);
  base_.views["model.embed_tokens.weight"] = table.view();
  base_.views["model.layers.1.mlp.down_proj.weight"] = down.view();
  constexpr std::int64_t kToken = 101;
  int degenerate = 0;
  for (const float sign : {1.0f, -1.0f}) {
    ASSERT_OK_AND_ASSIGN(const Probes probes, Probe(Adapter([&](bool is_b, std::int64_t i) {
                           const auto at = static_cast<std::size_t>(kToken * 32 + i / 2);
                           return is_b ? 1e8f * table.f32()[at] : sign * 10.0f;
                         })));
    EXPECT_TRUE(probes.finite);
    degenerate += probes.degenerate;
  }
  EXPECT_GE(degenerate, 1);
}

TEST(SlowdownTest, IsTheRatioOfWhatTokensTakeUndisturbed) {
  const std::vector<double> bare = {0.010, 0.011, 0.010, 0.012};
  EXPECT_NEAR(SlowdownOf(bare, {0.025, 0.025, 0.026, 0.025}), 2.5, 1e-9);
  EXPECT_EQ(SlowdownOf(bare, {0.005, 0.005, 0.005, 0.005}), 1);
  // Half of the tokens fell into a moment when the device did something else.
  EXPECT_NEAR(SlowdownOf(bare, {0.011, 0.5, 0.012, 0.5, 0.5, 0.011, 0.5, 0.012}), 1.2, 1e-9);
  // A token in less than kFastToken is fast.
  EXPECT_EQ(SlowdownOf({1e-5, 1e-5}, {4.9e-3, 4.9e-3}), 1);
  EXPECT_EQ(SlowdownOf({}, {}), 1);
}

TEST_F(ProbesTest, StopsWithinAToken) {
  int asked = 0;
  const auto go_on = [&] { return ++asked < 10; };
  const auto probes =
      Probe(Adapter([](bool is_b, std::int64_t) { return is_b ? 0.0f : 0.1f; }), go_on);
  EXPECT_EQ(probes.status().code(), StatusCode::kCancelled);
  EXPECT_EQ(asked, 10);
}

TEST_F(ProbesTest, RefusesAnAdapterOfAnotherModel) {
  PeftAdapter other = Adapter([](bool, std::int64_t) { return 0.1f; });
  other.modules["model.layers.7.mlp.down_proj"] = other.modules.begin()->second;
  EXPECT_EQ(Probe(other).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
