#include "vault/vault.h"

#include <gmock/gmock.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/bytes.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
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

  // Commits a checkpoint of `text`.
  static Result<VaultFile> AddCheckpoint(Vault& vault, std::string_view text) {
    ATTUNE_ASSIGN_OR_RETURN(const auto transaction, vault.Begin());
    Manifest& manifest = transaction->manifest();
    ATTUNE_ASSIGN_OR_RETURN(auto made, vault.MakeSlice(Role::kCheckpoint, manifest.next_slice++));
    ATTUNE_ASSIGN_OR_RETURN(const std::uint64_t id, transaction->NewFile());
    const VaultFile file{.role = Role::kCheckpoint,
                         .file = id,
                         .slice = made.slice.id,
                         .base = {},
                         .adapter = "default"};
    ATTUNE_ASSIGN_OR_RETURN(const std::string bytes,
                            vault.SealFile(file, made.key.bytes(), AsBytes(text)));
    const ByteSpan parts[] = {AsBytes(bytes)};
    ATTUNE_RETURN_IF_ERROR(transaction->Write(file.role, file.file, parts));
    manifest.slices.push_back(made.slice);
    CheckpointEntry entry;
    entry.file = file.file;
    entry.slice = file.slice;
    entry.bytes = bytes.size();
    entry.adapter = file.adapter;
    manifest.checkpoints.push_back(entry);
    ATTUNE_RETURN_IF_ERROR(transaction->Commit());
    return file;
  }

  // Names of the vault's data files.
  std::vector<std::string> DataFiles() {
    std::vector<std::string> names;
    for (const auto& [path, bytes] : world_.files.files()) {
      if (path.ends_with(".checkpoint") || path.ends_with(".adapter")) names.push_back(path);
    }
    return names;
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
  EXPECT_EQ(world_.keys.items().size(), 1u);
}

TEST_F(VaultTest, ACommittedFileOpensInAnotherObject) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const VaultFile file, AddCheckpoint(*vault, "first"));
  EXPECT_EQ(vault->manifest().generation, 2u);
  const auto reader = OpenVault();
  ASSERT_OK_AND_ASSIGN(const std::string text, reader->OpenFile(file, 100));
  EXPECT_EQ(text, "first");
  ASSERT_OK_AND_ASSIGN(const auto damages, reader->Verify());
  EXPECT_TRUE(damages.empty());
}

}  // namespace
}  // namespace attune
