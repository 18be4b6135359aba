#include "train/privacy_accountant.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"

namespace attune {
namespace {

// Renyi divergences by numerical integration of the two densities, without the
// binomial formula (trapezoids, 400,000 intervals, in Python): the best order and
// the epsilon that it gives.
TEST(PrivacyAccountant, AgreesWithIntegrationOfTheDensities) {
  struct Case {
    PrivacySpending spending;
    double delta, epsilon;
    int order;
  };
  for (const Case& c : {Case{{0.01, 1.0, 1000}, 1e-5, 2.1077530754359812, 8},
                        Case{{0.05, 2.0, 200}, 1e-5, 1.7228786422752331, 11},
                        Case{{1.0, 5.0, 10}, 1e-6, 3.134502711921952, 9},
                        Case{{0.02, 0.8, 50}, 1e-5, 2.87744881109093, 5}}) {
    const auto loss = PrivacyLossOf(c.spending, c.delta);
    ASSERT_OK(loss);
    EXPECT_NEAR(loss->epsilon, c.epsilon, 1e-6 * c.epsilon);
    EXPECT_EQ(loss->order, c.order);
  }
}

TEST(PrivacyAccountant, MoreNoiseFewerStepsAndRarerSamplesGiveAwayLess) {
  const auto epsilon = [](double rate, double noise, std::int64_t steps) {
    const auto loss = PrivacyLossOf({rate, noise, steps}, 1e-5);
    EXPECT_OK(loss);
    return loss->epsilon;
  };
  const double here = epsilon(0.05, 1.0, 100);
  EXPECT_LT(epsilon(0.05, 1.5, 100), here);
  EXPECT_LT(epsilon(0.05, 1.0, 50), here);
  EXPECT_LT(epsilon(0.02, 1.0, 100), here);
  EXPECT_EQ(epsilon(0.05, 1.0, 0), 0);
}

TEST(PrivacyAccountant, FindsTheLeastNoiseForAnEpsilon) {
  const auto noise = NoiseMultiplierFor(3, 1e-5, 0.05, 100);
  ASSERT_OK(noise);
  const auto enough = PrivacyLossOf({0.05, *noise, 100}, 1e-5);
  const auto less = PrivacyLossOf({0.05, *noise * 0.995, 100}, 1e-5);
  ASSERT_OK(enough);
  ASSERT_OK(less);
  EXPECT_LE(enough->epsilon, 3);
  EXPECT_GT(less->epsilon, 3);
}

TEST(PrivacyAccountant, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(PrivacyLossOf({0, 1, 1}, 1e-5).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PrivacyLossOf({1.1, 1, 1}, 1e-5).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PrivacyLossOf({0.1, 0, 1}, 1e-5).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PrivacyLossOf({0.1, 1, -1}, 1e-5).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(PrivacyLossOf({0.1, 1, 1}, 1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(NoiseMultiplierFor(0, 1e-5, 0.1, 1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(NoiseMultiplierFor(1e-9, 1e-9, 1, 100000).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
