// Keys of a vault: rotation, roll-back, and a KeyStore that does not play along.

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "support/forwarding_file_system.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/key_item.h"
#include "vault/keys.h"
#include "vault/vault.h"

namespace attune {
namespace {

using testing::AddCheckpoint;
using testing::Contents;
using ::testing::HasSubstr;
using testing::TestPorts;
using testing::TestVault;

class VaultKeysTest : public ::testing::Test {
 protected:
  std::unique_ptr<Vault> OpenVault() {
    auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  Status OpenStatus() { return Vault::Open(world_.ports(), TestVault()).status(); }

  // Both copies of the manifest.
  struct Pair {
    std::string manifest, copy;
  };
  Pair Manifests() {
    auto files = world_.files.files();
    return {files["v/manifest"], files["v/manifest.copy"]};
  }
  void PutManifests(const Pair& pair) {
    world_.files.Put("v/manifest", pair.manifest);
    world_.files.Put("v/manifest.copy", pair.copy);
  }
  KeyItem Item(const Vault& vault) {
    auto item = LoadKeyItem(world_.keys, *world_.crypto, vault.id());
    EXPECT_OK(item);
    return *std::move(item);
  }

  TestPorts world_;
};

TEST_F(VaultKeysTest, RotationKeepsTheFilesAndChangesTheRoot) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  const auto files = world_.files.files();
  const KeyItem before = Item(*vault);
  ASSERT_OK(vault->RotateKey());
  const KeyItem after = Item(*vault);
  EXPECT_FALSE(EqualInConstantTime(before.current.bytes(), after.current.bytes()));
  EXPECT_TRUE(after.previous.empty());
  EXPECT_EQ(vault->key_generation(), 2u);
  EXPECT_EQ(after.anchor, vault->manifest().generation);
  for (const auto& [path, bytes] : files) {
    if (!path.ends_with(".checkpoint")) continue;
    EXPECT_EQ(world_.files.files()[path], bytes);
  }
  EXPECT_EQ(Contents(*vault), "a");
  EXPECT_EQ(Contents(*OpenVault()), "a");
}

// Does something right after the first item was loaded.
class InterruptedKeyStore final : public KeyStore {
 public:
  explicit InterruptedKeyStore(KeyStore& keys) : keys_(keys) {}
  std::function<void()> after_load;

  Result<Secret> Load(const std::string& name) override {
    auto item = keys_.Load(name);
    if (after_load) std::exchange(after_load, nullptr)();
    return item;
  }
  Status Store(const std::string& name, ByteSpan secret) override {
    return keys_.Store(name, secret);
  }
  Status Remove(const std::string& name) override { return keys_.Remove(name); }

 private:
  KeyStore& keys_;
};

TEST_F(VaultKeysTest, AReaderLooksAgainIfTheKeyIsRotatedMeanwhile) {
  const auto writer = OpenVault();
  ASSERT_OK(AddCheckpoint(*writer, "a"));
  InterruptedKeyStore keys(world_.keys);
  VaultPorts ports = world_.ports();
  ports.keys = &keys;
  keys.after_load = [&] { EXPECT_OK(writer->RotateKey()); };
  ASSERT_OK_AND_ASSIGN(const auto reader, Vault::Open(ports, TestVault()));
  EXPECT_EQ(reader->key_generation(), 2u);
  // A commit in that place is no rollback.
  keys.after_load = [&] { EXPECT_OK(AddCheckpoint(*writer, "b")); };
  ASSERT_OK_AND_ASSIGN(const auto another, Vault::Open(ports, TestVault()));
  EXPECT_EQ(Contents(*another), "a,b");
}

TEST_F(VaultKeysTest, AReaderFollowsARotation) {
  const auto writer = OpenVault();
  ASSERT_OK(AddCheckpoint(*writer, "a"));
  const auto reader = OpenVault();
  ASSERT_OK(writer->RotateKey());
  EXPECT_EQ(Contents(*reader), "a");  // By what it knows.
  EXPECT_EQ(reader->key_generation(), 1u);
  ASSERT_OK(reader->Refresh());
  EXPECT_EQ(reader->key_generation(), 2u);
  EXPECT_EQ(Contents(*reader), "a");
  ASSERT_OK(AddCheckpoint(*reader, "b"));
  ASSERT_OK(writer->Refresh());
  EXPECT_EQ(Contents(*writer), "a,b");
}

// What "forget" stands on: the manifest that still holds a dropped key cannot be
// opened with what is left in the KeyStore, even if the anchor is put back.
TEST_F(VaultKeysTest, NoEarlierManifestOpensAfterARotation) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "to be forgotten"));
  const Pair recovered = Manifests();
  ASSERT_OK(AddCheckpoint(*vault, "b", /*keep=*/1));
  ASSERT_OK(vault->RotateKey());
  KeyItem item = Item(*vault);
  item.anchor = 0;
  ASSERT_OK(StoreKeyItem(world_.keys, *world_.crypto, vault->id(), item));
  PutManifests(recovered);
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("another key"));
}

TEST_F(VaultKeysTest, AnOlderPairIsRolledBack) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  const Pair old = Manifests();
  ASSERT_OK(AddCheckpoint(*vault, "b"));
  ASSERT_OK(AddCheckpoint(*vault, "c"));
  PutManifests(old);
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("rolled back: generation 2, 4 was committed last"));
  // Not by who has it open either.
  EXPECT_THAT(vault->Refresh().message(), HasSubstr("rolled back"));
  EXPECT_THAT(vault->Begin().status().message(), HasSubstr("rolled back"));
  EXPECT_EQ(Contents(*vault), "a,b,c");
}

TEST_F(VaultKeysTest, OneOldCopyIsNotUsedAndIsMended) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  const Pair old = Manifests();
  ASSERT_OK(AddCheckpoint(*vault, "b"));
  for (const bool first : {true, false}) {
    const Pair last = Manifests();
    PutManifests(first ? Pair{old.manifest, last.copy} : Pair{last.manifest, old.copy});
    const auto again = OpenVault();
    EXPECT_EQ(Contents(*again), "a,b");
    ASSERT_OK(again->Begin());
    EXPECT_EQ(Manifests().manifest, Manifests().copy);
    EXPECT_EQ(Contents(*OpenVault()), "a,b");
  }
}

TEST_F(VaultKeysTest, ALockedKeyStoreIsForLater) {
  ASSERT_OK(AddCheckpoint(*OpenVault(), "a"));
  world_.keys.SetLocked(true);
  EXPECT_EQ(OpenStatus().code(), StatusCode::kUnavailable);
  world_.keys.SetLocked(false);
  EXPECT_EQ(Contents(*OpenVault()), "a");
}

TEST_F(VaultKeysTest, ALockedKeyStoreMakesNoVault) {
  world_.keys.SetLocked(true);
  EXPECT_EQ(OpenStatus().code(), StatusCode::kUnavailable);
  world_.keys.SetLocked(false);
  EXPECT_EQ(OpenVault()->manifest().generation, 1u);
}

TEST_F(VaultKeysTest, AMissingKeyIsNeverReplaced) {
  ASSERT_OK(AddCheckpoint(*OpenVault(), "a"));
  const auto items = world_.keys.items();
  world_.keys.SetItems({});
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("no key"));
  EXPECT_TRUE(world_.keys.items().empty());
  world_.keys.SetItems(items);
  EXPECT_EQ(Contents(*OpenVault()), "a");
}

TEST_F(VaultKeysTest, AnotherKeyIsNotTried) {
  const auto vault = OpenVault();
  KeyItem item = Item(*vault);
  item.current.bytes()[0] ^= std::byte{1};
  ASSERT_OK(StoreKeyItem(world_.keys, *world_.crypto, vault->id(), item));
  const Status status = OpenStatus();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("another key"));
}

TEST_F(VaultKeysTest, EveryDamageToTheItemIsNoticed) {
  ASSERT_OK(AddCheckpoint(*OpenVault(), "a"));
  const auto items = world_.keys.items();
  const auto& [name, bytes] = *items.begin();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    SCOPED_TRACE(i);
    auto damaged = bytes;
    damaged[i] ^= std::byte{0x40};
    world_.keys.SetItems({{name, damaged}});
    const Status status = OpenStatus();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr("key item"));
    world_.keys.SetItems({{name, {bytes.begin(), bytes.begin() + static_cast<long>(i)}}});
    EXPECT_EQ(OpenStatus().code(), StatusCode::kDataLoss);
  }
}

TEST_F(VaultKeysTest, AnotherVaultsManifestsAreRefused) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  const Pair ours = Manifests();
  TestPorts elsewhere;
  ASSERT_OK(Vault::Open(elsewhere.ports(), TestVault()));
  auto files = elsewhere.files.files();
  const Pair foreign{files["v/manifest"], files["v/manifest.copy"]};

  PutManifests(foreign);
  EXPECT_THAT(OpenStatus().message(),
              HasSubstr("no key for it: give the key store it was made with"));
  EXPECT_EQ(OpenStatus().code(), StatusCode::kFailedPrecondition);
  // One of them: ours is still there.
  PutManifests({foreign.manifest, ours.copy});
  EXPECT_EQ(Contents(*OpenVault()), "a");
  // Of a vault whose key is at hand: which one is meant?
  auto items = world_.keys.items();
  for (const auto& [name, bytes] : elsewhere.keys.items()) items[name] = bytes;
  world_.keys.SetItems(items);
  EXPECT_THAT(OpenStatus().message(), HasSubstr("two vaults"));
  // Who has it open knows.
  PutManifests(foreign);
  const Status status = vault->Refresh();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("another vault"));
}

// A commit whose anchor cannot be stored is a commit; the next one starts by
// storing it.
TEST_F(VaultKeysTest, AnUnanchoredCommitCountsAndIsAnchoredNext) {
  const auto vault = OpenVault();
  world_.keys.SetLocked(true);
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  EXPECT_EQ(AddCheckpoint(*vault, "b").status().code(), StatusCode::kUnavailable);
  world_.keys.SetLocked(false);
  EXPECT_EQ(Item(*vault).anchor, 1u);
  EXPECT_EQ(Contents(*OpenVault()), "a");
  const auto next = OpenVault();
  ASSERT_OK(next->Begin());
  EXPECT_EQ(Item(*vault).anchor, 2u);
}

TEST_F(VaultKeysTest, ARotationThatCannotStoreItsKeyChangesNothing) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  world_.keys.SetLocked(true);
  EXPECT_EQ(vault->RotateKey().code(), StatusCode::kUnavailable);
  world_.keys.SetLocked(false);
  EXPECT_EQ(Contents(*vault), "a");
  ASSERT_OK(AddCheckpoint(*vault, "b"));
  EXPECT_EQ(vault->key_generation(), 1u);
  EXPECT_EQ(Contents(*OpenVault()), "a,b");
}

// No room for a manifest, while `full`.
class FullFileSystem final : public testing::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  bool full = false;

  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    if (full) return ResourceExhausted("no space");
    return ForwardingFileSystem::Create(path);
  }
};

// The item that a failed rotation has stored is undone by another process, which still
// knows the one before. A manifest under the key that is gone would open no more.
TEST_F(VaultKeysTest, AFailedRotationGoesOnFromWhatTheItemSaysByThen) {
  FullFileSystem files(world_.files);
  VaultPorts ports = world_.ports();
  ports.files = &files;
  const auto other = OpenVault();
  world_.keys.SetLocked(true);
  ASSERT_OK(AddCheckpoint(*other, "a"));  // Committed, its anchor not stored.
  world_.keys.SetLocked(false);
  ASSERT_OK_AND_ASSIGN(const auto vault, Vault::Open(ports, TestVault()));
  files.full = true;
  EXPECT_EQ(vault->RotateKey().code(), StatusCode::kResourceExhausted);
  files.full = false;
  ASSERT_OK(other->Begin());
  const KeyItem stored = Item(*vault);
  ASSERT_TRUE(stored.previous.empty());
  ASSERT_OK(AddCheckpoint(*vault, "b"));
  EXPECT_TRUE(EqualInConstantTime(Item(*vault).current.bytes(), stored.current.bytes()));
  EXPECT_EQ(Contents(*OpenVault()), Contents(*vault));
}

TEST_F(VaultKeysTest, ACutOffRotationIsFinishedByTheNextTransaction) {
  const auto vault = OpenVault();
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  // The new key is stored, nothing else.
  const auto reader = OpenVault();
  KeyItem item = Item(*vault);
  item.previous = std::move(item.current);
  ASSERT_OK_AND_ASSIGN(item.current, NewKey(*world_.crypto));
  item.key_generation = 2;
  ASSERT_OK(StoreKeyItem(world_.keys, *world_.crypto, vault->id(), item));
  const auto next = OpenVault();
  EXPECT_EQ(Contents(*next), "a");
  ASSERT_OK(next->Begin());
  EXPECT_TRUE(Item(*vault).previous.empty());
  EXPECT_TRUE(EqualInConstantTime(Item(*vault).current.bytes(), item.current.bytes()));
  EXPECT_EQ(Contents(*next), "a");
  EXPECT_EQ(Contents(*OpenVault()), "a");
  ASSERT_OK(reader->Refresh());
  EXPECT_EQ(Contents(*reader), "a");
}

TEST_F(VaultKeysTest, KeysOfRolesSlicesAndVaultsDiffer) {
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const auto made, vault->MakeSlice(Role::kAdapter, 7));
  Crypto& crypto = *world_.crypto;
  const KeyItem item = Item(*vault);
  const ByteSpan root = item.current.bytes();
  ASSERT_OK_AND_ASSIGN(const Secret key, UnwrapSliceKey(crypto, root, vault->id(), made.slice));
  EXPECT_TRUE(EqualInConstantTime(key.bytes(), made.key.bytes()));
  EXPECT_EQ(made.slice.wrapped_key.size(), kWrappedKeyBytes);

  Slice other = made.slice;
  other.id = 8;
  EXPECT_EQ(UnwrapSliceKey(crypto, root, vault->id(), other).status().code(),
            StatusCode::kDataLoss);
  other = made.slice;
  other.role = Role::kCheckpoint;
  EXPECT_EQ(UnwrapSliceKey(crypto, root, vault->id(), other).status().code(),
            StatusCode::kDataLoss);
  VaultId elsewhere = vault->id();
  elsewhere[0] ^= std::byte{1};
  EXPECT_EQ(UnwrapSliceKey(crypto, root, elsewhere, made.slice).status().code(),
            StatusCode::kDataLoss);
}

}  // namespace
}  // namespace attune
