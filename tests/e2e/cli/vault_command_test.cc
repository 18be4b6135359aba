// What the command promises about vaults: recording, learning, going on,
// serving, forgetting.

#include <signal.h>
#include <time.h>

#include "e2e/cli/vault_fixture.h"

namespace attune::testing {
namespace {

constexpr const char* kSecret = "xyzzyplugh";

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// Waits, 30 s at most, until the command has printed `text`.
void AwaitOutput(const Command& command, const std::string& text) {
  for (int i = 0; i < 3000 && !Contains(command.out(), text); ++i) {
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
}

// --- record ---

TEST_F(VaultTest, RecordsArgumentsLinesAndFiles) {
  EXPECT_EQ(Call({"record", "kettle on", "off to the kiln"}).out, "stored 2\n");
  EXPECT_EQ(Call({"record", "--source", "notes"}, "touch wood\n\nrighto\r\nno end").out,
            "stored 3\n");
  PutFile(directory_ / "rows.tsv", "2026-11-01\t07:52\tmorning ingrid\n");
  PutFile(directory_ / "pairs.jsonl",
          "{\"prompt\": \"tea?\", \"completion\": \"always\"}\n"
          "{\"messages\": [{\"role\": \"user\", \"content\": \"ready?\"}, {\"role\": "
          "\"assistant\", \"content\": \"nearly\"}]}\n");
  EXPECT_EQ(Call({"record", "--data", directory_ / "rows.tsv"}).out, "stored 1\n");
  EXPECT_EQ(Call({"record", "--data", directory_ / "pairs.jsonl"}).out, "stored 2\n");
  EXPECT_EQ(NumberIn(Status(), "examples"), 8);

  const std::string exported = ExportedExamples();
  for (const char* text :
       {"kettle on", "off to the kiln", "touch wood", "\"righto\"", "no end", "morning ingrid",
        "\"tea?\"", "\"always\"", "user: ready?\\nassistant: ", "\"nearly\"", "\"notes\""}) {
    EXPECT_TRUE(Contains(exported, text)) << text << "\n" << exported;
  }
}

TEST_F(VaultTest, RecordSaysWhyItDropsAndNeverWhat) {
  const std::string lines = std::string("fine words\n") + kSecret + " 4111 1111 1111 1111\n" +
                            kSecret + "@example.org\n" + kSecret + " 1234567890\n";
  const CommandResult result = Call({"record"}, lines);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(result.out.starts_with("stored 1, dropped 3: ")) << result.out;
  EXPECT_TRUE(Contains(result.out, "card number")) << result.out;
  EXPECT_FALSE(Contains(result.out + result.err, kSecret)) << "shows what the user wrote";

  const CommandResult json = Call({"record", "--secure-field", "--json"}, "hunter\n");
  EXPECT_EQ(json.out,
            "{\"event\":\"dropped\",\"reason\":\"secure field\"}\n"
            "{\"event\":\"finished\",\"stored\":0,\"dropped\":{\"secure field\":1}}\n");
  EXPECT_EQ(NumberIn(Status(), "examples"), 1);
}

// --- run ---

TEST_F(VaultTest, LearnsServesAndExportsWhatItLearned) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const CommandResult run = RunAttune(OnVault(RunWords({"--steps", "100"})));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const JsonDocument report = LastJsonLine(run.out);
  EXPECT_LT(NumberIn(report, "loss_after"), NumberIn(report, "loss_before") - 0.1);
  EXPECT_EQ(NumberIn(report, "generation"), 1);
  EXPECT_TRUE(Contains(run.out, "\"promoted\":true")) << run.out;

  // What serves from the vault is what export gives.
  Exported();
  const Arguments score = {
      "score", "--model", directory_ / "model", "--text", directory_ / "notes.txt", "--json"};
  const CommandResult bare = RunAttune(score);
  const CommandResult served = RunAttune(OnVault(score));
  const CommandResult exported = RunAttune(With(score, {"--adapter", directory_ / "vault-export"}));
  ASSERT_EQ(served.exit_code, 0) << served.err;
  EXPECT_EQ(served.out, exported.out);
  EXPECT_NE(served.out, bare.out);
  for (const Arguments& words :
       {Arguments{"suggest", "--prefix", "kettle "}, Arguments{"generate", "--prompt", "kettle"},
        Arguments{"eval", "--data", directory_ / "notes.txt", "--held-out", "0.2", "--json"}}) {
    const Arguments full = With(words, {"--model", directory_ / "model"});
    const CommandResult result = RunAttune(OnVault(full));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_EQ(result.out, RunAttune(With(full, {"--adapter", directory_ / "vault-export"})).out);
    EXPECT_NE(result.out, RunAttune(full).out);
  }
}

// The SDK's setting for a vault, not train's: 50 steps, of which the third is the
// first behind the warm-up.
TEST_F(VaultTest, LearnsCautiouslyUnlessToldOtherwise) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const CommandResult run =
      Call({"run", "--model", directory_ / "model", "--decay", "constant", "--json"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_TRUE(Contains(run.out, "\"step\":3,\"steps\":50,")) << run.out;
  EXPECT_TRUE(Contains(run.out, "\"learning_rate\":5e-04,")) << run.out;
  const std::string help = RunAttune({"run", "--help"}).out;
  EXPECT_TRUE(Contains(help, "--steps INT=50") && Contains(help, "--lr FLOAT=0.0005")) << help;
  EXPECT_TRUE(Contains(RunAttune({"train", "--help"}).out, "--steps INT=200"));
}

TEST_F(VaultTest, GoesOnWhereItWasStoppedAsIfItHadNotBeen) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  std::filesystem::copy(directory_ / "vault", directory_ / "parts",
                        std::filesystem::copy_options::recursive);
  // Both vaults have the id, and so the key, of the one that was copied.
  std::filesystem::copy(directory_ / "keys", directory_ / "keys-before",
                        std::filesystem::copy_options::recursive);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "60"}))).exit_code, 0);
  const std::string whole = Exported();

  std::filesystem::remove_all(directory_ / "keys");
  std::filesystem::rename(directory_ / "keys-before", directory_ / "keys");
  const CommandResult half =
      RunAttune(OnVault(RunWords({"--steps", "60", "--stop-at", "30"}), "parts"));
  ASSERT_EQ(half.exit_code, 0) << half.err;
  EXPECT_TRUE(Contains(half.out, "\"event\":\"stopped\"")) << half.out;
  const CommandResult rest = RunAttune(OnVault(RunWords({"--steps", "60"}), "parts"));
  ASSERT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(NumberIn(LastJsonLine(rest.out), "resumed_at_step"), 30);
  EXPECT_FALSE(Contains(rest.out, "\"step\":30,")) << "began anew";
  EXPECT_TRUE(Exported("parts") == whole);

  // Not simply the weights that training begins with.
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "30"}), "parts")).exit_code, 0);
  EXPECT_FALSE(Exported("parts", 2) == whole);
}

TEST_F(VaultTest, InterruptSealsTheStateAndTheNextRunGoesOn) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const Arguments endless =
      RunWords({"--steps", "1000000", "--evaluate-every", "-1", "--checkpoint-every", "0"});
  Command command(directory_, OnVault(endless));
  AwaitOutput(command, "\"step\":2,");
  ASSERT_EQ(kill(command.pid(), SIGINT), 0);
  EXPECT_EQ(command.Wait(), 130);
  const JsonDocument report = LastJsonLine(command.out());
  const auto steps = static_cast<long long>(NumberIn(report, "steps"));
  EXPECT_EQ(NumberIn(Status(), "checkpoint_step"), static_cast<double>(steps));

  const CommandResult rest =
      RunAttune(OnVault(With(endless, {"--stop-at", std::to_string(steps + 1)})));
  EXPECT_EQ(rest.exit_code, 0) << rest.err;
  EXPECT_EQ(NumberIn(LastJsonLine(rest.out), "resumed_at_step"), static_cast<double>(steps));

  const CommandResult anew = RunAttune(OnVault(With(endless, {"--no-resume", "--stop-at", "1"})));
  EXPECT_EQ(NumberIn(LastJsonLine(anew.out), "steps"), 1);
}

TEST_F(VaultTest, PromotesAndRollsBackOnRequest) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "5", "--no-promote"}))).exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "6", "--no-promote"}))).exit_code, 0);
  EXPECT_EQ(Call({"vault", "rollback", "--json"}).out, "{\"serving\":0}\n");
  EXPECT_EQ(Call({"vault", "promote", "--generation", "1"}).out, "serving generation 1\n");
  EXPECT_EQ(Call({"vault", "promote", "--generation", "2"}).out, "serving generation 2\n");
  EXPECT_EQ(Call({"vault", "rollback"}).out, "serving generation 1\n");
  EXPECT_EQ(Call({"vault", "promote", "--generation", "0"}).out, "serving the bare base\n");
  ExpectOneLineError(Call({"vault", "promote", "--generation", "7"}), 2, "attune: vault promote: ");
}

TEST_F(VaultTest, GoesBackWhereUsersTakeLess) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "5", "--no-promote"}))).exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "6", "--no-promote"}))).exit_code, 0);
  ASSERT_EQ(Call({"vault", "promote", "--generation", "1"}).exit_code, 0);
  EXPECT_EQ(Call({"vault", "outcome", "--shown", "1000", "--accepted", "300"}).out,
            "generation 1  taken 300 of 1000\nbefore it, 0  taken 0 of 0\nserving 1\n");
  ASSERT_EQ(Call({"vault", "promote", "--generation", "2"}).exit_code, 0);
  const std::string bad =
      Call({"vault", "outcome", "--shown", "500", "--accepted", "20", "--json"}).out;
  EXPECT_TRUE(Contains(bad,
                       "\"generation\":2,\"shown\":500,\"accepted\":20,\"before\":1,"
                       "\"shown_before\":1000,\"accepted_before\":300,"))
      << bad;
  EXPECT_TRUE(Contains(bad, "\"worse\":true,\"rolled_back\":true,\"serving\":1}")) << bad;
  EXPECT_TRUE(Contains(Call({"vault", "status"}).out, "taken 20 of 500"));
  ExpectOneLineError(Call({"vault", "outcome", "--shown", "1", "--accepted", "2"}), 2,
                     "attune: vault outcome: ");
}

// --- forget ---

TEST_F(VaultTest, ForgetsWordsReadFromTheStandardInputAndWhatLearnedThem) {
  ASSERT_EQ(Call({"record"}, std::string("meet at ") + kSecret + " rock\n").exit_code, 0);
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "20"}))).exit_code, 0);
  ASSERT_TRUE(Contains(ExportedExamples(), kSecret));

  const Arguments forget = {"vault", "forget", "--containing", "-"};
  ExpectOneLineError(Call(forget, kSecret), 2, "attune: vault forget: nothing was forgotten");
  EXPECT_TRUE(Contains(ExportedExamples(), kSecret));
  const CommandResult result = Call(With(forget, {"--yes", "--json"}), std::string(kSecret) + "\n");
  EXPECT_EQ(result.out,
            "{\"examples\":1,\"tainted_generations\":1,\"dropped_checkpoints\":0,"
            "\"unreadable\":0,\"serving\":0}\n")
      << result.err;
  EXPECT_FALSE(Contains(ExportedExamples(), kSecret));
  EXPECT_EQ(NumberIn(Status(), "examples"), 60);
  EXPECT_EQ(Call({"vault", "verify"}).exit_code, 0);
  ExpectOneLineError(Call({"vault", "promote", "--generation", "1"}), 2, "attune: vault promote: ");
}

TEST_F(VaultTest, ForgettingSaysWhatItCouldNotLookInto) {
  ASSERT_EQ(Call({"record", "kettle on"}).exit_code, 0);
  const Arguments forget = {"vault", "forget", "--containing", "nothing of this", "--yes"};
  EXPECT_FALSE(Contains(Call(forget).out, "could not be read"));
  for (const auto& entry : std::filesystem::directory_iterator(directory_ / "vault")) {
    if (entry.path().extension() != ".examples") continue;
    std::string bytes = FileBytes(entry.path());
    bytes.back() ^= 1;
    PutFile(entry.path(), bytes);
  }
  const std::string out = Call(forget).out;
  EXPECT_TRUE(Contains(out, "1 records or files could not be read and remain")) << out;
}

TEST_F(VaultTest, ForgetsByNumberSourceAndDate) {
  ASSERT_EQ(Call({"record", "--source", "a", "kettle on"}).exit_code, 0);
  ASSERT_EQ(Call({"record", "--source", "b", "righto then"}).exit_code, 0);
  PutFile(directory_ / "rows.tsv", "2026-11-01\t07:52\tmorning ingrid\n");
  ASSERT_EQ(Call({"record", "--data", directory_ / "rows.tsv"}).exit_code, 0);
  const auto forgotten = [&](const Arguments& what) {
    const CommandResult result = Call(With({"vault", "forget", "--yes", "--json"}, what));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return NumberIn(LastJsonLine(result.out), "examples");
  };
  EXPECT_EQ(forgotten({"--before", "2026-11-01"}), 0);
  EXPECT_EQ(forgotten({"--before", "2026-11-02"}), 1);
  EXPECT_EQ(forgotten({"--source", "b", "--id", "1"}), 0) << "both must fit";
  EXPECT_EQ(forgotten({"--source", "b"}), 1);
  EXPECT_EQ(forgotten({"--id", "1,2"}), 1);
  EXPECT_EQ(NumberIn(Status(), "examples"), 0);
  ExpectOneLineError(Call({"vault", "forget", "--yes"}), 2, "attune: vault forget: say what");
  ExpectOneLineError(Call({"vault", "forget", "--yes", "--before", kSecret}), 2,
                     "attune: vault forget: ");
}

// --- keys ---

TEST_F(VaultTest, RotatesItsKeyAndTheOldOneOpensNothing) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  std::filesystem::copy(directory_ / "keys", directory_ / "old",
                        std::filesystem::copy_options::recursive);
  EXPECT_EQ(Call({"vault", "rotate-key"}).out, "root key 2\n");
  EXPECT_EQ(NumberIn(Status(), "key_generation"), 2);
  EXPECT_EQ(NumberIn(Status(), "examples"), 60);
  ExpectOneLineError(
      RunAttune({"vault", "status", "--vault", directory_ / "vault", "--keys", directory_ / "old"}),
      2, "attune: vault status: ");
}

TEST_F(VaultTest, PassphraseComesFromAPrivateFileOrTheStandardInput) {
  const std::string file = directory_ / "passphrase";
  PutFile(file, "seven grey herons\n");
  const Arguments with_file = {"--passphrase-file", file};
  ASSERT_EQ(chmod(file.c_str(), 0644), 0);
  ExpectOneLineError(Call(With({"record", "kettle on"}, with_file)), 2, "attune: record: ");
  ASSERT_EQ(chmod(file.c_str(), 0600), 0);
  EXPECT_EQ(Call(With({"record", "kettle on"}, with_file)).out, "stored 1\n");
  EXPECT_EQ(Call({"record", "--passphrase-file", "-"}, "seven grey herons\nrighto\n").out,
            "stored 1\n");
  const CommandResult status = Call(With({"vault", "status", "--json"}, with_file));
  EXPECT_EQ(NumberIn(LastJsonLine(status.out), "examples"), 2);

  PutFile(file, "eight grey herons\n");
  const CommandResult wrong = Call(With({"vault", "status"}, with_file));
  ExpectOneLineError(wrong, 2, "attune: vault status: ");
  EXPECT_TRUE(Contains(wrong.err, "passphrase")) << wrong.err;
  EXPECT_FALSE(Contains(wrong.err, "herons")) << wrong.err;
  ExpectOneLineError(Call({"vault", "status"}), 2, "attune: vault status: ");
}

}  // namespace
}  // namespace attune::testing
