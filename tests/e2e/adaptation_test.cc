// The facade's promises, from recording to forgetting.

#include "attune/adaptation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attune/personalize.h"
#include "base/strings.h"
#include "support/adaptation_world.h"

namespace attune {
namespace {

using testing::AdaptationWorld;
using ::testing::HasSubstr;

class AdaptationTest : public ::testing::Test {
 protected:
  static double Loss(Adaptation& adaptation) {
    auto score = adaptation.ScoreText("righto, touch wood");
    EXPECT_OK(score);
    return score.ok() ? score->nats_per_token : 0;
  }
  // A generation of the first `count` messages.
  static RunReport Learn(Adaptation& adaptation, const RunOptions& options) {
    auto report = adaptation.Run(options);
    EXPECT_OK(report);
    return report.ok() ? *report : RunReport();
  }

  AdaptationWorld world_;
};

TEST_F(AdaptationTest, RecordsLearnsServesAndServesAgainWhenReopened) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  EXPECT_EQ(adaptation->serving(), 0u);
  const double before = Loss(*adaptation);
  const RunReport report = Learn(*adaptation, AdaptationWorld::Run());
  EXPECT_TRUE(report.training.finished);
  EXPECT_EQ(report.training.train_messages, 54);
  EXPECT_EQ(report.training.held_out_messages, 6);
  EXPECT_EQ(report.generation, 1u);
  EXPECT_TRUE(report.promoted);
  EXPECT_NEAR(report.serving_loss, report.training.loss_before, 1e-5);
  EXPECT_LT(report.candidate_loss, report.serving_loss - 0.1);

  EXPECT_EQ(adaptation->serving(), 1u);
  const double after = Loss(*adaptation);
  EXPECT_LT(after, before - 0.1);
  auto again = world_.Open();
  EXPECT_EQ(Loss(*again), after);
  EXPECT_EQ(again->serving(), 1u);
  ASSERT_EQ(again->Generations().size(), 1u);
  EXPECT_TRUE(again->Generations()[0].serving);
  EXPECT_FALSE(again->Generations()[0].tainted);
}

// What is measured later agrees with what the run decided by.
TEST_F(AdaptationTest, EvaluationMeasuresWhatTheRunMeasured) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  const RunReport report = Learn(*adaptation, AdaptationWorld::Run());
  ASSERT_OK_AND_ASSIGN(const AdaptationEvaluation evaluation, adaptation->Evaluate());
  EXPECT_EQ(evaluation.examples, 6);
  EXPECT_EQ(evaluation.tokens, report.training.held_out_tokens);
  EXPECT_EQ(evaluation.serving, 1u);
  // Rows are packed otherwise: another order of additions.
  EXPECT_NEAR(evaluation.base_loss, report.training.loss_before, 1e-4);
  EXPECT_NEAR(evaluation.serving_loss, report.candidate_loss, 1e-4);
}

TEST_F(AdaptationTest, TheExportedAdapterIsTheOneThatTrainMakesOfTheSameMessages) {
  std::string lines;
  for (const std::string& message : AdaptationWorld::Messages(0, 60)) lines += message + "\n";
  testing::WriteFile(world_.files(), "history.txt", lines);
  PersonalizeOptions plain;
  plain.model = "base";
  plain.data = "history.txt";
  plain.output = "plain";
  plain.training = AdaptationWorld::Run().training;
  ASSERT_OK(Personalize(world_.platform(), plain));

  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  Learn(*adaptation, AdaptationWorld::Run());
  const std::string exported = world_.Exported(*adaptation);
  EXPECT_TRUE(exported == world_.ReadAll("plain/adapter_config.json") +
                              world_.ReadAll("plain/adapter_model.safetensors"));
  // And how it got there, to look at.
  for (const char* name : {"loss_curve.csv", "loss_curve.svg"}) {
    const std::string plain_curve = world_.ReadAll(StrCat("plain/", name));
    EXPECT_GT(plain_curve.size(), 100u);
    EXPECT_TRUE(world_.ReadAll(StrCat("export1/", name)) == plain_curve) << name;
  }
}

TEST_F(AdaptationTest, ANewGenerationServesOnlyIfItIsBetter) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  const RunReport good = Learn(*adaptation, AdaptationWorld::Run());
  ASSERT_TRUE(good.promoted);
  const double loss = Loss(*adaptation);
  // Too short to get anywhere: better than the bare base, not than what serves.
  const RunReport weak = Learn(*adaptation, AdaptationWorld::Run(2));
  EXPECT_EQ(weak.generation, 2u);
  EXPECT_NEAR(weak.serving_loss, good.candidate_loss, 1e-4);
  EXPECT_GT(weak.candidate_loss, weak.serving_loss);
  EXPECT_FALSE(weak.promoted);
  EXPECT_EQ(adaptation->serving(), 1u);
  EXPECT_EQ(Loss(*adaptation), loss);
  // Better, but not asked to.
  RunOptions options = AdaptationWorld::Run(60);
  options.promote_if_better = false;
  const RunReport held_back = Learn(*adaptation, options);
  EXPECT_EQ(held_back.generation, 3u);
  EXPECT_FALSE(held_back.promoted);
  EXPECT_EQ(adaptation->serving(), 1u);
}

TEST_F(AdaptationTest, PromotionAndRollbackTakeEffectAtOnce) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  const double base = Loss(*adaptation);
  RunOptions options = AdaptationWorld::Run(10);
  Learn(*adaptation, options);
  const double first = Loss(*adaptation);
  options.training.steps = 40;
  Learn(*adaptation, options);
  const double second = Loss(*adaptation);
  EXPECT_EQ(adaptation->serving(), 2u);
  EXPECT_NE(first, second);

  ASSERT_OK_AND_ASSIGN(const std::uint64_t before, adaptation->Rollback());
  EXPECT_EQ(before, 1u);
  EXPECT_EQ(Loss(*adaptation), first);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t bare, adaptation->Rollback());
  EXPECT_EQ(bare, 0u);
  EXPECT_EQ(Loss(*adaptation), base);
  ASSERT_OK(adaptation->Promote(2));
  EXPECT_EQ(Loss(*adaptation), second);
  ASSERT_OK(adaptation->Promote(0));
  EXPECT_EQ(Loss(*adaptation), base);
  EXPECT_EQ(adaptation->Promote(9).code(), StatusCode::kNotFound);
}

TEST_F(AdaptationTest, RefreshPicksUpWhatAnotherProcessPromoted) {
  auto keyboard = world_.Open();
  AdaptationWorld::Record(*keyboard, 0, 60);
  const double before = Loss(*keyboard);
  auto nightly = world_.Open();
  Learn(*nightly, AdaptationWorld::Run(10));
  EXPECT_EQ(Loss(*keyboard), before);
  ASSERT_OK(keyboard->Refresh());
  EXPECT_EQ(keyboard->serving(), 1u);
  EXPECT_EQ(Loss(*keyboard), Loss(*nightly));
}

TEST_F(AdaptationTest, PredictingLooksNowAndThenWhatServes) {
  auto keyboard = world_.Open();
  AdaptationWorld::Record(*keyboard, 0, 60);
  const double base = Loss(*keyboard);
  auto nightly = world_.Open();
  Learn(*nightly, AdaptationWorld::Run(10));
  const double learned = Loss(*nightly);
  world_.clock().seconds += Adaptation::kLookAgainSeconds / 2;
  EXPECT_EQ(Loss(*keyboard), base);
  world_.clock().seconds += Adaptation::kLookAgainSeconds / 2;
  EXPECT_EQ(Loss(*keyboard), learned);
  EXPECT_EQ(keyboard->serving(), 1u);

  // Forgotten by the other, it must not go on serving; once the device is unlocked.
  ASSERT_OK(nightly->Forget({.ids = {1}}));
  world_.clock().seconds += Adaptation::kLookAgainSeconds;
  world_.keys().SetLocked(true);
  EXPECT_EQ(Loss(*keyboard), learned);
  world_.keys().SetLocked(false);
  EXPECT_EQ(Loss(*keyboard), learned);
  world_.clock().seconds += Adaptation::kLookAgainSeconds;
  EXPECT_OK(keyboard->SuggestWords("righto ", 1));
  EXPECT_EQ(keyboard->serving(), 0u);
  ASSERT_OK(nightly->Promote(0));
  Learn(*nightly, AdaptationWorld::Run(10));
  world_.clock().seconds += Adaptation::kLookAgainSeconds;
  EXPECT_OK(keyboard->Generate("righto ", {.max_tokens = 1}));
  EXPECT_EQ(keyboard->serving(), 2u);
}

TEST_F(AdaptationTest, ForgettingStopsServingWhatLearnedFromIt) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 40);
  RunOptions options = AdaptationWorld::Run(10);
  Learn(*adaptation, options);
  const double first = Loss(*adaptation);
  ASSERT_OK_AND_ASSIGN(const Recorded secret,
                       adaptation->Record({.text = "the spare key is under the blue pot"}));
  AdaptationWorld::Record(*adaptation, 40, 60);
  options.training.steps = 40;
  Learn(*adaptation, options);
  ASSERT_EQ(adaptation->serving(), 2u);

  ASSERT_OK_AND_ASSIGN(const Forgotten forgotten, adaptation->Forget({.containing = "blue pot"}));
  EXPECT_EQ(forgotten.examples, 1u);
  EXPECT_EQ(forgotten.tainted_generations, 1u);
  EXPECT_EQ(forgotten.serving, 1u);
  EXPECT_EQ(adaptation->serving(), 1u);
  EXPECT_EQ(Loss(*adaptation), first);
  EXPECT_EQ(adaptation->Promote(2).code(), StatusCode::kFailedPrecondition);
  bool found = false;
  ASSERT_OK(adaptation->ListExamples([&](const StoredExample& stored) {
    found = found || stored.id == secret.id;
    return true;
  }));
  EXPECT_FALSE(found);

  const RunReport retrained = Learn(*adaptation, options);
  EXPECT_EQ(retrained.training.train_messages + retrained.training.held_out_messages, 60);
  EXPECT_EQ(adaptation->serving(), 3u);
  // What all of them saw takes them all away.
  ASSERT_OK_AND_ASSIGN(const Forgotten first_one, adaptation->Forget({.ids = {1}}));
  EXPECT_EQ(first_one.serving, 0u);
  EXPECT_EQ(adaptation->serving(), 0u);
}

TEST_F(AdaptationTest, ForgetsByEveryFieldAndNothingByNone) {
  auto adaptation = world_.Open();
  const auto record = [&](const char* text, const char* source, std::int64_t when) {
    ASSERT_OK(adaptation->Record({.text = text, .source = source, .when = when}));
  };
  const std::int64_t now = world_.clock().unix_seconds;
  record("one", "mail", now - 300);
  record("two", "mail", now - 200);
  record("three", "chat", now - 100);
  record("four", "chat", now);
  EXPECT_EQ(adaptation->Forget({}).status().code(), StatusCode::kInvalidArgument);
  const auto forgets = [&](const ForgetQuery& query) {
    auto forgotten = adaptation->Forget(query);
    EXPECT_OK(forgotten);
    return forgotten.ok() ? forgotten->examples : 99;
  };
  EXPECT_EQ(forgets({.ids = {1, 3}, .source = "chat", .before = now - 150}), 0u);
  EXPECT_EQ(forgets({.source = "mail", .from = now - 250}), 1u);
  EXPECT_EQ(forgets({.before = now - 299}), 1u);
  EXPECT_EQ(forgets({.ids = {4, 3}, .containing = "ou"}), 1u);
  EXPECT_EQ(forgets({.ids = {3}}), 1u);
}

TEST_F(AdaptationTest, AnAdapterOfAnotherBaseDoesNotServe) {
  {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 0, 60);
    Learn(*adaptation, AdaptationWorld::Run(10));
    ASSERT_EQ(adaptation->serving(), 1u);
  }
  testing::WriteTinyModel(world_.files(), "other", /*seed=*/18);
  AdaptationOptions options = world_.Options();
  options.model = "other";
  auto other = world_.Open(options);
  const double bare = Loss(*other);
  EXPECT_EQ(other->serving(), 0u);
  ASSERT_EQ(other->Generations().size(), 1u);
  EXPECT_FALSE(other->Generations()[0].serving);
  const Status refused = other->Promote(1);
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(refused.message(), HasSubstr("another base"));
  ASSERT_OK_AND_ASSIGN(const AdaptationEvaluation evaluation, other->Evaluate());
  EXPECT_EQ(evaluation.serving, 0u);
  EXPECT_EQ(evaluation.serving_loss, evaluation.base_loss);
  // Nor is it compared with: the other model's own adapter is its first.
  const RunReport report = Learn(*other, AdaptationWorld::Run(10));
  EXPECT_NEAR(report.serving_loss, report.training.loss_before, 1e-5);
  EXPECT_EQ(other->serving(), 2u);
  EXPECT_LT(Loss(*other), bare);
  EXPECT_NE(other->Generations()[0].base, other->Generations()[1].base);
}

TEST_F(AdaptationTest, LearnsAnswersAndSkipsWhatIsNoText) {
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 20);
  for (int i = 0; i < 5; ++i) {
    ASSERT_OK(adaptation->Record({.kind = ExampleKind::kPromptCompletion,
                                  .text = "at the kiln",
                                  .prompt = StrCat("where are you, day ", i, "?")}));
    ASSERT_OK(adaptation->Record(
        {.kind = ExampleKind::kLabelledBlob, .text = "pot", .blob = std::string(100, '\1')}));
  }
  const RunReport report = Learn(*adaptation, AdaptationWorld::Run(5));
  EXPECT_EQ(report.skipped_examples, 5);
  EXPECT_EQ(report.training.train_messages + report.training.held_out_messages, 25);
}

TEST_F(AdaptationTest, NothingToLearnIsSaid) {
  auto adaptation = world_.Open();
  const Status run = adaptation->Run(AdaptationWorld::Run(5)).status();
  EXPECT_EQ(run.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(run.message(), HasSubstr("nothing to learn"));
  EXPECT_EQ(adaptation->Evaluate().status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(AdaptationTest, WithoutAModelAllButPredictingAndTrainingWorks) {
  std::string exported;
  {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 0, 40);
    RunOptions options = AdaptationWorld::Run(10);
    Learn(*adaptation, options);
    options.training.steps = 40;
    Learn(*adaptation, options);
    exported = world_.Exported(*adaptation, 1);
  }
  AdaptationOptions options = world_.Options();
  options.model = "";
  auto adaptation = world_.Open(options);
  EXPECT_EQ(adaptation->Generate("x").status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(adaptation->Run(AdaptationWorld::Run()).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_EQ(adaptation->Evaluate().status().code(), StatusCode::kFailedPrecondition);
  AdaptationWorld::Record(*adaptation, 40, 41);
  EXPECT_EQ(adaptation->serving(), 2u);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t before, adaptation->Rollback());
  EXPECT_EQ(before, 1u);
  EXPECT_TRUE(world_.Exported(*adaptation) == exported);
  ASSERT_OK(adaptation->Promote(2));
  ASSERT_OK_AND_ASSIGN(const Forgotten forgotten, adaptation->Forget({.ids = {1}}));
  EXPECT_EQ(forgotten.serving, 0u);
  EXPECT_EQ(adaptation->ExportAdapter(0, "none").code(), StatusCode::kNotFound);
}

TEST_F(AdaptationTest, ExamplesComeOutAsLinesOfJson) {
  auto adaptation = world_.Open();
  const std::int64_t when = world_.clock().unix_seconds - 60;
  ASSERT_OK(adaptation->Record({.text = "say \"hi\"\xff", .source = "chat", .when = when}));
  ASSERT_OK(adaptation->Record(
      {.kind = ExampleKind::kPromptCompletion, .text = "yes", .prompt = "tea?", .when = when}));
  for (const char* blob : {"M", "Ma", "Man"}) {
    ASSERT_OK(adaptation->Record(
        {.kind = ExampleKind::kLabelledBlob, .text = "pot", .blob = blob, .when = when}));
  }
  ASSERT_OK(adaptation->ExportExamples("out.jsonl"));
  const std::string tail = StrCat(",\"source\":\"\",\"time\":", when, "}\n");
  EXPECT_EQ(
      world_.ReadAll("out.jsonl"),
      StrCat("{\"text\":\"say \\\"hi\\\"\xef\xbf\xbd\",\"id\":1,\"source\":\"chat\",\"time\":",
             when, "}\n", "{\"prompt\":\"tea?\",\"completion\":\"yes\",\"id\":2", tail,
             "{\"label\":\"pot\",\"blob\":\"TQ==\",\"id\":3", tail,
             "{\"label\":\"pot\",\"blob\":\"TWE=\",\"id\":4", tail,
             "{\"label\":\"pot\",\"blob\":\"TWFu\",\"id\":5", tail));
  ASSERT_OK(ExportVaultExamples(world_.platform(), {.directory = "vault"}, "again.jsonl"));
  EXPECT_EQ(world_.ReadAll("again.jsonl"), world_.ReadAll("out.jsonl"));
}

TEST_F(AdaptationTest, AVaultIsLookedAfterWithoutItsModel) {
  const VaultLocation location{.directory = "vault"};
  EXPECT_EQ(InspectVault(world_.platform(), location).status().code(), StatusCode::kNotFound);
  {
    auto adaptation = world_.Open();
    AdaptationWorld::Record(*adaptation, 0, 60);
    Learn(*adaptation, AdaptationWorld::Run(10));
    RunOptions stopped = AdaptationWorld::Run(30);
    stopped.stop_at_step = 7;
    Learn(*adaptation, stopped);
  }
  ASSERT_OK_AND_ASSIGN(const VaultStatus status, InspectVault(world_.platform(), location));
  EXPECT_EQ(status.examples, 60u);
  EXPECT_GT(status.example_bytes, 0u);
  EXPECT_EQ(status.checkpoints, 2u);
  EXPECT_EQ(status.checkpoint_step, 7);
  ASSERT_EQ(status.generations.size(), 1u);
  EXPECT_TRUE(status.generations[0].serving);
  EXPECT_TRUE(status.quarantine.empty());
  EXPECT_EQ(status.key_generation, 1u);

  ASSERT_OK(RotateVaultKey(world_.platform(), location));
  ASSERT_OK_AND_ASSIGN(const VaultStatus rotated, InspectVault(world_.platform(), location));
  EXPECT_EQ(rotated.key_generation, 2u);
  ASSERT_OK_AND_ASSIGN(auto sound, VerifyVault(world_.platform(), location));
  EXPECT_TRUE(sound.empty());

  for (auto [path, bytes] : world_.files().files()) {
    if (!path.ends_with(".adapter")) continue;
    bytes[bytes.size() / 2] ^= 1;
    world_.files().Put(path, bytes);
  }
  ASSERT_OK_AND_ASSIGN(auto damaged, VerifyVault(world_.platform(), location));
  ASSERT_EQ(damaged.size(), 1u);
  EXPECT_THAT(damaged[0].what, HasSubstr("adapter "));
  // Opening it serves what is sound, and says what is not.
  auto adaptation = world_.Open();
  EXPECT_OK(adaptation->ScoreText("righto"));
  EXPECT_EQ(adaptation->serving(), 0u);
  ASSERT_OK_AND_ASSIGN(const VaultStatus after, InspectVault(world_.platform(), location));
  EXPECT_EQ(after.quarantine.size(), 1u);
}

// Neither what was typed nor what was learned from it is on the disk in plain,
// until it is exported.
TEST_F(AdaptationTest, NothingIsOnTheDiskInPlain) {
  const std::string canary = "the spare key is under the blue pot";
  std::vector<std::string> seen;  // Of the disk, at every step.
  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 30);
  ASSERT_OK(adaptation->Record({.text = canary}));
  RunOptions options = AdaptationWorld::Run(10);
  const auto remember = [&] {
    for (const auto& [path, bytes] : world_.files().files()) {
      if (path.starts_with("vault/")) seen.push_back(bytes);
    }
  };
  ASSERT_OK(adaptation->Run(options, [&](const TrainingEvent&) {
    remember();
    return true;
  }));
  remember();
  const std::string adapter = world_.Exported(*adaptation);
  ASSERT_GT(seen.size(), 30u);
  for (const std::string& bytes : seen) {
    EXPECT_EQ(bytes.find(canary.substr(0, 12)), std::string::npos);
    EXPECT_EQ(bytes.find("lora_A"), std::string::npos);
    for (std::size_t at = 0; at + 16 <= adapter.size(); at += adapter.size() / 50) {
      EXPECT_EQ(bytes.find(adapter.substr(at, 16)), std::string::npos) << at;
    }
  }
}

TEST_F(AdaptationTest, SealingAStateIsPartOfThePrediction) {
  std::string lines;
  for (const std::string& message : AdaptationWorld::Messages(0, 60)) lines += message + "\n";
  testing::WriteFile(world_.files(), "history.txt", lines);
  PersonalizeOptions plain;
  plain.model = "base";
  plain.data = "history.txt";
  plain.output = "plain";
  plain.training = AdaptationWorld::Run(1).training;
  ASSERT_OK_AND_ASSIGN(const TrainingReport unsealed, Personalize(world_.platform(), plain));

  auto adaptation = world_.Open();
  AdaptationWorld::Record(*adaptation, 0, 60);
  RunOptions options = AdaptationWorld::Run(1);
  const RunReport sealed = Learn(*adaptation, options);
  const std::int64_t state = unsealed.trained_parameters * 3 * 4;
  EXPECT_GE(sealed.training.predicted_bytes, unsealed.predicted_bytes + 2 * state);

  options.training.memory_budget_bytes = unsealed.predicted_bytes + state;
  const Status status = adaptation->Run(options).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(status.message(), HasSubstr(StrCat(options.training.memory_budget_bytes)));
}

TEST_F(AdaptationTest, RefusesWhatCannotBe) {
  const auto refuses = [&](auto change) {
    AdaptationOptions options = world_.Options();
    change(&options);
    const Status status = Adaptation::Open(world_.platform(), options).status();
    EXPECT_FALSE(world_.files().Exists("vault"));
    return status.code();
  };
  EXPECT_EQ(refuses([](auto* o) { o->vault = ""; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refuses([](auto* o) { o->adapter = "a/b"; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refuses([](auto* o) { o->held_out_fraction = 1; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refuses([](auto* o) { o->held_out_examples = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refuses([](auto* o) { o->keep_checkpoints = 0; }), StatusCode::kInvalidArgument);
  EXPECT_EQ(refuses([](auto* o) { o->create_vault = false; }), StatusCode::kNotFound);
  const auto opens = [&] { return Adaptation::Open(world_.platform(), world_.Options()).status(); };
  world_.keys().SetLocked(true);
  EXPECT_EQ(opens().code(), StatusCode::kUnavailable);
  world_.keys().SetLocked(false);
  EXPECT_OK(opens());
  Platform without_keys = world_.platform();
  without_keys.keys = nullptr;
  EXPECT_EQ(Adaptation::Open(without_keys, world_.Options()).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune
