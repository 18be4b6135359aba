#include "vault/vault.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/forwarding_file_system.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/bytes.h"
#include "vault/file_names.h"

namespace attune {
namespace {

using testing::AddCheckpoint;
using testing::Contents;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::StageCheckpoint;
using testing::TestPorts;
using testing::TestVault;

class VaultTest : public ::testing::Test {
 protected:
  std::unique_ptr<Vault> OpenVault() {
    auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  Status OpenStatus(bool create = false) {
    VaultOptions options = TestVault();
    options.create = create;
    return Vault::Open(world_.ports(), options).status();
  }

  // Paths of all files whose names end so.
  std::vector<std::string> Ending(std::string_view end) {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : world_.files.files()) {
      if (path.ends_with(end)) paths.push_back(path);
    }
    return paths;
  }
  void Flip(const std::string& path, std::size_t offset) {
    std::string bytes = world_.files.files()[path];
    ASSERT_LT(offset, bytes.size());
    bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10);
    world_.files.Put(path, bytes);
  }

  TestPorts world_;
};

TEST_F(VaultTest, ANewOneIsEmptyAndOpensAgain) {
  EXPECT_EQ(OpenStatus().code(), StatusCode::kNotFound);
  const auto vault = OpenVault();
  EXPECT_EQ(vault->manifest().generation, 1u);
  EXPECT_EQ(vault->key_generation(), 1u);
  const auto again = OpenVault();
  EXPECT_EQ(again->id(), vault->id());
  EXPECT_EQ(again->manifest(), vault->manifest());
  EXPECT_THAT(world_.keys.items(), SizeIs(1));
}

TEST_F(VaultTest, RefusesADirectoryOfSomethingElse) {
  world_.files.Put("v/notes.txt", "mine");
  const Status status = OpenStatus(true);
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("1 other files"));
  EXPECT_THAT(world_.keys.items(), IsEmpty());
}

TEST_F(VaultTest, BeginsAnewWhereACreationWasCutOff) {
  world_.files.Put("v/lock", "");
  world_.files.Put("v/.attune-manifest.tmp", "half of a mani");
  world_.files.Put("v/.DS_Store", "desktop");
  EXPECT_OK(OpenStatus(true));
}

TEST_F(VaultTest, FilesWithoutAManifestAreNoNewVault) {
  ASSERT_OK(AddCheckpoint(*OpenVault(), "first"));
  ASSERT_OK(world_.files.Remove("v/manifest"));
  ASSERT_OK(world_.files.Remove("v/manifest.copy"));
  for (const bool create : {false, true}) {
    const Status status = OpenStatus(create);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("1 files of a vault"));
  }
}

TEST_F(VaultTest, ACommittedFileOpensInAnotherObject) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "first"));
  EXPECT_EQ(vault->manifest().generation, 2u);
  const auto reader = OpenVault();
  ASSERT_OK_AND_ASSIGN(const std::string text, reader->OpenFile(file, 100));
  EXPECT_EQ(text, "first");
  ASSERT_OK_AND_ASSIGN(const auto damages, reader->Verify());
  EXPECT_THAT(damages, SizeIs(0));
}

TEST_F(VaultTest, ADroppedTransactionLeavesNothing) {
  const auto vault = OpenVault();
  const Manifest before = vault->manifest();
  {
    ASSERT_OK_AND_ASSIGN(const auto transaction, vault->Begin());
    ASSERT_OK(StageCheckpoint(*vault, *transaction, "never"));
    EXPECT_THAT(Ending(".checkpoint"), SizeIs(1));
  }
  EXPECT_THAT(Ending(".checkpoint"), IsEmpty());
  EXPECT_EQ(vault->manifest(), before);
  EXPECT_EQ(OpenVault()->manifest(), before);
}

TEST_F(VaultTest, ATransactionThatChangedNothingCommitsNothing) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const auto transaction, vault->Begin());
  EXPECT_OK(transaction->Commit());
  EXPECT_EQ(vault->manifest().generation, 1u);
  EXPECT_EQ(transaction->Commit().code(), StatusCode::kFailedPrecondition);
}

TEST_F(VaultTest, AnInvalidManifestIsRefusedAndNothingChanges) {
  const auto vault = OpenVault();
  {
    ASSERT_OK_AND_ASSIGN(const auto transaction, vault->Begin());
    ASSERT_OK(StageCheckpoint(*vault, *transaction, "never"));
    transaction->manifest().checkpoints[0].adapter = "Not A Name";
    EXPECT_EQ(transaction->Commit().code(), StatusCode::kInvalidArgument);
  }
  EXPECT_THAT(Ending(".checkpoint"), IsEmpty());
  EXPECT_EQ(OpenVault()->manifest().generation, 1u);
}

TEST_F(VaultTest, WritersTakeTurns) {
  const auto first = OpenVault();
  const auto second = OpenVault();
  {
    ASSERT_OK_AND_ASSIGN(const auto transaction, first->Begin());
    EXPECT_EQ(second->Begin().status().code(), StatusCode::kUnavailable);
    EXPECT_EQ(first->Begin().status().code(), StatusCode::kFailedPrecondition);
    EXPECT_OK(OpenVault()->Refresh());
  }
  ASSERT_OK(AddCheckpoint(*first, "a"));
  ASSERT_OK(AddCheckpoint(*second, "b"));
  ASSERT_OK(AddCheckpoint(*first, "c"));
  ASSERT_OK(second->Refresh());
  EXPECT_EQ(Contents(*second), "a,b,c");
  EXPECT_EQ(first->manifest(), second->manifest());
}

TEST_F(VaultTest, AReaderKeepsItsManifestUntilItRefreshes) {
  const auto writer = OpenVault();
  ASSERT_OK(AddCheckpoint(*writer, "a"));
  const auto reader = OpenVault();
  ASSERT_OK(AddCheckpoint(*writer, "b"));
  EXPECT_EQ(Contents(*reader), "a");
  ASSERT_OK(reader->Refresh());
  EXPECT_EQ(Contents(*reader), "a,b");
}

TEST_F(VaultTest, AFileThatAnotherProcessDroppedIsNotDamaged) {
  const auto writer = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile first, AddCheckpoint(*writer, "a"));
  const auto reader = OpenVault();
  ASSERT_OK(AddCheckpoint(*writer, "b", /*keep=*/1));
  EXPECT_THAT(Ending(".checkpoint"), SizeIs(1));
  const Status status = reader->OpenFile(first, 100).status();
  EXPECT_EQ(status.code(), StatusCode::kNotFound);
  EXPECT_THAT(status.message(), HasSubstr("no more"));
  EXPECT_THAT(reader->manifest().quarantine, IsEmpty());
  EXPECT_EQ(Contents(*reader), "b");
}

TEST_F(VaultTest, ADroppedFileTakesItsKeyAlong) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile first, AddCheckpoint(*vault, "a"));
  ASSERT_OK(AddCheckpoint(*vault, "b", /*keep=*/1));
  EXPECT_THAT(vault->manifest().slices, SizeIs(1));
  EXPECT_EQ(vault->SliceKey(first.slice).status().code(), StatusCode::kNotFound);
}

TEST_F(VaultTest, ADamagedFileGoesToQuarantine) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "first"));
  ASSERT_OK(AddCheckpoint(*vault, "second"));
  const std::string path = vault->PathOf(file.role, file.file);
  Flip(path, 100);
  const Status status = vault->OpenFile(file, 100).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(Contents(*vault), "second");
  ASSERT_THAT(vault->manifest().quarantine, SizeIs(1));
  EXPECT_EQ(vault->manifest().quarantine[0].file, file.file);
  EXPECT_EQ(vault->manifest().quarantine[0].when, world_.clock.unix_seconds);
  EXPECT_EQ(vault->manifest().quarantine[0].reason, status.message());
  EXPECT_THAT(vault->manifest().slices, SizeIs(1));
  EXPECT_FALSE(world_.files.Exists(path));
  EXPECT_TRUE(world_.files.Exists("v/quarantine/" + FormatFileName(file.role, file.file)));
  EXPECT_EQ(OpenVault()->manifest(), vault->manifest());
}

// Gives one checkpoint back with a flipped bit, once.
class OneBadRead final : public testing::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  int bad_reads = 0;

  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    auto bytes = ForwardingFileSystem::Read(path, limit);
    if (bytes.ok() && path.ends_with(".checkpoint") && bad_reads == 0) {
      ++bad_reads;
      bytes->back() = static_cast<char>(bytes->back() ^ 1);
    }
    return bytes;
  }
};

TEST_F(VaultTest, OneBadReadCostsNoFile) {
  OneBadRead files(world_.files);
  VaultPorts ports = world_.ports();
  ports.files = &files;
  ASSERT_OK_AND_ASSIGN(const auto vault, Vault::Open(ports, TestVault()));
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "first"));
  ASSERT_OK_AND_ASSIGN(const std::string text, vault->OpenFile(file, 100));
  EXPECT_EQ(text, "first");
  EXPECT_EQ(files.bad_reads, 1);
  EXPECT_THAT(vault->manifest().quarantine, IsEmpty());
}

TEST_F(VaultTest, AMissingFileIsReportedOnce) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "first"));
  ASSERT_OK(world_.files.Remove(vault->PathOf(file.role, file.file)));
  const Status status = vault->OpenFile(file, 100).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("gone"));
  EXPECT_THAT(vault->manifest().checkpoints, IsEmpty());
  EXPECT_EQ(vault->OpenFile(file, 100).status().code(), StatusCode::kNotFound);
}

TEST_F(VaultTest, QuarantineKeepsTheLastFilesOnly) {
  const auto vault = OpenVault();
  for (std::size_t i = 0; i < kMaxQuarantined + 3; ++i) {
    ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "x"));
    ASSERT_OK(vault->Quarantine(file.role, file.file, "two\nlines"));
  }
  EXPECT_THAT(vault->manifest().quarantine, SizeIs(kMaxQuarantined));
  EXPECT_EQ(vault->manifest().quarantine[0].reason, "two?lines");
  EXPECT_THAT(Ending(".checkpoint"), SizeIs(kMaxQuarantined));
  EXPECT_EQ(vault->Quarantine(Role::kCheckpoint, 1, "no such").code(), StatusCode::kNotFound);
}

TEST_F(VaultTest, AFileOverTheLimitIsNoDamage) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "123456"));
  EXPECT_EQ(vault->OpenFile(file, 5).status().code(), StatusCode::kResourceExhausted);
  EXPECT_EQ(Contents(*vault), "123456");
}

TEST_F(VaultTest, FilesInEachOthersPlaceDoNotOpen) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile a, AddCheckpoint(*vault, "a"));
  ASSERT_OK_AND_ASSIGN(const VaultFile b, AddCheckpoint(*vault, "b"));
  const std::string path_a = vault->PathOf(a.role, a.file);
  const std::string original = world_.files.files()[path_a];
  const std::string other = world_.files.files()[vault->PathOf(b.role, b.file)];

  world_.files.Put(path_a, other);
  ASSERT_OK_AND_ASSIGN(auto damages, vault->Verify());
  ASSERT_THAT(damages, SizeIs(1));
  EXPECT_THAT(damages[0].status.message(), HasSubstr("header: file"));
  // With the header that is asked for, the key and the context still differ.
  world_.files.Put(path_a, original.substr(0, 32) + other.substr(32));
  ASSERT_OK_AND_ASSIGN(damages, vault->Verify());
  ASSERT_THAT(damages, SizeIs(1));
  EXPECT_EQ(damages[0].status.code(), StatusCode::kDataLoss);
  world_.files.Put(path_a, original);
  // Asking for the same bytes as another adapter's is the caller's mistake.
  VaultFile wrong = a;
  wrong.adapter = "other";
  EXPECT_EQ(vault->OpenFile(wrong, 100).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(Contents(*vault), "a,b");
}

TEST_F(VaultTest, AMessageIsBoundToItsFileAlsoUnderASharedKey) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile a, AddCheckpoint(*vault, "a"));
  ASSERT_OK_AND_ASSIGN(const Secret key, vault->SliceKey(a.slice));
  VaultFile b = a;
  b.file = a.file + 1;
  ASSERT_OK_AND_ASSIGN(const std::string of_a, vault->SealFile(a, key.bytes(), AsBytes("x")));
  ASSERT_OK_AND_ASSIGN(const std::string of_b, vault->SealFile(b, key.bytes(), AsBytes("y")));
  world_.files.Put(vault->PathOf(a.role, a.file), of_a.substr(0, 32) + of_b.substr(32));
  EXPECT_EQ(vault->OpenFile(a, 100).status().code(), StatusCode::kDataLoss);
}

TEST_F(VaultTest, VerifyNamesWhatIsDamagedAndMovesNothing) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile first, AddCheckpoint(*vault, "first"));
  ASSERT_OK(AddCheckpoint(*vault, "second"));
  ASSERT_OK_AND_ASSIGN(const VaultFile third, AddCheckpoint(*vault, "third"));
  Flip(vault->PathOf(first.role, first.file), 40);
  ASSERT_OK(world_.files.Remove(vault->PathOf(third.role, third.file)));
  ASSERT_OK_AND_ASSIGN(const auto damages, vault->Verify());
  ASSERT_THAT(damages, SizeIs(2));
  EXPECT_EQ(damages[0].file, first.file);
  EXPECT_EQ(damages[0].status.code(), StatusCode::kDataLoss);
  EXPECT_EQ(damages[1].file, third.file);
  EXPECT_EQ(damages[1].status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(vault->manifest().checkpoints, SizeIs(3));
  EXPECT_THAT(Ending(".checkpoint"), SizeIs(2));
}

TEST_F(VaultTest, TheFirstTransactionSweepsWhatNobodyNames) {
  ASSERT_OK(AddCheckpoint(*OpenVault(), "kept"));
  for (const char* garbage : {"v/0123456789abcdef.checkpoint", "v/0123456789abcdef.examples",
                              "v/.attune-manifest.tmp", "v/quarantine/0123456789abcdef.adapter"}) {
    world_.files.Put(garbage, "garbage");
  }
  for (const char* foreign : {"v/notes.txt", "v/0123456789ABCDEF.checkpoint", "v/.attune-x",
                              "v/0123456789abcdef.txt", "v/quarantine/notes.txt"}) {
    world_.files.Put(foreign, "foreign");
  }
  const auto vault = OpenVault();
  EXPECT_TRUE(world_.files.Exists("v/.attune-manifest.tmp"));  // A reader changes nothing.
  ASSERT_OK(vault->Begin());
  std::vector<std::string> left;
  for (const auto& [path, bytes] : world_.files.files()) {
    EXPECT_NE(bytes, "garbage") << path;
    if (bytes == "foreign") left.push_back(path);
  }
  EXPECT_THAT(left, SizeIs(5));
  EXPECT_EQ(Contents(*vault), "kept");
}

}  // namespace
}  // namespace attune
