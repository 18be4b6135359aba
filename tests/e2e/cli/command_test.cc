// What the command promises about options, output and exit codes.

#include <gtest/gtest.h>
#include <signal.h>
#include <time.h>

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <string>

#include "e2e/cli/command.h"
#include "formats/json.h"
#include "posix/posix_file_system.h"
#include "support/tiny_language_model.h"

namespace attune::testing {
namespace {

// The last line of `text` as JSON.
JsonDocument LastJson(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) last = line;
  auto document = JsonDocument::Parse(last);
  EXPECT_TRUE(document.ok()) << document.status().ToString() << "\n" << last;
  return document.ok() ? *std::move(document) : *JsonDocument::Parse("{}");
}

double NumberOf(const JsonDocument& document, std::string_view key) {
  const auto value = document.root().GetNumber(key);
  EXPECT_TRUE(value.ok()) << value.status().ToString();
  return value.ok() ? *value : std::nan("");
}

class CommandTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTinyModel(files_, directory_ / "model");
    PutFile(directory_ / "notes.txt", TinyMessages(60));
  }

  // `attune train` with more arguments, into the folder `out`.
  std::vector<std::string> TrainArguments(const std::string& out,
                                          const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {"train",
                                          "--model",
                                          directory_ / "model",
                                          "--data",
                                          directory_ / "notes.txt",
                                          "--out",
                                          directory_ / out,
                                          "--seq",
                                          "48",
                                          "--rank",
                                          "4",
                                          "--seed",
                                          "3",
                                          "--workers",
                                          "2",
                                          "--json"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  PosixFileSystem files_;
  TemporaryDirectory directory_;
};

TEST(Usage, VersionAndHelpSucceed) {
  const CommandResult version = RunAttune({"--version"});
  EXPECT_EQ(version.exit_code, 0);
  EXPECT_TRUE(version.out.starts_with("attune ")) << version.out;
  for (const char* command : {"record", "run", "vault", "generate", "score", "suggest", "train",
                              "eval", "inspect", "bench"}) {
    const CommandResult help = RunAttune({command, "--help"});
    EXPECT_EQ(help.exit_code, 0) << command;
    EXPECT_NE(help.out.find("Exit codes: 0 done"), std::string::npos) << command;
  }
}

TEST(Usage, MistakesAreOneLineWithoutWhatWasTyped) {
  ExpectOneLineError(RunAttune({}), 2, "attune: ");
  ExpectOneLineError(RunAttune({"train"}), 2, "attune: train: --");
  ExpectOneLineError(RunAttune({"train", "--steps", "many"}), 2, "attune: train: ");
  ExpectOneLineError(RunAttune({"score", "--precision", "f99"}), 2, "attune: score: --precision");
  const CommandResult unquoted =
      RunAttune({"suggest", "--model", "m", "--prefix", "see", "xyzzyplugh"});
  ExpectOneLineError(unquoted, 2, "attune: suggest: ");
  EXPECT_EQ(unquoted.err.find("xyzzyplugh"), std::string::npos) << unquoted.err;
}

TEST_F(CommandTest, TrainsAnAdapterThatEvalAgreesWith) {
  const CommandResult train =
      RunAttune(TrainArguments("out", {"--steps", "100", "--lr", "0.02", "--held-out", "0.2"}));
  ASSERT_EQ(train.exit_code, 0) << train.err;
  EXPECT_EQ(train.err, "");
  const JsonDocument report = LastJson(train.out);
  // Not far: a head of small random weights cannot be sure of anything.
  EXPECT_LT(NumberOf(report, "loss_after"), NumberOf(report, "loss_before") - 0.1);
  EXPECT_GT(NumberOf(report, "peak_resident_bytes"), 0);

  std::vector<std::string> eval = {
      "eval", "--model", directory_ / "model", "--data", directory_ / "notes.txt", "--held-out",
      "0.2",  "--json"};
  const JsonDocument before = LastJson(RunAttune(eval).out);
  eval.insert(eval.end(), {"--adapter", directory_ / "out"});
  const JsonDocument after = LastJson(RunAttune(eval).out);
  EXPECT_EQ(NumberOf(after, "tokens"), NumberOf(report, "held_out_tokens"));
  // The same labels in rows of another length: f32 sums in another order.
  EXPECT_NEAR(NumberOf(before, "nats_per_token"), NumberOf(report, "loss_before"), 1e-5);
  EXPECT_NEAR(NumberOf(after, "nats_per_token"), NumberOf(report, "loss_after"), 1e-5);
  EXPECT_GE(NumberOf(after, "hit_rate_at_3"), NumberOf(after, "hit_rate_at_1"));
  EXPECT_GT(NumberOf(after, "words"), 0);
}

// In half precision, over the simulator: the adapter is a PEFT directory like any other.
TEST_F(CommandTest, TrainsOnASimulatedNeuralEngineForTheCpuToServe) {
  const auto trained = [&](const std::string& out, const std::string& device) {
    const CommandResult result =
        RunAttune(TrainArguments(out, {"--steps", "12", "--device", device}));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return LastJson(result.out);
  };
  const JsonDocument there = trained("there", "ane-sim:m4"), here = trained("here", "cpu");
  EXPECT_NEAR(NumberOf(there, "loss_after"), NumberOf(here, "loss_after"),
              0.005 * NumberOf(here, "loss_after"));
  EXPECT_EQ(NumberOf(there, "skipped_steps"), 0);
  EXPECT_GT(NumberOf(there, "device_programs"), 1);
  EXPECT_EQ(NumberOf(there, "device_compiles"), NumberOf(there, "device_loads"));
  EXPECT_EQ(NumberOf(there, "device_evictions"), 0);
  EXPECT_EQ(NumberOf(there, "device_fallbacks"), 0);
  EXPECT_GT(NumberOf(there, "device_predicted_ms"), 0);
  EXPECT_EQ(here.root().Find("device_programs"), nullptr);
  const CommandResult served = RunAttune({"eval", "--model", directory_ / "model", "--adapter",
                                          directory_ / "there", "--data", directory_ / "notes.txt",
                                          "--held-out", "0.1", "--max-words", "0", "--json"});
  ASSERT_EQ(served.exit_code, 0) << served.err;
  EXPECT_NEAR(NumberOf(LastJson(served.out), "nats_per_token"), NumberOf(there, "loss_after"),
              0.005 * NumberOf(there, "loss_after"));
}

TEST_F(CommandTest, AnUnknownDeviceIsAUsageMistakeAndAMissingOneLeavesItToTheCpu) {
  const CommandResult unknown = RunAttune({"score", "--model", directory_ / "model", "--text",
                                           directory_ / "notes.txt", "--device", "gpu"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_NE(unknown.err.find("ane-sim[:CHIP][:exact]"), std::string::npos) << unknown.err;
  setenv("ATTUNE_ANE_FRAMEWORK", "/nowhere/AppleNeuralEngine", /*overwrite=*/1);
  const CommandResult missing = RunAttune({"score", "--model", directory_ / "model", "--text",
                                           directory_ / "notes.txt", "--device", "ane"});
  EXPECT_EQ(missing.exit_code, 0);
  EXPECT_NE(missing.err.find("the CPU computes instead"), std::string::npos) << missing.err;
  unsetenv("ATTUNE_ANE_FRAMEWORK");
}

TEST_F(CommandTest, ResumedInAnotherProcessWritesTheSameBytes) {
  ASSERT_EQ(RunAttune(TrainArguments("whole", {"--steps", "200"})).exit_code, 0);
  const CommandResult half =
      RunAttune(TrainArguments("parts", {"--steps", "200", "--stop-at", "100"}));
  ASSERT_EQ(half.exit_code, 0) << half.err;
  EXPECT_FALSE(std::filesystem::exists(directory_ / "parts/adapter_model.safetensors"));
  const CommandResult rest = RunAttune(TrainArguments("parts", {"--steps", "200", "--resume"}));
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(rest.out.find("\"step\":100,"), std::string::npos) << "began anew";

  for (const char* name : {"adapter_model.safetensors", "adapter_config.json", "loss_curve.csv"}) {
    const std::string whole = FileBytes(directory_ / (std::string("whole/") + name));
    ASSERT_FALSE(whole.empty()) << name;
    EXPECT_TRUE(whole == FileBytes(directory_ / (std::string("parts/") + name))) << name;
  }
  // The adapter is not simply the one that training begins with.
  ASSERT_EQ(RunAttune(TrainArguments("short", {"--steps", "100"})).exit_code, 0);
  EXPECT_FALSE(FileBytes(directory_ / "short/adapter_model.safetensors") ==
               FileBytes(directory_ / "whole/adapter_model.safetensors"));
}

TEST_F(CommandTest, InterruptSavesTheStateAndSaysSo) {
  const std::vector<std::string> endless = {"--steps", "1000000", "--evaluate-every", "-1"};
  Command command(directory_, TrainArguments("out", endless));
  for (int i = 0; i < 3000 && command.out().find("\"step\":2,") == std::string::npos; ++i) {
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  ASSERT_EQ(kill(command.pid(), SIGINT), 0);
  EXPECT_EQ(command.Wait(), 130);
  const JsonDocument report = LastJson(command.out());
  EXPECT_NE(command.out().find("\"event\":\"stopped\""), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "out/adapter_model.safetensors"));

  // What was saved goes on where it stopped.
  const auto steps = static_cast<long long>(NumberOf(report, "steps"));
  auto more = endless;
  more.insert(more.end(), {"--resume", "--stop-at", std::to_string(steps + 1)});
  const CommandResult resumed = RunAttune(TrainArguments("out", more));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(NumberOf(LastJson(resumed.out), "steps"), static_cast<double>(steps + 1));
}

TEST_F(CommandTest, InspectTellsWhatThingsAre) {
  const CommandResult model = RunAttune({"inspect", directory_ / "model", "--json"});
  EXPECT_NE(model.out.find("\"kind\":\"model\",\"family\":\"llama\""), std::string::npos);
  const CommandResult data = RunAttune({"inspect", directory_ / "notes.txt", "--json"});
  EXPECT_NE(data.out.find("\"kind\":\"data\",\"format\":\"text\",\"messages\":60"),
            std::string::npos)
      << data.out;
  const CommandResult adapter =
      RunAttune({"inspect", std::string(ATTUNE_SOURCE_DIR) + "/tests/golden/models/llama/adapter"});
  EXPECT_NE(adapter.out.find("adapter"), std::string::npos);
  EXPECT_NE(adapter.out.find("fingerprint64"), std::string::npos);
}

TEST_F(CommandTest, BenchReportsRoundsMedianAndMemory) {
  const CommandResult train = RunAttune({"bench", "train", "--model", directory_ / "model",
                                         "--rank", "4", "--seq", "32", "--rounds", "3", "--json"});
  ASSERT_EQ(train.exit_code, 0) << train.err;
  const JsonDocument step = LastJson(train.out);
  const auto rounds = step.root().GetArray("ms");
  ASSERT_TRUE(rounds.ok());
  EXPECT_EQ((*rounds)->size(), 3u);
  EXPECT_GT(NumberOf(step, "ms_median"), 0);
  EXPECT_GT(NumberOf(step, "predicted_private_bytes"), 0);
  const CommandResult decode =
      RunAttune({"bench", "decode", "--model", directory_ / "model", "--tokens", "16", "--prefill",
                 "32", "--rounds", "3", "--json"});
  ASSERT_EQ(decode.exit_code, 0) << decode.err;
  EXPECT_GT(NumberOf(LastJson(decode.out), "decode_tokens_per_s_median"), 0);
  EXPECT_GT(NumberOf(LastJson(decode.out), "prefill_ms_median"), 0);
}

}  // namespace
}  // namespace attune::testing
