// What becomes of a run that fails, is cut off or has nothing to learn.

#include "session/adaptation_job.h"

#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "attune/adaptation.h"
#include "base/strings.h"
#include "session/adaptation_work.h"
#include "support/adaptation_world.h"
#include "support/forwarding_file_system.h"

namespace attune {
namespace {

using testing::AdaptationWorld;

// A disk on which reading one file fails for a while.
class FlakyFileSystem final : public testing::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    if (path == "anchor.txt" && failing > 0 && --failing >= 0) return IoError("disk asleep");
    return ForwardingFileSystem::Read(path, limit);
  }
  int failing = 0;
};

class AdaptationJobTest : public ::testing::Test {
 protected:
  AdaptationJobTest() {
    platform_.files = &disk_;
    testing::WriteFile(disk_, "anchor.txt", testing::TinyMessages(12));
    options_ = world_.Options();
    AdaptationWorld::Record(*Open(), 0, 60);
  }
  std::unique_ptr<Adaptation> Open() {
    auto adaptation = Adaptation::Open(platform_, options_);
    EXPECT_OK(adaptation);
    return adaptation.ok() ? *std::move(adaptation) : nullptr;
  }
  std::unique_ptr<AdaptationWork> OpenWork(const RunOptions& run) {
    auto work = AdaptationWork::Open(platform_, options_, run);
    EXPECT_OK(work);
    return work.ok() ? *std::move(work) : nullptr;
  }
  std::int64_t NewExamples(AdaptationWork& work) {
    auto needs = work.Needs();
    EXPECT_OK(needs);
    return needs.ok() ? needs->new_examples : -1;
  }
  std::uint64_t Checkpoints() {
    auto status = InspectVault(platform_, {.directory = "vault"});
    EXPECT_OK(status);
    return status.ok() ? status->checkpoints : 99;
  }
  static RunOptions Steps(std::int64_t steps) { return AdaptationWorld::Run(steps); }
  // Parameters are gone after a step.
  static RunOptions Diverging(std::int64_t steps) {
    RunOptions options = Steps(steps);
    options.training.learning_rate = 1e38;
    options.training.warmup_steps = 0;
    options.checkpoint_every = 1;
    return options;
  }

  AdaptationWorld world_;
  FlakyFileSystem disk_{world_.files()};
  Platform platform_ = world_.platform();
  AdaptationOptions options_;
};

// --- Going on ---

TEST_F(AdaptationJobTest, WhatCannotBeReadForAMomentCostsNoSavedState) {
  options_.anchor = "anchor.txt";
  RunOptions options = Steps(20);
  options.stop_at_step = 10;
  ASSERT_OK(Open()->Run(options).status());
  options.stop_at_step = 0;
  disk_.failing = 1;
  EXPECT_EQ(Open()->Run(options).status().code(), StatusCode::kIoError);
  ASSERT_OK_AND_ASSIGN(const RunReport report, Open()->Run(options));
  EXPECT_EQ(report.resumed_at_step, 10);
}

// --- Failing ---

TEST_F(AdaptationJobTest, ARunThatDivergedIsNotGoneOnWith) {
  const RunOptions options = Diverging(60);
  EXPECT_EQ(Open()->Run(options).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Checkpoints(), 0u);

  auto work = OpenWork(options);
  std::int64_t needed = 0;
  ASSERT_OK(work->Begin(-1, &needed).status());
  Status failed = OkStatus();
  while (failed.ok()) {
    failed = work->Step([] { return true; }).status();
    if (failed.ok()) ASSERT_OK(work->Save());
  }
  EXPECT_EQ(failed.code(), StatusCode::kFailedPrecondition);
  work->End();
  EXPECT_EQ(Checkpoints(), 0u);
  ASSERT_OK_AND_ASSIGN(const WorkNeeds needs, work->Needs());
  EXPECT_FALSE(needs.unfinished);
}

// Nothing of it is kept that the next night could go by.
TEST_F(AdaptationJobTest, ACandidateOfNoNumbersIsAFailure) {
  auto work = OpenWork(Diverging(2));
  std::int64_t needed = 0;
  ASSERT_OK_AND_ASSIGN(WorkProgress progress, work->Begin(-1, &needed));
  while (!progress.done) {
    ASSERT_OK_AND_ASSIGN(progress, work->Step([] { return true; }));
  }
  const Status concluded = work->Conclude([] { return true; }).status();
  EXPECT_EQ(concluded.code(), StatusCode::kFailedPrecondition) << concluded.message();
  work->End();
  EXPECT_EQ(Checkpoints(), 0u);
  EXPECT_TRUE(Open()->Generations().empty());
}

// --- What there is to learn ---

TEST_F(AdaptationJobTest, OnlyWhatWouldBeLearnedIsNew) {
  options_.source = "notes";
  auto adaptation = Open();
  for (int i = 0; i < 30; ++i) {
    ASSERT_OK(adaptation->Record({.text = StrCat("note ", i), .source = "notes"}).status());
  }
  auto work = OpenWork(Steps(3));
  EXPECT_EQ(NewExamples(*work), 30);
  ASSERT_OK(adaptation->Run(Steps(3)).status());
  EXPECT_EQ(NewExamples(*work), 0);
  AdaptationWorld::Record(*adaptation, 60, 80);
  ASSERT_OK(adaptation->Record(
      {.kind = ExampleKind::kLabelledBlob, .text = "label", .blob = "bytes", .source = "notes"}));
  EXPECT_EQ(NewExamples(*work), 0);
  ASSERT_OK(adaptation->Record({.text = "new", .source = "notes"}).status());
  ASSERT_OK(adaptation->Record({.text = "newer", .source = "notes"}).status());
  EXPECT_EQ(NewExamples(*work), 2);
  // As many recorded, one forgotten: counted anew.
  ASSERT_OK(adaptation->Forget({.containing = "newer"}).status());
  ASSERT_OK(adaptation->Record({.text = "see you at the harbour"}).status());
  EXPECT_EQ(NewExamples(*work), 1);
}

// --- Anchors ---

// What was measured of one base says nothing of another.
TEST_F(AdaptationJobTest, AnchorsAreMeasuredAnewOnAnotherBase) {
  options_.anchor = "anchor.txt";
  const auto change = [&](AdaptationWork& work) {
    std::int64_t needed = 0;
    auto progress = work.Begin(-1, &needed);
    while (progress.ok() && !progress->done) progress = work.Step([] { return true; });
    EXPECT_OK(progress);
    const auto verdict = work.Conclude([] { return true; });
    EXPECT_OK(verdict);
    work.End();
    return verdict.ok() ? verdict->anchor_change : 0;
  };
  auto work = OpenWork(Steps(3));
  const double before = change(*work);
  testing::WriteTinyModel(disk_, "base", /*seed=*/18);
  const double after = change(*work);
  EXPECT_NE(before, after);
  auto other = OpenWork(Steps(3));
  EXPECT_EQ(change(*other), after);
}

// --- Learned along ---

TEST_F(AdaptationJobTest, ReplaysTheHalfOfTheAnchorsThatIsNotJudgedBy) {
  const auto is = [](const Status& status) { return status.code(); };
  RunOptions options = Steps(3);
  options.replay = 0.25;
  EXPECT_EQ(is(Open()->Run(options).status()), StatusCode::kInvalidArgument);
  EXPECT_EQ(is(AdaptationWork::Open(platform_, options_, options).status()),
            StatusCode::kInvalidArgument);
  options_.anchor = "anchor.txt";
  testing::WriteFile(disk_, "anchor.txt", testing::TinyMessages(101));
  ASSERT_OK_AND_ASSIGN(const RunReport plain, Open()->Run(Steps(3)));
  EXPECT_EQ(plain.gate.anchors, 101);
  EXPECT_EQ(plain.replayed_messages, 0);
  auto adaptation = Open();
  ASSERT_OK_AND_ASSIGN(const RunReport replayed, adaptation->Run(options));
  EXPECT_EQ(plain.training.train_messages, 54);
  EXPECT_EQ(replayed.replayed_messages, 18);
  EXPECT_EQ(replayed.training.train_messages, 72);
  EXPECT_EQ(replayed.training.held_out_messages, plain.training.held_out_messages);
  EXPECT_EQ(replayed.gate.anchors, 51);
  // No more than there are.
  options.replay = 0.5;
  ASSERT_OK_AND_ASSIGN(const RunReport most, adaptation->Run(options));
  EXPECT_EQ(most.replayed_messages, 50);
  for (const double bad : {-0.1, 0.51, std::nan("")}) {
    options.replay = bad;
    EXPECT_EQ(is(adaptation->Run(options).status()), StatusCode::kInvalidArgument) << bad;
  }
}

TEST_F(AdaptationJobTest, ReplayedAndPlantedTextsAreTheSameWhenItGoesOn) {
  options_.anchor = "anchor.txt";
  RunOptions options = Steps(12);
  options.replay = 0.1;
  options.canaries = 2;
  const AdaptationWorld::Disk recorded = world_.Copy();
  ASSERT_OK_AND_ASSIGN(const RunReport straight, Open()->Run(options));
  world_.Put(recorded);
  options.stop_at_step = 7;
  ASSERT_OK(Open()->Run(options).status());
  options.stop_at_step = 0;
  ASSERT_OK_AND_ASSIGN(const RunReport resumed, Open()->Run(options));
  EXPECT_EQ(resumed.resumed_at_step, 7);
  EXPECT_EQ(resumed.candidate_loss, straight.candidate_loss);
  EXPECT_EQ(resumed.gate.probes.exposure, straight.gate.probes.exposure);
}

TEST_F(AdaptationJobTest, ExposureIsToldWhereItWasMeasured) {
  const auto provenance = [&](std::uint64_t generation, const char* key) {
    auto vault = OpenVault(platform_, "vault", /*create=*/false);
    EXPECT_OK(vault);
    AdapterStoreOptions options{.adapter = "default"};
    options.base = (*vault)->manifest().adapters.front().base;
    auto loaded = AdapterStore(**vault, options).Load(generation);
    EXPECT_OK(loaded);
    const auto found = loaded->provenance.find(key);
    return found == loaded->provenance.end() ? std::string("none") : found->second;
  };
  RunOptions options = Steps(40);
  ASSERT_OK_AND_ASSIGN(const RunReport plain, Open()->Run(options));
  EXPECT_EQ(plain.gate.probes.exposure, 0);
  EXPECT_EQ(provenance(plain.generation, "exposure"), "none");
  // Half of what is learned, over and over.
  options.canaries = 48;
  options.gate.max_exposure = 0.5;
  ASSERT_OK_AND_ASSIGN(const RunReport planted, Open()->Run(options));
  EXPECT_EQ(planted.training.train_messages, plain.training.train_messages + 48);
  EXPECT_GT(planted.gate.probes.exposure, 0.5);
  EXPECT_LE(planted.gate.probes.exposure, 8);
  EXPECT_EQ(planted.gate.reason, GateReason::kMemorises);
  EXPECT_FALSE(planted.promoted);
  EXPECT_EQ(provenance(planted.generation, "canaries"), "48");
  EXPECT_NE(provenance(planted.generation, "exposure"), "none");
  options.canaries = 65;
  EXPECT_EQ(Open()->Run(options).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
