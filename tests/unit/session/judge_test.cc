// The gate on real adapters: the keyboard sample's base, its person's messages, and
// adapters that help, know nothing, unlearn, or compute no numbers.

#include "session/judge.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "platform/platform.h"
#include "ports/file_system.h"
#include "session/model_tokenizer.h"
#include "session/splits.h"
#include "session/training_setup.h"
#include "support/gate_candidates.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"

namespace attune {
namespace {

constexpr const char* kBase = ATTUNE_SOURCE_DIR "/samples/keyboard/base";
constexpr const char* kHistory = ATTUNE_SOURCE_DIR "/samples/keyboard/history.tsv";

class JudgeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(base_, LoadModel(files(), kBase));
    ASSERT_OK_AND_ASSIGN(tokenizer_, OpenModelTokenizer(files(), kBase, "", base_.config));
    ASSERT_OK_AND_ASSIGN(row_, RowLength({}, base_.config));
    ASSERT_OK_AND_ASSIGN(Dataset history, ReadDataset(files(), kHistory));
    split_ = SplitForRun(std::move(history.messages), {.held_out_fraction = 0.2});
    ASSERT_OK_AND_ASSIGN(held_out_, EncodeTests(*tokenizer_, split_.held_out, row_));
    ASSERT_OK_AND_ASSIGN(const Dataset anchors,
                         ReadDataset(files(), JoinPath(kBase, "anchor.txt")));
    EXPECT_GE(anchors.messages.size(), 60u);
    ASSERT_OK_AND_ASSIGN(anchors_, EncodeTests(*tokenizer_, anchors.messages, row_));
  }

  Result<PeftAdapter> Train(std::int64_t steps, double rate) {
    TrainingOptions training;
    training.steps = steps;
    training.learning_rate = rate;
    training.rank = 4;
    training.targets = {"q_proj", "v_proj", "down_proj"};
    training.seed = 1;
    training.evaluate_every = -1;
    return testing::TrainOn(platform_.get(), kBase, split_.train, directory_.path(), training);
  }
  Result<GateDecision> Judge(const PeftAdapter& candidate, const PeftAdapter* serving,
                             FunctionRef<bool()> go_on) {
    const JudgeInput input{.base = &base_,
                           .tokenizer = tokenizer_.get(),
                           .candidate = &candidate,
                           .serving = serving,
                           .held_out = &held_out_,
                           .anchors = &anchors_,
                           .anchor_base = &anchor_base_};
    GateOptions gate;
    gate.max_slowdown = 0;  // Tests run side by side.
    return JudgeAdapter(platform_.get(), input, {}, gate, go_on);
  }
  GateDecision Judge(const PeftAdapter& candidate, const PeftAdapter* serving = nullptr) {
    auto decision = Judge(candidate, serving, [] { return true; });
    EXPECT_OK(decision);
    return decision.ok() ? *decision : GateDecision();
  }
  FileSystem& files() { return *platform_.get().files; }

  DefaultPlatform platform_{1};
  testing::TemporaryDirectory directory_;
  LanguageModelWeights base_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::int64_t row_ = 0;
  DatasetSplit split_;
  TestTexts held_out_, anchors_;
  std::vector<ExampleLoss> anchor_base_;
};

TEST_F(JudgeTest, PromotesWhatHelpsAndNothingElse) {
  ASSERT_OK_AND_ASSIGN(const PeftAdapter own, Train(12, 1e-3));
  const GateDecision good = Judge(own);
  EXPECT_EQ(good.verdict, GateVerdict::kPromote) << GateReasonName(good.reason);
  EXPECT_GT(good.gain_over_base_low, 0.005);
  EXPECT_EQ(good.examples, static_cast<std::int64_t>(split_.held_out.size()));
  EXPECT_EQ(good.anchors, 80);
  EXPECT_EQ(anchor_base_.size(), 80u);
  // What serves is no better than itself.
  EXPECT_EQ(Judge(own, &own).reason, GateReason::kNotBetterThanServing);

  const GateDecision noise = Judge(testing::RandomLike(own, 1).adapter);
  EXPECT_NE(noise.verdict, GateVerdict::kPromote);
  EXPECT_NE(noise.reason, GateReason::kTooFewExamples);

  const GateDecision broken = Judge(testing::WithNan(own).adapter);
  EXPECT_EQ(broken.verdict, GateVerdict::kReject);
  EXPECT_EQ(broken.reason, GateReason::kNotFinite);
}

// It would serve this person far better, and everybody else worse.
TEST_F(JudgeTest, RejectsWhatUnlearnsWhatEverybodyWrites) {
  ASSERT_OK_AND_ASSIGN(const PeftAdapter hard, Train(24, 2e-2));
  const GateDecision decision = Judge(hard);
  EXPECT_EQ(decision.verdict, GateVerdict::kReject);
  EXPECT_EQ(decision.reason, GateReason::kForgets);
  EXPECT_GT(decision.anchor_change, 0.02);
  EXPECT_GT(decision.gain_over_base_low, 0.05);
}

TEST_F(JudgeTest, LossesOfMessagesAddUpToTheEvaluation) {
  ASSERT_OK_AND_ASSIGN(const auto each,
                       EvaluateEach(platform_.get(), base_, nullptr, {}, held_out_));
  ASSERT_OK_AND_ASSIGN(const Evaluation together,
                       EvaluateAdapter(platform_.get(), base_, nullptr, {}, held_out_.windows));
  ASSERT_EQ(each.size(), split_.held_out.size());
  Evaluation sum;
  for (const ExampleLoss& loss : each) {
    sum.nats += loss.nats;
    sum.labels += loss.tokens;
  }
  EXPECT_EQ(sum.labels, together.labels);
  EXPECT_NEAR(sum.nats, together.nats, 1e-6 * together.nats);
}

TEST_F(JudgeTest, StopsWhereItIs) {
  ASSERT_OK_AND_ASSIGN(const PeftAdapter own, Train(1, 1e-3));
  for (const int last : {1, 20, 200}) {
    int asked = 0;
    const auto decision = Judge(own, nullptr, [&] { return ++asked < last; });
    EXPECT_EQ(decision.status().code(), StatusCode::kCancelled) << last;
    EXPECT_EQ(asked, last);
  }
}

}  // namespace
}  // namespace attune
