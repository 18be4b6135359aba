#include "train/gate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "base/philox.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using Losses = std::vector<ExampleLoss>;

// Examples of 2 to 30 tokens of some 4 nats, as messages are.
Losses BaseLosses(std::int64_t count, std::uint64_t seed = 1) {
  Philox random(seed, /*stream=*/77);
  Losses losses;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t tokens = 2 + random.NextBelow(29);
    const double per_token = std::exp(1.3 + 0.4 * random.NextNormal());
    losses.push_back({per_token * static_cast<double>(tokens), tokens});
  }
  return losses;
}

// `losses`, changed by a part that is `mean` on average.
Losses Changed(const Losses& losses, double mean, double spread, std::uint64_t seed) {
  Philox random(seed, /*stream=*/78);
  Losses out = losses;
  for (ExampleLoss& loss : out) loss.nats *= 1 + mean + spread * random.NextNormal();
  return out;
}

struct Case {
  Losses candidate, serving, base, anchor_candidate, anchor_base;
  Probes probes;
  GateOptions options;
  std::uint64_t seed = 3;

  GateDecision Judge() const {
    return JudgeCandidate({candidate, serving, base, anchor_candidate, anchor_base, probes},
                          options, seed);
  }
};

// A candidate that is 10 % better than the base, 5 % better than what serves, and
// forgets next to nothing.
Case GoodCase(std::int64_t count = 100) {
  Case c;
  c.base = BaseLosses(count);
  c.serving = Changed(c.base, -0.05, 0.05, 5);
  c.candidate = Changed(c.base, -0.10, 0.05, 6);
  c.anchor_base = BaseLosses(100, 2);
  c.anchor_candidate = Changed(c.anchor_base, 0.002, 0.02, 7);
  return c;
}

TEST(GateTest, PromotesWhatIsBetter) {
  const GateDecision decision = GoodCase().Judge();
  EXPECT_EQ(decision.verdict, GateVerdict::kPromote);
  EXPECT_EQ(decision.reason, GateReason::kBetter);
  EXPECT_EQ(decision.examples, 100);
  EXPECT_EQ(decision.anchors, 100);
  EXPECT_NEAR(decision.gain_over_base, 0.10, 0.02);
  EXPECT_NEAR(decision.gain_over_serving, 0.05, 0.02);
  EXPECT_LT(decision.gain_over_base_low, decision.gain_over_base);
  EXPECT_GT(decision.gain_over_base_low, 0.07);
  EXPECT_NEAR(decision.anchor_change, 0.002, 0.008);
  EXPECT_GT(decision.anchor_change_high, decision.anchor_change);
  EXPECT_NEAR(decision.candidate_loss / decision.base_loss, 1 - decision.gain_over_base, 1e-12);
}

TEST(GateTest, KeepsWhatIsNotBetter) {
  const struct {
    const char* name;
    std::function<void(Case*)> change;
    GateReason reason;
  } cases[] = {
      {"worse than the base", [](Case* c) { c->candidate = Changed(c->base, 0.1, 0.02, 8); },
       GateReason::kNotBetterThanBase},
      {"the base itself", [](Case* c) { c->candidate = c->base; }, GateReason::kNotBetterThanBase},
      {"better than a bad serving one only",
       [](Case* c) {
         c->candidate = Changed(c->base, 0.05, 0.02, 8);
         c->serving = Changed(c->base, 0.2, 0.02, 9);
       },
       GateReason::kNotBetterThanBase},
      {"better than the base only", [](Case* c) { c->serving = Changed(c->base, -0.2, 0.02, 9); },
       GateReason::kNotBetterThanServing},
      {"a gain below the least", [](Case* c) { c->options.min_gain = 0.07; },
       GateReason::kNotBetterThanServing},
      {"too few examples", [](Case* c) { c->options.min_examples = 101; },
       GateReason::kTooFewExamples},
      {"no example", [](Case* c) { c->candidate = c->serving = c->base = {}; },
       GateReason::kTooFewExamples},
      {"examples without tokens",
       [](Case* c) {
         for (Losses* losses : {&c->candidate, &c->serving, &c->base}) {
           for (ExampleLoss& loss : *losses) loss.tokens = 0;
         }
       },
       GateReason::kTooFewExamples},
      {"a base that cannot be measured",
       [](Case* c) { c->base[5].nats = std::numeric_limits<double>::infinity(); },
       GateReason::kNotBetterThanBase},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    Case c = GoodCase();
    one.change(&c);
    const GateDecision decision = c.Judge();
    EXPECT_EQ(decision.verdict, GateVerdict::kKeep);
    EXPECT_EQ(GateReasonName(decision.reason), GateReasonName(one.reason));
    for (double figure : {decision.gain_over_base_low, decision.gain_over_serving_low}) {
      EXPECT_TRUE(std::isfinite(figure));
    }
  }
}

TEST(GateTest, RejectsWhatFailsACheckOfItsOwn) {
  const double nan = std::nan("");
  const struct {
    const char* name;
    std::function<void(Case*)> change;
    GateReason reason;
  } cases[] = {
      {"NaN loss", [=](Case* c) { c->candidate[7].nats = nan; }, GateReason::kNotFinite},
      {"infinite loss",
       [](Case* c) { c->candidate[7].nats = std::numeric_limits<double>::infinity(); },
       GateReason::kNotFinite},
      {"NaN on the anchors", [=](Case* c) { c->anchor_candidate[7].nats = nan; },
       GateReason::kNotFinite},
      {"NaN while generating", [](Case* c) { c->probes.finite = false; }, GateReason::kNotFinite},
      {"repeats itself", [](Case* c) { c->probes.degenerate = true; }, GateReason::kDegenerate},
      {"slow", [](Case* c) { c->probes.slowdown = 2.1; }, GateReason::kSlow},
      {"of unknown speed", [=](Case* c) { c->probes.slowdown = nan; }, GateReason::kSlow},
      {"forgets", [](Case* c) { c->anchor_candidate = Changed(c->anchor_base, 0.03, 0.01, 7); },
       GateReason::kForgets},
      {"may forget",  // 1.5 % as it seems, and more than 2 % as far as one can tell.
       [](Case* c) { c->anchor_candidate = Changed(c->anchor_base, 0.015, 0.1, 7); },
       GateReason::kForgets},
      {"memorises", [](Case* c) { c->probes.exposure = 4.5; }, GateReason::kMemorises},
      {"too few examples, and NaN",
       [](Case* c) {
         c->candidate = c->serving = c->base = {};
         c->probes.finite = false;
       },
       GateReason::kNotFinite},
  };
  for (const auto& one : cases) {
    SCOPED_TRACE(one.name);
    Case c = GoodCase();
    one.change(&c);
    const GateDecision decision = c.Judge();
    EXPECT_EQ(decision.verdict, GateVerdict::kReject);
    EXPECT_EQ(GateReasonName(decision.reason), GateReasonName(one.reason));
  }
}

TEST(GateTest, ForgettingIsNotJudgedWithoutAnchorsNorSpeedWithoutALimit) {
  Case c = GoodCase();
  c.anchor_candidate = c.anchor_base = {};
  c.options.max_slowdown = 0;
  c.probes.slowdown = 100;
  const GateDecision decision = c.Judge();
  EXPECT_EQ(decision.verdict, GateVerdict::kPromote);
  EXPECT_EQ(decision.anchors, 0);
  EXPECT_EQ(decision.anchor_change, 0);
}

TEST(GateTest, AServingAdapterThatIsNotFiniteLosesToAny) {
  Case c = GoodCase();
  c.serving[3].nats = std::nan("");
  const GateDecision decision = c.Judge();
  EXPECT_EQ(decision.verdict, GateVerdict::kPromote);
  EXPECT_EQ(decision.serving_loss, 0);
  EXPECT_EQ(decision.gain_over_serving_low, 1);
}

// The null hypothesis: the candidate's losses differ from the base's, but not on
// average. Of so many seeds, promoted at most a part of 1 - confidence, within the
// error of counting (three standard deviations).
struct Null {
  const char* name;
  std::int64_t examples;
  double confidence;
  bool skewed;
};

double FalsePromotions(const Null& null, int seeds) {
  int promoted = 0;
  for (int seed = 0; seed < seeds; ++seed) {
    Case c;
    c.seed = static_cast<std::uint64_t>(seed);
    c.base = c.serving = BaseLosses(null.examples, 1000 + c.seed);
    c.candidate = c.base;
    Philox random(c.seed, /*stream=*/79);
    for (ExampleLoss& loss : c.candidate) {
      const double z = random.NextNormal();
      // Of mean 1 either way; the skewed one is an exponential's.
      loss.nats *= 1 + 0.2 * (null.skewed ? 1 + std::log(random.NextFloat() + 1e-9) : z);
    }
    c.options.resamples = 500;
    c.options.confidence = null.confidence;
    promoted += c.Judge().verdict == GateVerdict::kPromote;
  }
  return static_cast<double>(promoted) / seeds;
}

TEST(GateTest, PromotesNoMoreOfTheNullThanItsLevel) {
  constexpr int kSeeds = 1000;
  for (const Null& null : {Null{"normal", 200, 0.95, false}, Null{"few", 20, 0.95, false},
                           Null{"skewed", 60, 0.95, true}, Null{"strict", 100, 0.99, false}}) {
    SCOPED_TRACE(null.name);
    const double level = 1 - null.confidence;
    const double rate = FalsePromotions(null, kSeeds);
    EXPECT_LE(rate, level + 3 * std::sqrt(level * (1 - level) / kSeeds));
    // Nor so few that the test would be of no power.
    EXPECT_GE(rate, level / 4);
    RecordProperty(null.name, std::to_string(rate));
  }
}

// What is better by more is promoted more easily.
TEST(GateTest, BoundsFollowTheCandidate) {
  const Case good = GoodCase();
  double low = 1, high = -1;
  for (const double worse : {0.0, 0.01, 0.02, 0.05, 0.1, 0.3, 1.0, 3.0}) {
    Case c = good;
    for (ExampleLoss& loss : c.candidate) loss.nats *= 1 + worse;
    for (ExampleLoss& loss : c.anchor_candidate) loss.nats *= 1 + worse;
    const GateDecision decision = c.Judge();
    EXPECT_LE(decision.gain_over_base_low, low) << worse;
    EXPECT_LE(decision.gain_over_base_low, decision.gain_over_base) << worse;
    EXPECT_GE(decision.anchor_change_high, high) << worse;
    low = decision.gain_over_base_low;
    high = decision.anchor_change_high;
  }
  low = 1;
  for (const double confidence : {0.5, 0.8, 0.95, 0.99, 0.999}) {
    Case c = good;
    c.options.confidence = confidence;
    const double now = c.Judge().gain_over_serving_low;
    EXPECT_LT(now, low) << confidence;
    low = now;
  }
  // Twice the same evidence is firmer evidence.
  Case twice = good;
  for (Losses* losses : {&twice.candidate, &twice.serving, &twice.base}) {
    losses->insert(losses->end(), losses->begin(), losses->end());
  }
  EXPECT_GT(twice.Judge().gain_over_serving_low, good.Judge().gain_over_serving_low);
}

TEST(GateTest, TheSameSeedIsTheSameDecision) {
  Case c = GoodCase();
  std::set<double> lows;
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    c.seed = seed;
    const GateDecision first = c.Judge(), second = c.Judge();
    EXPECT_EQ(first.gain_over_base_low, second.gain_over_base_low);
    EXPECT_EQ(first.anchor_change_high, second.anchor_change_high);
    lows.insert(first.gain_over_base_low);
  }
  EXPECT_EQ(lows.size(), 3u);
  // They differ by the resampling alone.
  EXPECT_LT(*lows.rbegin() - *lows.begin(), 0.005);
}

TEST(GateTest, OneOrTwoExamplesProveNothing) {
  Case c = GoodCase();
  c.options.min_examples = 1;
  for (const std::size_t count : {1u, 2u, 3u}) {
    Case few = c;
    for (Losses* losses : {&few.candidate, &few.serving, &few.base}) losses->resize(count);
    const GateDecision decision = few.Judge();
    EXPECT_GE(decision.gain_over_base_low, -1) << count;
    if (count < 3) {
      EXPECT_EQ(decision.verdict, GateVerdict::kKeep);
    }
  }
}

TEST(GateTest, IsFast) {
  Case c = GoodCase(1000);
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(c.Judge().verdict, GateVerdict::kPromote);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  RecordProperty("milliseconds", std::to_string(took.count() * 1e3));
  // 50 ms on a quiet machine; a test's machine is not.
  EXPECT_LT(took.count(), 1.0);
}

TEST(GateTest, RefusesOptionsOutOfRange) {
  EXPECT_OK(Check(GateOptions{}));
  const auto refuses = [](const std::function<void(GateOptions*)>& change) {
    GateOptions options;
    change(&options);
    return Check(options).code() == StatusCode::kInvalidArgument;
  };
  EXPECT_TRUE(refuses([](auto* o) { o->min_examples = 0; }));
  EXPECT_TRUE(refuses([](auto* o) { o->confidence = 1; }));
  EXPECT_TRUE(refuses([](auto* o) { o->confidence = std::nan(""); }));
  EXPECT_TRUE(refuses([](auto* o) { o->min_gain = -0.1; }));
  EXPECT_TRUE(refuses([](auto* o) { o->max_forgetting = -0.1; }));
  EXPECT_TRUE(refuses([](auto* o) { o->resamples = 99; }));
  // Too few draws beyond the bound for it to be one.
  EXPECT_TRUE(refuses([](auto* o) { o->confidence = 0.9999; }));
  EXPECT_TRUE(refuses([](auto* o) { o->resamples = 199; }));
  EXPECT_OK(Check(GateOptions{.confidence = 0.9999, .resamples = 100000}));
  EXPECT_OK(Check(GateOptions{.resamples = 200}));
  EXPECT_TRUE(refuses([](auto* o) { o->max_slowdown = -1; }));
  EXPECT_TRUE(refuses([](auto* o) { o->max_exposure = -1; }));
  EXPECT_THAT(Check(GateOptions{.confidence = 2}).message(),
              ::testing::HasSubstr("confidence 2, allowed 0.5 to 0.9999"));
}

// Every reason has words of its own.
TEST(GateTest, NamesEveryReason) {
  std::set<std::string_view> names, sentences;
  for (int value = 0; value <= 9; ++value) {
    names.insert(GateReasonName(static_cast<GateReason>(value)));
    sentences.insert(GateReasonSentence(static_cast<GateReason>(value)));
  }
  EXPECT_EQ(names.size(), 10u);
  EXPECT_EQ(sentences.size(), 10u);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(GateReasonName(static_cast<GateReason>(99)), "unknown");
}

}  // namespace
}  // namespace attune
