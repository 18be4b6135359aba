#include "session/early_stopping.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace attune {
namespace {

std::vector<LossPoint> Tests(std::vector<double> losses) {
  std::vector<LossPoint> points;
  for (double loss : losses) points.push_back({static_cast<std::int64_t>(points.size()), loss});
  return points;
}

TEST(EarlyStopping, KnowsTheBestTest) {
  EXPECT_FALSE(IsBestYet(Tests({})));
  EXPECT_TRUE(IsBestYet(Tests({3})));
  EXPECT_TRUE(IsBestYet(Tests({3, 2})));
  EXPECT_FALSE(IsBestYet(Tests({3, 3})));
  EXPECT_FALSE(IsBestYet(Tests({3, 2, 2.5})));
  EXPECT_EQ(BestOf(Tests({3, 2, 2.5, 2})).step, 1);
}

TEST(EarlyStopping, ALossThatIsNoNumberIsNeverTheBest) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(BestOf(Tests({nan, 5, nan})).step, 1);
  EXPECT_FALSE(IsBestYet(Tests({5, nan})));
  EXPECT_TRUE(IsBestYet(Tests({nan, 5})));
}

TEST(EarlyStopping, GivesUpAfterSoManyTestsWithoutABetterOne) {
  EXPECT_FALSE(HasStalled(Tests({}), 1));
  EXPECT_FALSE(HasStalled(Tests({3, 2, 2.1}), 2));
  EXPECT_TRUE(HasStalled(Tests({3, 2, 2.1, 2}), 2));
  EXPECT_FALSE(HasStalled(Tests({3, 2, 2.1, 2.1, 1.9}), 2));
  EXPECT_FALSE(HasStalled(Tests({3, 4, 5, 6}), 0));
}

}  // namespace
}  // namespace attune
