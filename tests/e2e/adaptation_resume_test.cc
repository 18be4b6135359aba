// A run that was stopped, killed or overtaken goes on from its last saved state
// and ends in the same bytes as one that was not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "support/adaptation_world.h"

namespace attune {
namespace {

using testing::AdaptationWorld;
using ::testing::HasSubstr;

constexpr std::int64_t kSteps = 20;

class AdaptationResumeTest : public ::testing::Test {
 protected:
  // The first 60 messages recorded.
  AdaptationResumeTest() {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 0, 60);
    recorded_ = world_.Copy();
  }

  static RunOptions Options() { return AdaptationWorld::Run(kSteps); }

  // What a run that nothing disturbs ends in.
  std::string Straight() {
    const AdaptationWorld::Disk now = world_.Copy();
    world_.Put(recorded_);
    auto adaptation = world_.Open();
    EXPECT_OK(adaptation->Run(Options()));
    const std::string adapter = world_.Exported(*adaptation);
    world_.Put(now);
    return adapter;
  }
  // Runs to the end on what is on disk, in a new "process".
  RunReport Finish(std::string* adapter) {
    auto adaptation = world_.Open();
    auto report = adaptation->Run(Options());
    EXPECT_OK(report);
    if (!report.ok()) return {};
    EXPECT_TRUE(report->training.finished);
    *adapter = world_.Exported(*adaptation, report->generation);
    return *report;
  }
  void StopAt(std::int64_t step) {
    auto adaptation = world_.Open();
    RunOptions options = Options();
    options.stop_at_step = step;
    ASSERT_OK_AND_ASSIGN(const RunReport report, adaptation->Run(options));
    EXPECT_FALSE(report.training.finished);
    EXPECT_EQ(report.training.steps, step);
    EXPECT_EQ(report.generation, 0u);
  }
  // Leaves what a kill right after that step leaves.
  void KillAfter(std::int64_t step) {
    std::optional<AdaptationWorld::Disk> left;
    auto adaptation = world_.Open();
    ASSERT_OK(adaptation->Run(Options(), [&](const TrainingEvent& event) {
      if (event.step == step) left = world_.Copy();
      return true;
    }));
    adaptation.reset();
    ASSERT_TRUE(left.has_value());
    world_.Put(*left);
  }
  int FilesEndingIn(const std::string& suffix) {
    int count = 0;
    for (const auto& [path, bytes] : world_.files().files()) count += path.ends_with(suffix);
    return count;
  }

  AdaptationWorld world_;
  AdaptationWorld::Disk recorded_;
};

TEST_F(AdaptationResumeTest, StoppedAndResumedEqualsNeverStopped) {
  const std::string straight = Straight();
  ASSERT_FALSE(straight.empty());
  for (const std::int64_t step : {1, 7, 10, 19}) {
    SCOPED_TRACE(step);
    world_.Put(recorded_);
    StopAt(step);
    std::string adapter;
    const RunReport report = Finish(&adapter);
    EXPECT_EQ(report.resumed_at_step, step);
    EXPECT_TRUE(report.promoted);
    EXPECT_TRUE(adapter == straight);
    EXPECT_EQ(FilesEndingIn(".checkpoint"), 0);
  }
}

// Between two saves, at one, before the first and after the last.
TEST_F(AdaptationResumeTest, KilledAndResumedEqualsNeverKilled) {
  const std::string straight = Straight();
  for (const std::int64_t step : {3, 5, 6, 13, 20}) {
    SCOPED_TRACE(step);
    world_.Put(recorded_);
    KillAfter(step);
    std::string adapter;
    const RunReport report = Finish(&adapter);
    // The callback runs before the save of its step.
    EXPECT_EQ(report.resumed_at_step, (step - 1) / 5 * 5);
    EXPECT_TRUE(adapter == straight);
  }
}

TEST_F(AdaptationResumeTest, AResumedRunLearnsFromWhatItBeganWith) {
  const std::string straight = Straight();
  StopAt(10);
  {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 60, 80);
  }
  std::string adapter;
  EXPECT_EQ(Finish(&adapter).resumed_at_step, 10);
  EXPECT_TRUE(adapter == straight);
  // The next one learns from all.
  const RunReport next = Finish(&adapter);
  EXPECT_EQ(next.resumed_at_step, 0);
  EXPECT_EQ(next.training.train_messages, 72);
  EXPECT_EQ(next.training.held_out_messages, 8);
}

// What has grown too old goes, but not from under a run that began with it.
TEST_F(AdaptationResumeTest, WhatThePolicyDropsGoesWhenAResumedRunHasFinished) {
  const std::string straight = Straight();
  const auto examples = [&] {
    auto status = InspectVault(world_.platform(), {.directory = "vault"});
    return status.ok() ? status->examples : 99;
  };
  StopAt(10);
  world_.clock().unix_seconds += std::int64_t{100} * 24 * 3600;
  StopAt(15);
  EXPECT_EQ(examples(), 60u);
  std::string adapter;
  EXPECT_EQ(Finish(&adapter).resumed_at_step, 15);
  EXPECT_TRUE(adapter == straight);
  EXPECT_EQ(examples(), 0u);
}

TEST_F(AdaptationResumeTest, OtherOptionsStartAnewAndSayWhy) {
  StopAt(10);
  auto adaptation = world_.Open();
  RunOptions options = Options();
  options.training.seed += 1;
  ASSERT_OK_AND_ASSIGN(const RunReport other, adaptation->Run(options));
  EXPECT_EQ(other.resumed_at_step, 0);
  EXPECT_THAT(other.not_resumed, HasSubstr("another configuration"));
  EXPECT_TRUE(other.training.finished);
  EXPECT_EQ(FilesEndingIn(".checkpoint"), 0);
}

TEST_F(AdaptationResumeTest, NotAskedToResumeItStartsAnew) {
  const std::string straight = Straight();
  StopAt(10);
  auto adaptation = world_.Open();
  RunOptions options = Options();
  options.resume = false;
  ASSERT_OK_AND_ASSIGN(const RunReport report, adaptation->Run(options));
  EXPECT_EQ(report.resumed_at_step, 0);
  EXPECT_EQ(report.not_resumed, "");
  EXPECT_TRUE(world_.Exported(*adaptation) == straight);
}

TEST_F(AdaptationResumeTest, ADamagedStateIsPutAsideAndTheOneBeforeIsUsed) {
  const std::string straight = Straight();
  // Which of the two files is the newer one shows once the older is all there is.
  StopAt(5);
  const auto before = world_.Copy().files;
  StopAt(10);
  int damaged = 0;
  for (auto [path, bytes] : world_.files().files()) {
    if (!path.ends_with(".checkpoint") || before.contains(path)) continue;
    bytes[bytes.size() / 2] ^= 1;
    world_.files().Put(path, bytes);
    ++damaged;
  }
  ASSERT_EQ(damaged, 1);
  std::string adapter;
  const RunReport report = Finish(&adapter);
  EXPECT_EQ(report.damaged_checkpoints, 1);
  EXPECT_EQ(report.resumed_at_step, 5);
  EXPECT_TRUE(adapter == straight);
  ASSERT_OK_AND_ASSIGN(const VaultStatus status,
                       InspectVault(world_.platform(), {.directory = "vault"}));
  ASSERT_EQ(status.quarantine.size(), 1u);
  EXPECT_THAT(status.quarantine[0].what, HasSubstr("checkpoint "));
}

TEST_F(AdaptationResumeTest, NothingGoesOnFromAStateThatSawWhatWasForgotten) {
  StopAt(10);
  {
    auto adaptation = world_.Open();
    ASSERT_OK_AND_ASSIGN(const Forgotten forgotten, adaptation->Forget({.ids = {2}}));
    EXPECT_EQ(forgotten.dropped_checkpoints, 2u);
    EXPECT_EQ(FilesEndingIn(".checkpoint"), 0);
  }
  std::string adapter;
  const RunReport report = Finish(&adapter);
  EXPECT_EQ(report.resumed_at_step, 0);
  EXPECT_EQ(report.training.train_messages + report.training.held_out_messages, 59);
}

// Forgotten while a run has it in memory, before the run has saved anything.
TEST_F(AdaptationResumeTest, NothingIsStoredOfARunWhoseExamplesWereForgottenMeanwhile) {
  auto running = world_.Open();
  RunOptions options = Options();
  options.checkpoint_every = 0;
  const auto forget = [&](const TrainingEvent& event) {
    if (event.step == 1) EXPECT_OK(world_.Open()->Forget({.ids = {2}}));
    return true;
  };
  EXPECT_EQ(running->Run(options, forget).status().code(), StatusCode::kFailedPrecondition);
  ASSERT_OK(running->Refresh());
  EXPECT_EQ(running->serving(), 0u);
  EXPECT_EQ(FilesEndingIn(".checkpoint"), 0);
  EXPECT_EQ(FilesEndingIn(".adapter"), 0);
  ASSERT_OK_AND_ASSIGN(const RunReport report, running->Run(options));
  EXPECT_EQ(report.training.train_messages + report.training.held_out_messages, 59);
}

// Whoever begins later wins, and does not have to begin anew.
TEST_F(AdaptationResumeTest, OfTwoRunsTheEarlierOneStopsAtItsNextSave) {
  const std::string straight = Straight();
  auto first = world_.Open();
  std::string adapter;
  std::int64_t resumed_at = -1, steps = 0;
  const Status stopped = first
                             ->Run(Options(),
                                   [&](const TrainingEvent& event) {
                                     steps = event.step;
                                     if (event.step == 7) {
                                       resumed_at = Finish(&adapter).resumed_at_step;
                                     }
                                     return true;
                                   })
                             .status();
  EXPECT_EQ(stopped.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(stopped.message(), HasSubstr("took over"));
  EXPECT_EQ(steps, 10);
  EXPECT_EQ(resumed_at, 5);
  EXPECT_TRUE(adapter == straight);
  // It learns of the other's result, and neither left anything else.
  ASSERT_OK(first->Refresh());
  EXPECT_EQ(first->serving(), 1u);
  EXPECT_EQ(FilesEndingIn(".checkpoint"), 0);
  EXPECT_EQ(FilesEndingIn(".adapter"), 1);
}

// The last saved state is the finished one: nothing is trained twice.
TEST_F(AdaptationResumeTest, AResultThatCannotBeStoredIsStoredByTheNextRun) {
  const std::string straight = Straight();
  auto adaptation = world_.Open();
  world_.SetFull(true);
  const Status failed = adaptation->Run(Options()).status();
  EXPECT_EQ(failed.code(), StatusCode::kResourceExhausted);
  world_.SetFull(false);
  EXPECT_EQ(FilesEndingIn(".adapter"), 0);
  auto again = world_.Open();
  int steps = 0;
  ASSERT_OK_AND_ASSIGN(const RunReport report,
                       again->Run(Options(), [&](const TrainingEvent&) { return ++steps > 0; }));
  EXPECT_EQ(steps, 0);
  EXPECT_EQ(report.resumed_at_step, kSteps);
  EXPECT_TRUE(report.promoted);
  EXPECT_TRUE(world_.Exported(*again) == straight);
}

}  // namespace
}  // namespace attune
