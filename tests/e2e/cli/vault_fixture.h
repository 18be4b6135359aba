// A small model, messages and a vault for them: what the tests of the vault's
// commands begin with.

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/cli/command.h"
#include "formats/json.h"
#include "posix/posix_file_system.h"
#include "support/tiny_language_model.h"

namespace attune::testing {

using Arguments = std::vector<std::string>;

// The last line of `text` as JSON.
inline JsonDocument LastJsonLine(const std::string& text) {
  std::istringstream lines(text);
  std::string last;
  for (std::string line; std::getline(lines, line);) last = line;
  auto document = JsonDocument::Parse(last);
  EXPECT_TRUE(document.ok()) << document.status().ToString() << "\n" << last;
  return document.ok() ? *std::move(document) : *JsonDocument::Parse("{}");
}

inline double NumberIn(const JsonDocument& document, std::string_view key) {
  const auto value = document.root().GetNumber(key);
  EXPECT_TRUE(value.ok()) << value.status().ToString();
  return value.ok() ? *value : std::nan("");
}

class VaultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    WriteTinyModel(files_, directory_ / "model");
    PutFile(directory_ / "notes.txt", DistinctMessages(60));
  }

  // Messages with habits, no two alike: equal ones are stored three times a day.
  static std::string DistinctMessages(int count) {
    std::string text;
    std::istringstream lines(TinyMessages(count));
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      text += StrCat(line, " ", number++, "\n");
    }
    return text;
  }

  // `attune words... --vault ... --keys ...`.
  Arguments OnVault(Arguments words, const std::string& vault = "vault") const {
    const Arguments more = {"--vault", directory_ / vault, "--keys", directory_ / "keys"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Arguments With(Arguments words, const Arguments& more) {
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  CommandResult Call(const Arguments& words, const std::string& input = "") const {
    return RunAttune(OnVault(words), input);
  }

  CommandResult RecordNotes(const std::string& vault = "vault") const {
    return RunAttune(OnVault({"record", "--data", directory_ / "notes.txt", "--json"}, vault));
  }
  Arguments RunWords(const Arguments& more) const {
    return With({"run",
                 "--model",
                 directory_ / "model",
                 "--seq",
                 "32",
                 "--rank",
                 "4",
                 "--batch",
                 "2",
                 "--lr",
                 "0.02",
                 "--held-out",
                 "0.2",
                 "--workers",
                 "1",
                 "--json",
                 "--keep-near-duplicates",
                 "--min-examples",
                 "4",
                 "--confidence",
                 "0.5"},
                more);
  }

  JsonDocument Status() const {
    const CommandResult result = Call({"vault", "status", "--json"});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return LastJsonLine(result.out);
  }
  // The weights of a generation of the adapter; 0: of the one that serves.
  std::string Exported(const std::string& vault = "vault", int generation = 0) const {
    const std::string to = directory_ / (vault + "-export");
    Arguments words = {"vault", "export", "--adapter", to};
    if (generation != 0) words = With(words, {"--generation", std::to_string(generation)});
    const CommandResult result = RunAttune(OnVault(words, vault));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    std::string weights = FileBytes(to + "/adapter_model.safetensors");
    EXPECT_FALSE(weights.empty());
    return weights;
  }
  std::string ExportedExamples() const {
    const std::string to = directory_ / "examples.jsonl";
    const CommandResult result = Call({"vault", "export", "--examples", to});
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return FileBytes(to);
  }

  PosixFileSystem files_;
  TemporaryDirectory directory_;
};

}  // namespace attune::testing
