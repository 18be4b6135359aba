// What users make of what was learned.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "attune/adaptation.h"
#include "attune/vault.h"
#include "support/adaptation_world.h"

namespace attune {
namespace {

using testing::AdaptationWorld;

class AdaptationOutcomeTest : public ::testing::Test {
 protected:
  // Two generations, the second serves.
  void SetUp() override {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 0, 60);
    for (const std::uint64_t generation : {1, 2}) {
      const auto steps = static_cast<std::int64_t>(2 + generation);
      ASSERT_OK(adaptation->Run(AdaptationWorld::Run(steps)).status());
      ASSERT_OK(adaptation->Promote(generation));
    }
  }
  static double Loss(Adaptation& adaptation) {
    auto score = adaptation.ScoreText("righto, touch wood");
    EXPECT_OK(score);
    return score.ok() ? score->nats_per_token : 0;
  }
  static OutcomeReport Report(Adaptation& adaptation, const Outcome& outcome) {
    auto report = adaptation.ReportOutcome(outcome);
    EXPECT_OK(report);
    return report.ok() ? *report : OutcomeReport();
  }

  AdaptationWorld world_;
};

TEST_F(AdaptationOutcomeTest, WhatUsersTakeLessMakesWay) {
  auto adaptation = world_.Open();
  const double loss_of_second = Loss(*adaptation);
  ASSERT_OK(adaptation->Promote(1));
  const double loss_of_first = Loss(*adaptation);
  EXPECT_NE(loss_of_first, loss_of_second);
  EXPECT_EQ(Report(*adaptation, {1000, 300}).generation, 1u);
  ASSERT_OK(adaptation->Promote(2));

  const OutcomeReport good = Report(*adaptation, {150, 40});
  EXPECT_EQ(good.generation, 2u);
  EXPECT_EQ(good.before, 1u);
  EXPECT_EQ(good.outcome_before, (Outcome{1000, 300}));
  EXPECT_FALSE(good.worse);
  EXPECT_EQ(good.serving, 2u);
  // A day on which nobody takes anything.
  const OutcomeReport bad = Report(*adaptation, {150, 2});
  EXPECT_EQ(bad.outcome, (Outcome{300, 42}));
  EXPECT_LT(bad.p_value, 0.002);
  EXPECT_TRUE(bad.worse);
  EXPECT_TRUE(bad.rolled_back);
  EXPECT_EQ(bad.serving, 1u);
  EXPECT_EQ(adaptation->serving(), 1u);
  EXPECT_EQ(Loss(*adaptation), loss_of_first) << "in force at once";

  auto again = world_.Open();
  EXPECT_EQ(Loss(*again), loss_of_first);
  ASSERT_OK_AND_ASSIGN(const VaultStatus status,
                       InspectVault(world_.platform(), {.directory = "vault"}));
  ASSERT_EQ(status.generations.size(), 2u);
  EXPECT_EQ(status.generations[1].outcome, (Outcome{300, 42}));
  // It has been found worse: a later rollback passes it by.
  ASSERT_OK(again->Run(AdaptationWorld::Run(3)).status());
  ASSERT_OK(again->Promote(3));
  ASSERT_OK_AND_ASSIGN(const std::uint64_t before, again->Rollback());
  EXPECT_EQ(before, 1u);
}

TEST_F(AdaptationOutcomeTest, TheBareBaseIsComparedWithToo) {
  auto adaptation = world_.Open();
  ASSERT_OK(adaptation->Promote(0));
  EXPECT_EQ(Report(*adaptation, {500, 200}).generation, 0u);
  ASSERT_OK(adaptation->Promote(1));
  const OutcomeReport bad = Report(*adaptation, {400, 40});
  EXPECT_EQ(bad.before, 0u);
  EXPECT_EQ(bad.outcome_before, (Outcome{500, 200}));
  EXPECT_TRUE(bad.rolled_back);
  EXPECT_EQ(adaptation->serving(), 0u);
}

// Outcomes belong to what made the suggestions, whatever serves by now.
TEST_F(AdaptationOutcomeTest, AreThoseOfWhatWasInForce) {
  auto keyboard = world_.Open();
  Loss(*keyboard);
  ASSERT_OK(world_.Open()->Promote(1));  // Another process.
  const OutcomeReport report = Report(*keyboard, {500, 0});
  EXPECT_EQ(report.generation, 2u);
  EXPECT_FALSE(report.rolled_back);
  EXPECT_EQ(report.serving, 1u);
}

TEST_F(AdaptationOutcomeTest, CanBeToldOnly) {
  AdaptationOptions options = world_.Options();
  options.outcomes.roll_back = false;
  auto adaptation = world_.Open(options);
  ASSERT_OK(adaptation->Promote(1));
  Report(*adaptation, {1000, 300});
  ASSERT_OK(adaptation->Promote(2));
  const OutcomeReport report = Report(*adaptation, {1000, 30});
  EXPECT_TRUE(report.worse);
  EXPECT_FALSE(report.rolled_back);
  EXPECT_EQ(adaptation->serving(), 2u);
}

TEST_F(AdaptationOutcomeTest, NeedNoModelWhereAGenerationServes) {
  AdaptationOptions options = world_.Options();
  options.model.clear();
  auto adaptation = world_.Open(options);
  EXPECT_EQ(Report(*adaptation, {10, 5}).generation, 2u);
  ASSERT_OK(adaptation->Promote(0));
  EXPECT_EQ(adaptation->ReportOutcome({10, 5}).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(AdaptationOutcomeTest, RefuseCountsThatCannotBe) {
  auto adaptation = world_.Open();
  for (const Outcome& outcome :
       {Outcome{-1, -1}, Outcome{1, -1}, Outcome{1, 2}, Outcome{1'000'000'001, 0}}) {
    EXPECT_EQ(adaptation->ReportOutcome(outcome).status().code(), StatusCode::kInvalidArgument);
  }
  AdaptationOptions options = world_.Options();
  options.outcomes.confidence = 1;
  EXPECT_EQ(Adaptation::Open(world_.platform(), options).status().code(),
            StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
