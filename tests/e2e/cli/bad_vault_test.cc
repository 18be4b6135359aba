// Vaults that are not what they should be, or cannot be written: one line that
// says what to do, the right exit code, and nothing lost.

#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include "e2e/cli/vault_fixture.h"

namespace attune::testing {
namespace {

void FlipByte(const std::string& path, std::size_t at) {
  std::string bytes = FileBytes(path);
  ASSERT_GT(bytes.size(), at) << path;
  bytes[at] = static_cast<char>(bytes[at] ^ 1);
  PutFile(path, bytes);
}

std::string OnlyFileOf(const std::string& directory, const std::string& ending) {
  std::string found;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (!entry.path().string().ends_with(ending)) continue;
    EXPECT_EQ(found, "") << "more than one " << ending;
    found = entry.path().string();
  }
  EXPECT_NE(found, "") << "no " << ending;
  return found;
}

TEST_F(VaultTest, IsNotThere) {
  const CommandResult result = Call({"vault", "status"});
  ExpectOneLineError(result, 2, "attune: vault status: ");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "vault")) << "only `record` makes one";
  ExpectOneLineError(RunAttune(OnVault(RunWords({}))), 2, "attune: run: ");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "vault"));
}

TEST_F(VaultTest, IsOfAnotherKey) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const auto before = Snapshot(directory_ / "vault");
  const Arguments other = {"--vault", directory_ / "vault", "--keys", directory_ / "other"};
  for (const Arguments& words : {Arguments{"vault", "status"}, Arguments{"record", "kettle on"},
                                 Arguments{"vault", "rotate-key"}}) {
    const CommandResult result = RunAttune(With(words, other));
    ExpectOneLineError(result, 2, "attune: " + words[0]);
    EXPECT_NE(result.err.find("key"), std::string::npos) << result.err;
  }
  EXPECT_EQ(Snapshot(directory_ / "vault"), before);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "other")) << "made a new key";
}

TEST_F(VaultTest, HasADamagedManifest) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const std::string manifest = directory_ / "vault/manifest";
  FlipByte(manifest, FileBytes(manifest).size() - 3);
  EXPECT_EQ(NumberIn(Status(), "examples"), 60) << "the copy is as good";
  const std::string copy = manifest + ".copy";
  FlipByte(copy, FileBytes(copy).size() - 3);
  ExpectOneLineError(Call({"vault", "status"}), 2, "attune: vault status: ");
  ExpectOneLineError(Call({"record", "kettle on"}), 2, "attune: record: ");
}

TEST_F(VaultTest, IsOlderThanWhatWasCommittedLast) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "4"}))).exit_code, 0);
  std::filesystem::copy(directory_ / "vault", directory_ / "backup",
                        std::filesystem::copy_options::recursive);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "5"}))).exit_code, 0);
  std::filesystem::remove_all(directory_ / "vault");
  std::filesystem::rename(directory_ / "backup", directory_ / "vault");
  const CommandResult result = Call({"vault", "status"});
  ExpectOneLineError(result, 2, "attune: vault status: ");
  EXPECT_NE(result.err.find("rolled back"), std::string::npos) << result.err;
}

TEST_F(VaultTest, VerifyNamesDamageAndRunGoesOnWithoutIt) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  ASSERT_EQ(RunAttune(OnVault(RunWords({"--steps", "20", "--stop-at", "10"}))).exit_code, 0);
  const std::string state = OnlyFileOf(directory_ / "vault", ".checkpoint");
  FlipByte(state, FileBytes(state).size() / 2);
  const CommandResult verify = Call({"vault", "verify"});
  EXPECT_EQ(verify.exit_code, 2);
  EXPECT_NE(verify.out.find("checkpoint"), std::string::npos) << verify.out;
  EXPECT_NE(verify.err.find("1 file is damaged"), std::string::npos) << verify.err;
  EXPECT_EQ(Call({"vault", "quarantine"}).out, "") << "verify moves nothing";

  const CommandResult run = RunAttune(OnVault(RunWords({"--steps", "20"})));
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_EQ(NumberIn(LastJsonLine(run.out), "damaged_checkpoints"), 1);
  EXPECT_EQ(NumberIn(LastJsonLine(run.out), "resumed_at_step"), 0);
  EXPECT_NE(Call({"vault", "quarantine"}).out.find("checkpoint"), std::string::npos);
  EXPECT_EQ(Call({"vault", "verify"}).exit_code, 0);
}

// A disk of its own, as small as it may be.
class SmallDisk {
 public:
  SmallDisk(const std::string& directory, const char* options) : directory_(directory) {
    std::filesystem::create_directory(directory_);
    mounted_ = mount("none", directory_.c_str(), "tmpfs", 0, options) == 0;
  }
  ~SmallDisk() {
    if (mounted_) umount(directory_.c_str());
  }
  bool mounted() const { return mounted_; }
  bool MakeReadOnly() {
    return mount("none", directory_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) == 0;
  }

 private:
  std::string directory_;
  bool mounted_ = false;
};

TEST_F(VaultTest, CannotBeWritten) {
  PutFile(directory_ / "file", "");
  ExpectOneLineError(RunAttune({"record", "kettle on", "--vault", directory_ / "file/vault",
                                "--keys", directory_ / "keys"}),
                     2, "attune: record: file: ");
  SmallDisk disk(directory_ / "disk", "size=1m");
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a disk here";
  const std::string vault = "disk/vault";
  ASSERT_EQ(RecordNotes(vault).exit_code, 0);
  ASSERT_TRUE(disk.MakeReadOnly());
  for (const Arguments& words : {Arguments{"record", "kettle on"}, RunWords({"--steps", "2"}),
                                 Arguments{"vault", "rotate-key"}}) {
    const CommandResult result = RunAttune(OnVault(words, vault));
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_TRUE(result.err.starts_with("attune: " + words[0])) << result.err;
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
  EXPECT_EQ(RunAttune(OnVault({"vault", "verify"}, vault)).exit_code, 0) << "reading needs no pen";
}

TEST_F(VaultTest, FillsTheDisk) {
  const SmallDisk disk(directory_ / "disk", "size=96k");
  if (!disk.mounted()) GTEST_SKIP() << "may not mount a small disk here";
  const std::string vault = "disk/vault";
  ASSERT_EQ(RecordNotes(vault).exit_code, 0);
  PutFile(directory_ / "disk/ballast", std::string(40 << 10, 'x'));
  const CommandResult run =
      RunAttune(OnVault(RunWords({"--steps", "20", "--checkpoint-every", "2"}), vault));
  ASSERT_EQ(run.exit_code, 3) << run.err;
  EXPECT_TRUE(run.err.starts_with("attune: run: ")) << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
  // What was there is there, and with room the run gets to its end.
  EXPECT_EQ(RunAttune(OnVault({"vault", "verify"}, vault)).exit_code, 0);
  ASSERT_TRUE(std::filesystem::remove(directory_ / "disk/ballast"));
  const CommandResult again =
      RunAttune(OnVault(RunWords({"--steps", "20", "--checkpoint-every", "0"}), vault));
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

TEST_F(VaultTest, OfTwoRunsTheLaterGoesOn) {
  ASSERT_EQ(RecordNotes().exit_code, 0);
  const TemporaryDirectory scratch;
  Command earlier(scratch, OnVault(RunWords({"--steps", "1000000", "--evaluate-every", "-1",
                                             "--checkpoint-every", "50"})));
  for (int i = 0; i < 3000 && earlier.out().find("\"step\":2,") == std::string::npos; ++i) {
    const timespec pause{0, 10'000'000};
    nanosleep(&pause, nullptr);
  }
  // Recording does not mind the run.
  EXPECT_EQ(Call({"record", "kettle on once more"}).out, "stored 1\n");
  const CommandResult later = RunAttune(OnVault(RunWords({"--steps", "20"})));
  EXPECT_EQ(later.exit_code, 0) << later.err;
  EXPECT_EQ(earlier.Wait(), 2);
  const std::string error = earlier.err();
  EXPECT_TRUE(error.starts_with("attune: run: ")) << error;
  EXPECT_EQ(std::count(error.begin(), error.end(), '\n'), 1) << error;
  EXPECT_EQ(NumberIn(Status(), "examples"), 61);
  EXPECT_EQ(Call({"vault", "verify"}).exit_code, 0);
}

TEST_F(VaultTest, WaitsForAWriterAndThenSaysToTryAgain) {
  ASSERT_EQ(Call({"record", "kettle on"}).exit_code, 0);
  const int lock = open((directory_ / "vault/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_GE(lock, 0);
  ASSERT_EQ(flock(lock, LOCK_EX), 0);
  // Readers do not wait.
  EXPECT_EQ(NumberIn(Status(), "examples"), 1);
  const CommandResult result = Call({"record", "righto"});
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  close(lock);
  EXPECT_EQ(Call({"record", "righto"}).exit_code, 0);
}

}  // namespace
}  // namespace attune::testing
