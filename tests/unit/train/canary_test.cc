#include "train/canary.h"

#include <gtest/gtest.h>

#include <cmath>
#include <iostream>
#include <set>

#include "base/philox.h"

namespace attune {
namespace {

TEST(Canary, AllAreOfOneFormAndDifferent) {
  const Canaries canaries = MakeCanaries(1, 4, 1000);
  std::set<std::string> all(canaries.planted.begin(), canaries.planted.end());
  all.insert(canaries.others.begin(), canaries.others.end());
  EXPECT_EQ(all.size(), 1004u);
  for (const std::string& text : all) EXPECT_EQ(text.size(), canaries.planted[0].size());
  EXPECT_EQ(MakeCanaries(1, 4, 1000).planted, canaries.planted);
  EXPECT_NE(MakeCanaries(2, 4, 1000).planted, canaries.planted);
}

TEST(Canary, StandsOutByEveryBitOfItsRank) {
  const std::vector<double> others = {1, 2, 3};
  EXPECT_DOUBLE_EQ(ExposureOf(4, others), 2);    // First of four.
  EXPECT_DOUBLE_EQ(ExposureOf(2.5, others), 1);  // Second.
  EXPECT_DOUBLE_EQ(ExposureOf(3, others), 1);    // Level with the first: behind it.
  EXPECT_DOUBLE_EQ(ExposureOf(0, others), 0);    // Last.
}

// A canary that is one of the crowd: the mean of log2(n / rank) is close to log2(e).
TEST(Canary, ThatLeftNoTraceIsExposedByOneAndAHalfBits) {
  const std::uint64_t seed = 17;
  std::cout << "seed " << seed << "\n";
  Philox random(seed);
  double sum = 0;
  constexpr int kRounds = 2000;
  for (int i = 0; i < kRounds; ++i) {
    std::vector<double> others(255);
    for (double& other : others) other = random.NextNormal();
    sum += ExposureOf(random.NextNormal(), others);
  }
  EXPECT_NEAR(sum / kRounds, std::log2(std::exp(1.0)), 0.12);
}

}  // namespace
}  // namespace attune
