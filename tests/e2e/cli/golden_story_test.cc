// A pretrained story model through the command: the greedy story that llama2.c
// itself tells, and the probability of a text.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "e2e/cli/command.h"
#include "formats/json.h"

namespace attune::testing {
namespace {

class GoldenStory : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("ATTUNE_SHARED_DATA");
    const std::string root =
        shared != nullptr ? shared : std::string(ATTUNE_SOURCE_DIR) + "/../shared/data";
    folder_ = root + "/lm-stories260k";
    if (!std::filesystem::exists(folder_)) {
      GTEST_SKIP() << "no folder lm-stories260k in ATTUNE_SHARED_DATA or ../shared/data";
    }
    model_ = {"--model", folder_ + "/stories260K.bin", "--tokenizer", folder_ + "/tok512.bin"};
  }

  CommandResult Run(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), model_.begin(), model_.end());
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunAttune(arguments);
  }

  std::string folder_;
  std::vector<std::string> model_;
};

TEST_F(GoldenStory, IsToldWordForWord) {
  const std::string golden = FileBytes(folder_ + "/golden_greedy_256.txt");
  ASSERT_GT(golden.size(), 500u);
  const CommandResult result =
      Run({"generate"}, {"--prompt", "", "--max-tokens", "256", "--temperature", "0"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, golden);
}

TEST_F(GoldenStory, ContinuesItsOwnBeginning) {
  const std::string golden = FileBytes(folder_ + "/golden_greedy_256.txt");
  const CommandResult result = Run({"generate"}, {"--prompt", "Once upon a time, there was a",
                                                  "--max-tokens", "40", "--temperature", "0"});
  ASSERT_GT(result.out.size(), 60u);
  EXPECT_TRUE(golden.starts_with(result.out.substr(0, result.out.size() - 1))) << result.out;
}

TEST_F(GoldenStory, ScoresItsSample) {
  const CommandResult result =
      Run({"score"}, {"--text", folder_ + "/tinystories_sample.txt", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto document = JsonDocument::Parse(result.out);
  ASSERT_TRUE(document.ok()) << result.out;
  const auto nats = document->root().GetNumber("nats_per_token");
  ASSERT_TRUE(nats.ok());
  // An independent forward pass gives 1.266.
  EXPECT_NEAR(*nats, 1.266, 0.002);
}

}  // namespace
}  // namespace attune::testing
