// The facade on the fixture of shared data.

#include "attune/language_model.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "formats/safetensors.h"
#include "platform/platform.h"
#include "ports/file_system.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

std::string SharedData() {
  const char* set = std::getenv("ATTUNE_SHARED_DATA");
  return set != nullptr ? set : ATTUNE_SOURCE_DIR "/../shared/data";
}

class Stories : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!files().Exists(directory_ + "/stories260K.bin")) {
      GTEST_SKIP() << "shared data is absent: set ATTUNE_SHARED_DATA";
    }
    auto model = LanguageModel::Open(platform_.get(), directory_ + "/stories260K.bin",
                                     {.tokenizer = directory_ + "/tok512.bin"});
    ASSERT_OK(model);
    model_ = *std::move(model);
  }
  FileSystem& files() { return *platform_.get().files; }
  std::string Read(const std::string& name) {
    auto bytes = files().Read(directory_ + "/" + name, 1 << 20);
    EXPECT_OK(bytes);
    return bytes.ok() ? *bytes : "";
  }

  const std::string directory_ = SharedData() + "/lm-stories260k";
  DefaultPlatform platform_{2};
  std::unique_ptr<LanguageModel> model_;
};

// The file ends with the line feed that llama2.c's program adds.
TEST_F(Stories, GreedyTextIsThatOfLlama2c) {
  ASSERT_OK_AND_ASSIGN(const Generated out, model_->Generate("", {.max_tokens = 256}));
  EXPECT_EQ(out.text + "\n", Read("golden_greedy_256.txt"));
  EXPECT_EQ(out.tokens, 256);
}

TEST_F(Stories, ScoreIsThatOfAnIndependentForward) {
  ASSERT_OK_AND_ASSIGN(const Score score, model_->ScoreText(Read("tinystories_sample.txt")));
  EXPECT_NEAR(score.nats_per_token, 1.266, 0.002);
}

TEST_F(Stories, APromptIsContinuedPieceByPiece) {
  std::string pieces;
  ASSERT_OK_AND_ASSIGN(const Generated out,
                       model_->Generate("Once upon a time, there was a", {.max_tokens = 12},
                                        [&](std::string_view piece) {
                                          pieces += piece;
                                          return true;
                                        }));
  EXPECT_EQ(pieces, out.text);
  EXPECT_TRUE(out.text.starts_with(" little girl")) << out.text;
  EXPECT_EQ(out.stop, StopReason::kMaxTokens);
}

TEST_F(Stories, TheCallbackStops) {
  ASSERT_OK_AND_ASSIGN(
      const Generated out,
      model_->Generate("Once", {.max_tokens = 50}, [](std::string_view) { return false; }));
  EXPECT_EQ(out.stop, StopReason::kCallback);
  EXPECT_EQ(out.tokens, 1);
}

TEST_F(Stories, GenerationEndsWhereTheContextDoes) {
  ASSERT_OK_AND_ASSIGN(
      auto small,
      LanguageModel::Open(platform_.get(), directory_ + "/stories260K.bin",
                          {.tokenizer = directory_ + "/tok512.bin", .context_tokens = 20}));
  ASSERT_OK_AND_ASSIGN(const Generated out, small->Generate("", {.max_tokens = 100}));
  EXPECT_EQ(out.stop, StopReason::kContextFull);
  EXPECT_EQ(out.tokens, 20);
  // The last prediction is made from a full context and need not be fed.
  EXPECT_TRUE(model_->Generate("", {.max_tokens = 20})->text == out.text);
  EXPECT_FALSE(small->Generate(std::string(200, 'x'), {}).ok());
}

TEST_F(Stories, EqualSeedsGenerateEqualText) {
  const GenerateOptions options{.max_tokens = 20, .temperature = 1, .top_p = 0.9f, .seed = 5};
  ASSERT_OK_AND_ASSIGN(const Generated first, model_->Generate("One day", options));
  ASSERT_OK_AND_ASSIGN(const Generated second, model_->Generate("One day", options));
  EXPECT_EQ(first.text, second.text);
  GenerateOptions other = options;
  other.seed = 6;
  EXPECT_NE(model_->Generate("One day", other)->text, first.text);
}

TEST_F(Stories, SuggestsWholeWords) {
  ASSERT_OK_AND_ASSIGN(const auto next, model_->SuggestWords("Once upon a ", 3));
  ASSERT_GE(next.size(), 1u);
  EXPECT_EQ(next[0].word, "time");
  EXPECT_GT(next[0].probability, 0.9);
  ASSERT_OK_AND_ASSIGN(const auto completed, model_->SuggestWords("there was a little g", 3));
  ASSERT_GE(completed.size(), 1u);
  EXPECT_EQ(completed[0].word, "girl");
  EXPECT_FALSE(completed[0].follows);
  ASSERT_OK_AND_ASSIGN(const auto followed, model_->SuggestWords("Once upon a time", 3));
  EXPECT_FALSE(followed.empty());
  EXPECT_FALSE(model_->SuggestWords("x", 0).ok());
}

TEST_F(Stories, SuggestionsDoNotDependOnWhatWasAskedBefore) {
  ASSERT_OK_AND_ASSIGN(const auto before, model_->SuggestWords("She loved to ", 3));
  ASSERT_OK(model_->SuggestWords("One day, a big dog", 3));
  ASSERT_OK(model_->Generate("The bird", {.max_tokens = 30}));
  ASSERT_OK_AND_ASSIGN(const auto after, model_->SuggestWords("She loved to ", 3));
  ASSERT_EQ(before.size(), after.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    EXPECT_EQ(before[i].word, after[i].word);
    EXPECT_NEAR(before[i].probability, after[i].probability, 1e-4);
  }
}

TEST_F(Stories, LongTextsAreScoredAndSuggestedFrom) {
  std::string text;
  while (text.size() < 6000) text += "Once upon a time, there was a little girl named Lily. ";
  ASSERT_OK_AND_ASSIGN(const Score score, model_->ScoreText(text));
  EXPECT_GT(score.tokens, 600);
  EXPECT_LT(score.nats_per_token, 2);
  EXPECT_OK(model_->SuggestWords(text, 3));
}

TEST_F(Stories, RefusesWhatIsNotThere) {
  EXPECT_EQ(LanguageModel::Open(platform_.get(), directory_ + "/none").status().code(),
            StatusCode::kNotFound);
  EXPECT_EQ(model_->LoadAdapter(directory_).code(), StatusCode::kNotFound);
  EXPECT_FALSE(model_->has_adapter());
  EXPECT_FALSE(model_->ScoreText(" \n").ok());
  EXPECT_FALSE(model_->Generate("", {.temperature = -1}).ok());
}

}  // namespace
}  // namespace attune
