// `attune doctor` on sound and on broken set-ups.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/cli/vault_fixture.h"

namespace attune::testing {
namespace {

using ::testing::HasSubstr;

class DoctorTest : public VaultTest {
 protected:
  // What a device lacks is none of the set-up's faults here.
  std::string Config(const std::string& more = "") const {
    return "model: model\nvault: vault\n"
           "training: {batch: 2, sequence: 32}\n"
           "lora: {rank: 4}\n"
           "schedule: {conditions: {min_disk_free: 1KiB}}\n" +
           more + "jobs:\n  - name: anna\n    adapter: default\n";
  }

  CommandResult Examine(const std::string& config, const Arguments& more = {}) const {
    PutFile(directory_ / "night.yaml", config);
    return RunAttune(With(
        {"doctor", "--config", directory_ / "night.yaml", "--keys", directory_ / "keys"}, more));
  }

  // The finding of a check, from --json.
  static JsonDocument FindingOf(const std::string& check, const CommandResult& result) {
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      if (line.find("\"check\":\"" + check + "\"") == std::string::npos) continue;
      auto document = JsonDocument::Parse(line);
      if (document.ok()) return *std::move(document);
    }
    ADD_FAILURE() << "no finding of " << check << " in\n" << result.out << result.err;
    return *JsonDocument::Parse("{}");
  }
  static std::string TextIn(const JsonDocument& document, std::string_view key) {
    const auto text = document.root().GetString(key);
    return text.ok() ? std::string(*text) : "";
  }
  static std::string LevelOf(const std::string& check, const CommandResult& result) {
    return TextIn(FindingOf(check, result), "level");
  }
};

TEST_F(DoctorTest, FindsNothingToRepairInASoundSetUp) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const CommandResult run = Call(RunWords({"--steps", "4"}));
  ASSERT_EQ(run.exit_code, 0);
  ASSERT_EQ(Call({"vault", "promote", "--generation", "1"}).exit_code, 0);
  const CommandResult result = Examine(Config(), {"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  for (const char* check :
       {"configuration", "keys", "vault", "model", "memory", "space", "clock"}) {
    EXPECT_EQ(LevelOf(check, result), "ok") << result.out;
  }
  EXPECT_THAT(TextIn(FindingOf("model", result), "what"), HasSubstr("that of generation 1"));
  const JsonDocument memory = FindingOf("memory", result);
  EXPECT_EQ(TextIn(memory, "job"), "anna");
  // Of full rows: as much as the run took, and not much more.
  const double taken = NumberIn(LastJsonLine(run.out), "predicted_bytes");
  EXPECT_GE(NumberIn(memory, "predicted_bytes"), taken);
  EXPECT_LE(NumberIn(memory, "predicted_bytes"), 1.5 * taken);
}

TEST_F(DoctorTest, SaysTheSameInWordsOneLineACheck) {
  const CommandResult result = Examine(Config());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("ok    configuration        night.yaml: 1 job\n"));
  EXPECT_THAT(result.out, HasSubstr("warn  vault anna           vault: not there yet; "));
  EXPECT_THAT(result.out, HasSubstr(" to repair\n"));
}

TEST_F(DoctorTest, WritesNothing) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  PutFile(directory_ / "night.yaml", Config());
  const auto before = Snapshot(directory_ / "vault");
  const auto keys = Snapshot(directory_ / "keys");
  EXPECT_EQ(Examine(Config()).exit_code, 0);
  EXPECT_EQ(Snapshot(directory_ / "vault"), before);
  EXPECT_EQ(Snapshot(directory_ / "keys"), keys);
}

TEST_F(DoctorTest, TellsWhereTheConfigurationIsWrong) {
  const CommandResult result = Examine(Config("gate: {confidense: 95%}\n"), {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(TextIn(FindingOf("configuration", result), "what"),
            "night.yaml:6:8: gate: unknown key 'confidense'; did you mean 'confidence'?");
}

TEST_F(DoctorTest, MissesTheConfigurationAndTheModel) {
  const CommandResult none = RunAttune({"doctor", "--config", directory_ / "other.yaml", "--json"});
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_EQ(LevelOf("configuration", none), "fail");

  std::filesystem::remove_all(directory_ / "model");
  const CommandResult result = Examine(Config(), {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(LevelOf("model", result), "fail");
  EXPECT_EQ(TextIn(FindingOf("model", result), "job"), "anna");
}

TEST_F(DoctorTest, MissesTheAnchors) {
  const std::string config = Config("gate: {anchor: anchor.txt}\n");
  EXPECT_EQ(LevelOf("anchor", Examine(config, {"--json"})), "fail");
  PutFile(directory_ / "anchor.txt", "What everybody writes.\n");
  EXPECT_EQ(LevelOf("anchor", Examine(config, {"--json"})), "ok");
}

TEST_F(DoctorTest, SeesAModelThatTheAdapterWasNotTrainedOn) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(Call(RunWords({"--steps", "4"})).exit_code, 0);
  ASSERT_EQ(Call({"vault", "promote", "--generation", "1"}).exit_code, 0);
  std::string weights = FileBytes(directory_ / "model/model.safetensors");
  ASSERT_FALSE(weights.empty());
  weights.back() = static_cast<char>(weights.back() ^ 1);
  PutFile(directory_ / "model/model.safetensors", weights);
  const CommandResult result = Examine(Config(), {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(TextIn(FindingOf("model", result), "what"),
              HasSubstr("generation 1 was trained on base "));
}

TEST_F(DoctorTest, RefusesAJobThatDoesNotFitInMemory) {
  const CommandResult result =
      Examine("model: model\nvault: vault\ntraining: {memory_budget: 1KiB}\njobs: [{name: a}]\n",
              {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  const JsonDocument memory = FindingOf("memory", result);
  EXPECT_EQ(TextIn(memory, "level"), "fail");
  EXPECT_GT(NumberIn(memory, "predicted_bytes"), 1024);
  EXPECT_EQ(NumberIn(memory, "budget_bytes"), 1024);
}

TEST_F(DoctorTest, SeesAVaultWithoutItsKeyAndADamagedOne) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  std::filesystem::rename(directory_ / "keys", directory_ / "kept");
  const CommandResult no_key = Examine(Config(), {"--json"});
  EXPECT_EQ(no_key.exit_code, 1);
  EXPECT_EQ(LevelOf("vault", no_key), "fail");
  std::filesystem::rename(directory_ / "kept", directory_ / "keys");

  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "vault")) {
    const std::string path = entry.path().string();
    if (path.find("manifest") != std::string::npos) PutFile(path, "x");
  }
  const CommandResult damaged = Examine(Config(), {"--json"});
  EXPECT_EQ(damaged.exit_code, 1);
  EXPECT_EQ(LevelOf("vault", damaged), "fail");
}

TEST_F(DoctorTest, SeesKeysThatOthersMayRead) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  std::filesystem::permissions(directory_ / "keys", std::filesystem::perms::others_read,
                               std::filesystem::perm_options::add);
  const CommandResult result = Examine(Config(), {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(LevelOf("keys", result), "fail");
}

TEST_F(DoctorTest, SeesADiskThatIsTooFull) {
  const CommandResult result = Examine(
      "model: model\nvault: vault\njobs: [{name: a, schedule: {conditions: "
      "{min_disk_free: 1000GiB}}}]\n",
      {"--json"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(LevelOf("space", result), "fail");
  EXPECT_EQ(NumberIn(FindingOf("space", result), "wanted_bytes"), 1000.0 * (1 << 30));
}

}  // namespace
}  // namespace attune::testing
