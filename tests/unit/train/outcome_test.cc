#include "train/outcome.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>

#include "base/philox.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

// How many of so many suggestions are taken.
std::int64_t Accepted(Philox* random, std::int64_t shown, double rate) {
  const auto bound = static_cast<std::uint32_t>(std::lround(rate * 1e6));
  std::int64_t accepted = 0;
  for (std::int64_t i = 0; i < shown; ++i) accepted += random->NextBelow(1'000'000) < bound ? 1 : 0;
  return accepted;
}

// Reports of `batch` each until the generation is found worse; how many were shown by
// then, or 0 if it never was.
std::int64_t ShownUntilWorse(Philox* random, const Outcome& before, double rate, std::int64_t batch,
                             std::int64_t most, const OutcomeOptions& options) {
  Outcome now;
  while (now.shown < most) {
    const Outcome earlier = now;
    now.shown += batch;
    now.accepted += Accepted(random, batch, rate);
    if (JudgeOutcome(earlier, now, before, options).worse) return now.shown;
  }
  return 0;
}

// Figures by exact fractions: the lower tail of the hypergeometric distribution.
TEST(OutcomeTest, TheChanceIsFishersExactOne) {
  // 1 of 4 against 3 of 4: (C(4,0) C(4,4) + C(4,1) C(4,3)) / C(8,4) = 17 / 70.
  EXPECT_NEAR(ChanceOfSoFew({4, 1}, {4, 3}), 17.0 / 70, 1e-12);
  // 0 of 10 against 5 of 10: C(15,10) / C(20,10) = 3003 / 184756.
  EXPECT_NEAR(ChanceOfSoFew({10, 0}, {10, 5}), 3003.0 / 184756, 1e-12);
  EXPECT_NEAR(ChanceOfSoFew({10, 10}, {10, 10}), 1, 1e-12);
  EXPECT_NEAR(ChanceOfSoFew({10, 0}, {10, 0}), 1, 1e-12);
  EXPECT_NEAR(ChanceOfSoFew({4, 3}, {4, 1}), 69.0 / 70, 1e-12);
}

// For large counts it comes to the normal approximation with continuity correction.
TEST(OutcomeTest, TheChanceOfLargeCountsIsNearTheNormalOne) {
  const Outcome now{20'000, 5'900}, before{30'000, 9'000};
  const double pooled = 14'900.0 / 50'000;
  const double spread = std::sqrt(pooled * (1 - pooled) * (1.0 / 20'000 + 1.0 / 30'000));
  const double z = (5'900.5 / 20'000 - 8'999.5 / 30'000) / spread;
  EXPECT_NEAR(ChanceOfSoFew(now, before), 0.5 * std::erfc(-z / std::sqrt(2.0)), 2e-3);
  // And stays finite at the largest.
  const double least = ChanceOfSoFew({1'000'000'000, 100'000'000}, {1'000'000'000, 200'000'000});
  EXPECT_EQ(least, 0);
}

TEST(OutcomeTest, LooksAreRarerTheMoreWasShown) {
  const OutcomeOptions options;
  EXPECT_EQ(LooksBy(0, options), 0);
  EXPECT_EQ(LooksBy(199, options), 0);
  EXPECT_EQ(LooksBy(200, options), 1);
  EXPECT_EQ(LooksBy(299, options), 1);
  EXPECT_EQ(LooksBy(300, options), 2);
  EXPECT_EQ(LooksBy(450, options), 3);
  EXPECT_LT(LooksBy(1'000'000'000, options), 40);
}

TEST(OutcomeTest, TheLevelsOfAllLooksSumToTheConfidence) {
  const OutcomeOptions options;
  double sum = 0;
  std::int64_t shown = 0;
  for (int look = 1; look <= 38; ++look) {
    std::int64_t next = std::max<std::int64_t>(shown + 1, 200);
    while (LooksBy(next, options) < look) next += std::max<std::int64_t>(1, next / 1000);
    const OutcomeVerdict verdict =
        JudgeOutcome({shown, shown / 2}, {next, next / 2}, {1000, 500}, options);
    EXPECT_TRUE(verdict.compared) << look;
    sum += verdict.level;
    shown = next;
  }
  EXPECT_LT(sum, 1 - options.confidence);
  EXPECT_GT(sum, 0.97 * (1 - options.confidence));
}

TEST(OutcomeTest, SaysNothingOfFewOrBetweenLooks) {
  const OutcomeOptions options;
  EXPECT_FALSE(JudgeOutcome({}, {199, 0}, {1000, 900}, options).compared);
  EXPECT_FALSE(JudgeOutcome({}, {1000, 0}, {199, 190}, options).compared);
  EXPECT_FALSE(JudgeOutcome({200, 0}, {299, 0}, {1000, 900}, options).compared);
  EXPECT_TRUE(JudgeOutcome({}, {200, 0}, {1000, 900}, options).worse);
  EXPECT_TRUE(JudgeOutcome({299, 0}, {300, 0}, {1000, 900}, options).worse);
}

TEST(OutcomeTest, ABetterOneIsNeverWorse) {
  const OutcomeVerdict verdict = JudgeOutcome({}, {100'000, 40'000}, {100'000, 30'000}, {});
  EXPECT_TRUE(verdict.compared);
  EXPECT_FALSE(verdict.worse);
  EXPECT_EQ(verdict.p_value, 1);
}

// However certain: a drop of 3 % is no reason, one of 6 % is.
TEST(OutcomeTest, ASmallDropIsLetPass) {
  const Outcome before{10'000'000, 3'000'000};
  const OutcomeVerdict small = JudgeOutcome({}, {10'000'000, 2'910'000}, before, {});
  EXPECT_LT(small.p_value, 1e-9);
  EXPECT_FALSE(small.worse);
  EXPECT_TRUE(JudgeOutcome({}, {10'000'000, 2'820'000}, before, {}).worse);
}

// Equal rates, reported again and again: the rate at which a good generation goes is
// within the level. Without a minimum drop, which would hide what the looks cost.
TEST(OutcomeTest, RepeatedLooksAtEqualRatesStayWithinTheLevel) {
  OutcomeOptions options;
  options.min_drop = 0;
  for (const double rate : {0.05, 0.3}) {
    int gone = 0;
    constexpr int kSeeds = 1000;
    for (int seed = 1; seed <= kSeeds; ++seed) {
      Philox random(static_cast<std::uint64_t>(seed));
      const Outcome before{2000, Accepted(&random, 2000, rate)};
      gone += ShownUntilWorse(&random, before, rate, /*batch=*/20, /*most=*/10'000, options) > 0;
    }
    std::printf("rate %.2f: %d of %d equally good generations were given up (seeds 1 to %d)\n",
                rate, gone, kSeeds, kSeeds);
    EXPECT_LE(gone, kSeeds * (1 - options.confidence)) << rate;
  }
}

// What it buys: from 30 % to 20 % is found within a thousand suggestions or so.
TEST(OutcomeTest, AClearDropIsFoundSoon) {
  int found = 0;
  std::int64_t shown = 0;
  constexpr int kSeeds = 200;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    Philox random(static_cast<std::uint64_t>(seed));
    const Outcome before{2000, Accepted(&random, 2000, 0.3)};
    const std::int64_t at = ShownUntilWorse(&random, before, 0.2, 20, 2000, {});
    found += at > 0 ? 1 : 0;
    shown += at;
  }
  std::printf("30 %% to 20 %%: %d of %d found within 2000, on average after %lld shown\n", found,
              kSeeds, static_cast<long long>(shown / std::max(1, found)));
  EXPECT_GE(found, kSeeds * 99 / 100);
  EXPECT_LT(shown / std::max(1, found), 600);
}

TEST(OutcomeTest, OptionsHaveBounds) {
  EXPECT_OK(CheckOptions(OutcomeOptions{}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const OutcomeOptions bad[] = {{.min_shown = 0},    {.confidence = 0.4},  {.confidence = 1},
                                {.confidence = nan}, {.min_drop = -0.001}, {.min_drop = 1},
                                {.min_drop = nan}};
  for (const OutcomeOptions& options : bad) {
    EXPECT_EQ(CheckOptions(options).code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace attune
