#include "session/sampling.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>

#include "support/status_matchers.h"

namespace attune {
namespace {

std::array<int, 4> Histogram(const SamplingRule& rule, int draws) {
  const std::array<float, 4> logits = {std::log(0.5f), std::log(0.25f), std::log(0.15f),
                                       std::log(0.1f)};
  std::array<int, 4> counts{};
  Philox random(7);
  for (int i = 0; i < draws; ++i) {
    auto id = SampleToken(logits, rule, &random);
    EXPECT_OK(id);
    ++counts[static_cast<std::size_t>(*id)];
  }
  return counts;
}

TEST(Sampling, TemperatureZeroTakesTheFirstOfTheLargest) {
  const std::array<float, 4> logits = {1, 3, 3, 2};
  Philox random(1);
  ASSERT_OK_AND_ASSIGN(const std::int32_t id, SampleToken(logits, {.temperature = 0}, &random));
  EXPECT_EQ(id, 1);
  EXPECT_EQ(random.position(), 0u) << "nothing is drawn";
}

TEST(Sampling, DrawsInProportionToTheProbabilities) {
  const auto counts = Histogram({.temperature = 1}, 20000);
  EXPECT_NEAR(counts[0], 10000, 300);
  EXPECT_NEAR(counts[1], 5000, 300);
  EXPECT_NEAR(counts[2], 3000, 300);
  EXPECT_NEAR(counts[3], 2000, 300);
}

TEST(Sampling, TopKKeepsTheKMostProbable) {
  const auto counts = Histogram({.temperature = 1, .top_k = 2}, 9000);
  EXPECT_NEAR(counts[0], 6000, 300);
  EXPECT_EQ(counts[2] + counts[3], 0);
}

TEST(Sampling, TopPKeepsTheFewestThatReachP) {
  const auto counts = Histogram({.temperature = 1, .top_p = 0.8f}, 9000);
  EXPECT_GT(counts[2], 0);
  EXPECT_EQ(counts[3], 0);
}

TEST(Sampling, EqualSeedsDrawEqualTokens) {
  EXPECT_EQ(Histogram({.temperature = 1}, 500), Histogram({.temperature = 1}, 500));
}

TEST(Sampling, RefusesLogitsThatAreNotFinite) {
  const std::array<float, 2> logits = {1, std::numeric_limits<float>::quiet_NaN()};
  Philox random(1);
  EXPECT_EQ(SampleToken(logits, {}, &random).status().code(), StatusCode::kDataLoss);
}

TEST(Sampling, RefusesRulesOutOfRange) {
  EXPECT_FALSE(Check({.temperature = -1}).ok());
  EXPECT_FALSE(Check({.top_k = -1}).ok());
  EXPECT_FALSE(Check({.top_p = 0}).ok());
  EXPECT_FALSE(Check({.top_p = std::numeric_limits<float>::quiet_NaN()}).ok());
  EXPECT_OK(Check({.temperature = 1, .top_k = 40, .top_p = 0.9f}));
}

}  // namespace
}  // namespace attune
