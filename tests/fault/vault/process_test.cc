// The writers' lock between processes, and what is left of one that is killed.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "posix/posix_file_system.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/vault.h"

namespace attune {
namespace {

using testing::AddCheckpoint;
using testing::Contents;

class VaultProcessTest : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Vault>> Open(const std::string& name = "v",
                                      double lock_timeout_seconds = 0) {
    return Vault::Open(
        {.files = &files_, .keys = &keys_, .crypto = crypto_.get(), .clock = &clock_},
        {.directory = directory_ / name,
         .create = true,
         .lock_timeout_seconds = lock_timeout_seconds});
  }

  // Runs `work` in another process, which says when it has come to `Arrive()` and
  // stays there until it is killed. The KeyStore is this process's, as of now.
  void Fork(const std::function<void()>& work) {
    ASSERT_EQ(pipe(pipe_), 0);
    child_ = fork();
    ASSERT_GE(child_, 0);
    if (child_ == 0) {
      work();
      _exit(1);  // It did not arrive.
    }
    close(pipe_[1]);
    char byte = 0;
    ASSERT_EQ(read(pipe_[0], &byte, 1), 1) << "the other process did not arrive";
  }
  void Arrive() {
    if (write(pipe_[1], "x", 1) == 1) pause();
  }
  void Kill() {
    kill(child_, SIGKILL);
    int status = 0;
    waitpid(child_, &status, 0);
    close(pipe_[0]);
    EXPECT_TRUE(WIFSIGNALED(status));
  }

  std::unique_ptr<OpensslCrypto> crypto_ = testing::MakeCrypto();
  PosixFileSystem files_;
  testing::MemoryKeyStore keys_{*crypto_};
  testing::FixedClock clock_;
  testing::TemporaryDirectory directory_;
  pid_t child_ = -1;
  int pipe_[2] = {-1, -1};
};

TEST_F(VaultProcessTest, AWriterKeepsOtherWritersOutUntilItIsKilled) {
  ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  Fork([&] {
    const auto other = Open();
    if (!other.ok()) return;
    const auto transaction = (*other)->Begin();
    if (transaction.ok()) Arrive();
  });
  EXPECT_EQ(vault->Begin().status().code(), StatusCode::kUnavailable);
  // Readers do not wait.
  EXPECT_EQ(Contents(*vault), "a");
  EXPECT_OK(vault->Refresh());
  EXPECT_OK(Open());
  Kill();
  EXPECT_OK(AddCheckpoint(*vault, "b"));
}

TEST_F(VaultProcessTest, WhatAKilledWriterWroteIsSwept) {
  ASSERT_OK(AddCheckpoint(**Open(), "a"));
  Fork([&] {
    const auto other = Open();
    if (!other.ok()) return;
    const auto transaction = (*other)->Begin();
    if (!transaction.ok()) return;
    if (testing::StageCheckpoint(**other, **transaction, "never").ok()) Arrive();
  });
  Kill();
  ASSERT_OK_AND_ASSIGN(const auto names, files_.List(directory_ / "v"));
  EXPECT_EQ(names.size(), 5u);  // Two manifests, the lock, two checkpoints.
  ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  ASSERT_OK(vault->Begin());
  ASSERT_OK_AND_ASSIGN(const auto left, files_.List(directory_ / "v"));
  EXPECT_EQ(left.size(), 4u);
  EXPECT_EQ(Contents(*vault), "a");
}

// The files of the vault that it leads to are not this one's to sweep.
TEST_F(VaultProcessTest, AQuarantineThatIsALinkIsLeftAlone) {
  ASSERT_OK_AND_ASSIGN(const auto other, Open("other"));
  ASSERT_OK(AddCheckpoint(*other, "a"));
  ASSERT_OK(Open());
  ASSERT_EQ(symlink((directory_ / "other").c_str(), (directory_ / "v/quarantine").c_str()), 0);
  ASSERT_OK_AND_ASSIGN(const auto vault, Open());
  ASSERT_OK(AddCheckpoint(*vault, "b"));
  const std::uint64_t file = vault->manifest().checkpoints[0].file;
  ASSERT_OK(vault->Quarantine(Role::kCheckpoint, file, "test"));
  ASSERT_OK_AND_ASSIGN(const auto names, files_.List(directory_ / "other"));
  EXPECT_EQ(names.size(), 4u);  // Two manifests, the lock, the checkpoint.
  EXPECT_EQ(Contents(*other), "a");
}

TEST_F(VaultProcessTest, TwoProcessesMakeOneVault) {
  Fork([&] {
    // The lock alone, as if between the first look and the making.
    if (!files_.CreateDirectories(directory_ / "v").ok()) return;
    const auto lock = files_.Lock(directory_ / "v/lock", 0);
    if (lock.ok()) Arrive();
  });
  EXPECT_EQ(Open().status().code(), StatusCode::kUnavailable);
  Kill();
  EXPECT_OK(Open());
  EXPECT_EQ(keys_.items().size(), 1u);
}

// Who waited for the lock finds the vault that was made meanwhile. Its key is in
// the other process's KeyStore, which is how this one can tell.
TEST_F(VaultProcessTest, WhoComesSecondDoesNotMakeAnother) {
  Fork([&] {
    if (!Open("w").ok() || !files_.CreateDirectories(directory_ / "v").ok()) return;
    const auto lock = files_.Lock(directory_ / "v/lock", 0);
    if (!lock.ok() || write(pipe_[1], "x", 1) != 1) return;
    usleep(100'000);
    for (const char* name : {"/manifest", "/manifest.copy"}) {
      files_.Rename(directory_ / "w" + name, directory_ / "v" + name).Ignore();
    }
  });
  const Status status = Open("v", 10).status();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status.ToString();
  EXPECT_TRUE(keys_.items().empty());
  waitpid(child_, nullptr, 0);
  close(pipe_[0]);
}

}  // namespace
}  // namespace attune
