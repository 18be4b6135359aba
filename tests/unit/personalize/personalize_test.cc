#include "attune/personalize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>

#include "base/strings.h"
#include "cpu/cpu_backend.h"
#include "formats/peft.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "posix/thread_pool.h"
#include "session/platform.h"
#include "session/training_checkpoint.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"
#include "support/tiny_language_model.h"

namespace attune {
namespace {

class PersonalizeTest : public ::testing::Test {
 protected:
  PersonalizeTest() {
    testing::WriteTinyModel(files_, directory_ / "base");
    testing::WriteFile(files_, directory_ / "history.txt", testing::TinyMessages(60));
  }
  PersonalizeOptions Options(const std::string& output = "out") {
    PersonalizeOptions options;
    options.model = directory_ / "base";
    options.data = directory_ / "history.txt";
    options.output = directory_ / output;
    options.training.steps = 40;
    options.training.batch = 2;
    options.training.sequence = 32;
    options.training.rank = 4;
    options.training.learning_rate = 0.01;
    options.training.seed = 3;
    return options;
  }
  std::string Read(const std::string& name) {
    auto bytes = files_.Read(directory_ / name, 1 << 26);
    EXPECT_OK(bytes);
    return bytes.ok() ? *bytes : "";
  }
  bool Exists(const std::string& name) { return files_.Exists(directory_ / name); }

  PosixFileSystem files_;
  PosixClock clock_;
  ThreadPool pool_{2};
  std::unique_ptr<Backend> backend_ = MakeCpuBackend(pool_);
  const Platform platform_{&files_, &clock_, &pool_, backend_.get()};
  testing::TemporaryDirectory directory_;
};

// Some readers of adapters take target_modules as a list only.
TEST_F(PersonalizeTest, WritesTheTrainedModulesAsAList) {
  PersonalizeOptions options = Options();
  options.training.steps = 1;
  ASSERT_OK(Personalize(platform_, options));
  ASSERT_OK_AND_ASSIGN(const PeftAdapter all, ReadPeftAdapter(files_, directory_ / "out"));
  const auto* suffixes = std::get_if<TargetNames>(&all.config.target_modules);
  ASSERT_NE(suffixes, nullptr);
  EXPECT_EQ(*suffixes, (TargetNames{"down_proj", "gate_proj", "k_proj", "o_proj", "q_proj",
                                    "up_proj", "v_proj"}));

  options = Options("by_pattern");
  options.training.steps = 1;
  options.training.target_pattern = R"(model\.layers\.0\..*\.q_proj)";
  ASSERT_OK(Personalize(platform_, options));
  ASSERT_OK_AND_ASSIGN(const PeftAdapter one, ReadPeftAdapter(files_, directory_ / "by_pattern"));
  const auto* paths = std::get_if<TargetNames>(&one.config.target_modules);
  ASSERT_NE(paths, nullptr);
  EXPECT_EQ(*paths, TargetNames{"model.layers.0.self_attn.q_proj"});
}

TEST_F(PersonalizeTest, AnAdapterPredictsItsUserBetterThanTheBase) {
  std::int64_t events = 0, tested = 0;
  ASSERT_OK_AND_ASSIGN(const TrainingReport report,
                       Personalize(platform_, Options(), [&](const TrainingEvent& event) {
                         EXPECT_EQ(event.step, ++events);
                         EXPECT_EQ(event.steps, 40);
                         tested += event.has_held_out_loss;
                         return true;
                       }));
  EXPECT_TRUE(report.finished);
  EXPECT_EQ(events, 40);
  EXPECT_EQ(tested, 10);
  EXPECT_EQ(report.train_messages, 54);
  EXPECT_EQ(report.held_out_messages, 6);
  // A base of random weights leaves an adapter little to work with.
  EXPECT_LT(report.loss_after, report.loss_before - 0.1);
  EXPECT_GT(report.predicted_bytes, 0);

  ASSERT_OK_AND_ASSIGN(const PeftAdapter adapter, ReadPeftAdapter(files_, directory_ / "out"));
  EXPECT_EQ(adapter.modules.size(), 14u);
  EXPECT_EQ(adapter.config.rank, 4);
  EXPECT_EQ(adapter.metadata.at("attune.steps"), "40");
  EXPECT_TRUE(Read("out/loss_curve.svg").starts_with("<svg"));
  EXPECT_TRUE(Read("out/loss_curve.csv").starts_with("step,"));
  EXPECT_FALSE(Exists("out/training_state.safetensors"));
}

// The figures of the report are those that the facade measures afterwards.
TEST_F(PersonalizeTest, TheSavedAdapterIsTheOneThatWasTested) {
  PersonalizeOptions options = Options();
  testing::WriteFile(files_, directory_ / "held.txt", "righto, touch wood\n");
  options.held_out_data = directory_ / "held.txt";
  ASSERT_OK_AND_ASSIGN(const TrainingReport report, Personalize(platform_, options));
  ASSERT_OK_AND_ASSIGN(auto model, LanguageModel::Open(platform_, options.model));
  const auto score = [&] {
    // Scores the text and its end, as training does.
    auto text = model->ScoreText("righto, touch wood");
    EXPECT_OK(text);
    return text->nats_per_token;
  };
  const double before = score();
  ASSERT_OK(model->LoadAdapter(options.output));
  const double after = score();
  // Only the end token differs between the two measures: 1 of 19.
  EXPECT_NEAR(before, report.loss_before, 0.2);
  EXPECT_NEAR(after, report.loss_after, 0.4);
  EXPECT_LT(after, before - 0.1);
}

TEST_F(PersonalizeTest, EqualRunsGiveEqualBytesAndAnotherSeedDoesNot) {
  ASSERT_OK(Personalize(platform_, Options("one")));
  ASSERT_OK(Personalize(platform_, Options("two")));
  PersonalizeOptions other = Options("three");
  other.training.seed = 4;
  ASSERT_OK(Personalize(platform_, other));
  EXPECT_TRUE(Read("one/adapter_model.safetensors") == Read("two/adapter_model.safetensors"));
  EXPECT_FALSE(Read("one/adapter_model.safetensors") == Read("three/adapter_model.safetensors"));
}

TEST_F(PersonalizeTest, FullTrainingWritesAModelThatOpensAndIsBetter) {
  for (WeightFormat format : {WeightFormat::kF32, WeightFormat::kBf16, WeightFormat::kF16}) {
    PersonalizeOptions options = Options();
    options.full = true;
    options.full_format = format;
    ASSERT_OK_AND_ASSIGN(const TrainingReport report, Personalize(platform_, options));
    EXPECT_LT(report.loss_after, report.loss_before - 0.5);
    ASSERT_OK_AND_ASSIGN(auto model, LanguageModel::Open(platform_, options.output));
    ASSERT_OK_AND_ASSIGN(const Score score, model->ScoreText("righto, touch wood"));
    EXPECT_LT(score.nats_per_token, report.loss_before - 0.5);
  }
}

TEST_F(PersonalizeTest, TrainsFromRandomWeights) {
  ASSERT_OK(files_.CreateDirectories(directory_ / "empty"));
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"}) {
    testing::WriteFile(files_, directory_ / (std::string("empty/") + name),
                       Read(std::string("base/") + name));
  }
  PersonalizeOptions options = Options();
  options.model = directory_ / "empty";
  options.full = options.from_scratch = true;
  ASSERT_OK_AND_ASSIGN(const TrainingReport report, Personalize(platform_, options));
  EXPECT_NEAR(report.loss_before, std::log(260.0), 0.3);
  EXPECT_LT(report.loss_after, report.loss_before - 1);
  EXPECT_OK(LanguageModel::Open(platform_, options.output));
}

TEST_F(PersonalizeTest, StoppingSavesTheStateAndResumingFinishesTheSameRun) {
  ASSERT_OK(Personalize(platform_, Options("straight")));
  PersonalizeOptions options = Options("broken");
  ASSERT_OK_AND_ASSIGN(
      const TrainingReport stopped,
      Personalize(platform_, options, [](const TrainingEvent& event) { return event.step < 13; }));
  EXPECT_FALSE(stopped.finished);
  EXPECT_EQ(stopped.steps, 13);
  EXPECT_TRUE(Exists("broken/training_state.safetensors"));
  EXPECT_FALSE(Exists("broken/adapter_model.safetensors"));
  options.resume = true;
  ASSERT_OK_AND_ASSIGN(const TrainingReport report, Personalize(platform_, options));
  EXPECT_TRUE(report.finished);
  for (const char* name : {"adapter_model.safetensors", "loss_curve.csv", "loss_curve.svg"}) {
    EXPECT_TRUE(Read(std::string("straight/") + name) == Read(std::string("broken/") + name))
        << name;
  }
}

// The safetensors file with another number in its metadata.
std::string WithCounter(const std::string& file, const std::string& key,
                        const std::string& number) {
  std::uint64_t size = 0;
  std::memcpy(&size, file.data(), sizeof size);
  std::string header = file.substr(sizeof size, size);
  const std::string before = StrCat("\"", key, "\":\"");
  const std::size_t at = header.find(before) + before.size();
  header.replace(at, header.find('"', at) - at, number);
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const std::uint64_t new_size = header.size();
  std::string out(sizeof new_size, '\0');
  std::memcpy(out.data(), &new_size, sizeof new_size);
  return out + header + file.substr(sizeof size + size);
}

TEST_F(PersonalizeTest, ADamagedOrForeignStateIsRefused) {
  PersonalizeOptions options = Options();
  options.stop_at_step = 5;
  ASSERT_OK(Personalize(platform_, options));
  options.resume = true;
  const std::string path = "out/training_state.safetensors";
  const std::string good = Read(path);
  const auto code = [&] { return Personalize(platform_, options).status().code(); };

  testing::WriteFile(files_, directory_ / path, good.substr(0, good.size() - 9));
  EXPECT_EQ(code(), StatusCode::kDataLoss);
  std::string other = good;
  const std::size_t base = other.find("\"base\":\"") + 8;
  other[base] = other[base] == '0' ? '1' : '0';
  testing::WriteFile(files_, directory_ / path, other);
  EXPECT_EQ(code(), StatusCode::kFailedPrecondition);
  // Counting on from here would overflow.
  for (const char* key : {"epoch", "tokens", "step"}) {
    testing::WriteFile(files_, directory_ / path, WithCounter(good, key, "9223372036854775807"));
    const Status status = Personalize(platform_, options).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.ToString();
    EXPECT_NE(status.message().find(key), std::string::npos) << status.ToString();
  }
  testing::WriteFile(files_, directory_ / path, good);
  options.training.seed += 1;
  EXPECT_EQ(code(), StatusCode::kFailedPrecondition);
  options.training.seed -= 1;
  EXPECT_EQ(code(), StatusCode::kOk);
}

TEST_F(PersonalizeTest, WhatCannotBeWrittenIsNotTrainedTwice) {
  ASSERT_OK(Personalize(platform_, Options("straight")));
  PersonalizeOptions options = Options("blocked");
  const std::filesystem::path obstacle = directory_ / "blocked/adapter_model.safetensors";
  ASSERT_OK(files_.CreateDirectories(obstacle / "inside"));
  EXPECT_FALSE(Personalize(platform_, options).ok());
  std::filesystem::remove_all(obstacle);
  options.resume = true;
  int steps = 0;
  ASSERT_OK(Personalize(platform_, options, [&](const TrainingEvent&) { return ++steps > 0; }));
  EXPECT_EQ(steps, 0);
  EXPECT_TRUE(Read("blocked/adapter_model.safetensors") ==
              Read("straight/adapter_model.safetensors"));
}

TEST_F(PersonalizeTest, RefusesWithBothNumbersAndWritesNothing) {
  PersonalizeOptions options = Options();
  options.training.memory_budget_bytes = 100000;
  const Status status = Personalize(platform_, options).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("the budget is 100000"), std::string::npos) << status.message();
  EXPECT_FALSE(Exists("out"));

  const auto refuses = [&](auto change) {
    PersonalizeOptions changed = Options();
    change(&changed);
    const Status refused = Personalize(platform_, changed).status();
    EXPECT_FALSE(Exists("out"));
    return StrCat(StatusCodeName(refused.code()), ": ", refused.message());
  };
  EXPECT_EQ(refuses([](auto* o) { o->training.sequence = 65; }),
            "invalid argument: sequences of 65 tokens, the model allows 2 to 64");
  EXPECT_EQ(refuses([](auto* o) { o->training.rank = 0; }),
            "invalid argument: rank 0, allowed 1 to 4096");
  EXPECT_EQ(refuses([](auto* o) { o->training.targets = {"nothing"}; }),
            "invalid argument: no linear layer is called 'nothing'");
  EXPECT_TRUE(refuses([](auto* o) { o->from_scratch = true; }).starts_with("invalid argument: "));
  EXPECT_TRUE(refuses([](auto* o) { o->data += "x"; }).starts_with("not found: "));
}

TEST_F(PersonalizeTest, DropoutRsloraPatternsAndUnpackedRowsTrainToo) {
  PersonalizeOptions options = Options();
  options.training.dropout = 0.1;
  options.training.rslora = true;
  options.training.target_pattern = ".*\\.(q|v)_proj";
  options.training.packed = false;
  options.training.sequence = 40;
  options.training.micro_batches = 2;
  ASSERT_OK_AND_ASSIGN(const TrainingReport report, Personalize(platform_, options));
  EXPECT_LT(report.loss_after, report.loss_before);
  ASSERT_OK_AND_ASSIGN(const PeftAdapter adapter, ReadPeftAdapter(files_, directory_ / "out"));
  EXPECT_EQ(adapter.modules.size(), 4u);
  EXPECT_TRUE(adapter.config.use_rslora);
}

}  // namespace
}  // namespace attune
