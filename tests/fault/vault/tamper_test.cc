// Every change to the manifest's files is noticed, whichever byte it is.

#include <gmock/gmock.h>

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/manifest_file.h"
#include "vault/vault.h"

namespace attune {
namespace {

using testing::AddCheckpoint;
using ::testing::AnyOf;
using testing::Contents;
using ::testing::HasSubstr;
using testing::TestPorts;
using testing::TestVault;

constexpr const char* kCopies[] = {"v/manifest", "v/manifest.copy"};

class TamperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto vault = OpenVault();
    ASSERT_OK(AddCheckpoint(*vault, "a"));
    manifest_ = vault->manifest();
    bytes_ = world_.files.files()[kCopies[0]];
    ASSERT_EQ(bytes_, world_.files.files()[kCopies[1]]);
    items_ = world_.keys.items();
  }
  std::unique_ptr<Vault> OpenVault() {
    auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  void Put(const std::string& manifest, const std::string& copy) {
    world_.files.Put(kCopies[0], manifest);
    world_.files.Put(kCopies[1], copy);
  }
  // With one copy replaced, the other one serves.
  void ExpectTheOtherIsUsed(const std::string& damaged) {
    for (const bool first : {true, false}) {
      Put(first ? damaged : bytes_, first ? bytes_ : damaged);
      const auto vault = OpenVault();
      ASSERT_NE(vault, nullptr);
      EXPECT_EQ(vault->manifest(), manifest_);
    }
  }
  // With both replaced, nothing opens and nothing is made anew.
  Status BothReplaced(const std::string& damaged) {
    Put(damaged, damaged);
    const auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_FALSE(vault.ok());
    EXPECT_EQ(world_.files.files()[kCopies[0]], damaged);
    EXPECT_EQ(world_.keys.items(), items_);
    return vault.status();
  }

  TestPorts world_;
  Manifest manifest_;
  std::string bytes_;
  testing::MemoryKeyStore::Items items_;
};

TEST_F(TamperTest, EveryFlippedBitIsDamage) {
  for (std::size_t i = 0; i < bytes_.size() * 8; ++i) {
    SCOPED_TRACE(i);
    std::string flipped = bytes_;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    ExpectTheOtherIsUsed(flipped);
    const Status status = BothReplaced(flipped);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << status.ToString();
    if (HasFailure()) return;
  }
}

TEST_F(TamperTest, EveryTruncationIsDamage) {
  for (std::size_t size = 0; size < bytes_.size(); ++size) {
    SCOPED_TRACE(size);
    ExpectTheOtherIsUsed(bytes_.substr(0, size));
    EXPECT_EQ(BothReplaced(bytes_.substr(0, size)).code(), StatusCode::kDataLoss);
    if (HasFailure()) return;
  }
  ExpectTheOtherIsUsed(bytes_ + "more");
  EXPECT_EQ(BothReplaced(bytes_ + "more").code(), StatusCode::kDataLoss);
}

TEST_F(TamperTest, TheDamagedCopyIsMendedByTheNextTransaction) {
  for (const bool first : {true, false}) {
    const std::string last = world_.files.files()[kCopies[0]];
    Put(first ? "damaged" : last, first ? last : "damaged");
    const auto vault = OpenVault();
    ASSERT_OK(vault->Begin());
    const auto files = world_.files.files();
    EXPECT_EQ(files.at(kCopies[0]), files.at(kCopies[1]));
    EXPECT_EQ(Contents(*OpenVault()), "a");
  }
}

// A header that is whole in itself but says something else: no field of it is
// believed for the digest's sake.
TEST_F(TamperTest, EveryForgedHeaderIsRefused) {
  Crypto& crypto = *world_.crypto;
  ASSERT_OK_AND_ASSIGN(const ManifestHeader header, DecodeManifestHeader(crypto, bytes_));
  const auto forge = [&](const ManifestHeader& forged) {
    auto encoded = EncodeManifestHeader(crypto, forged);
    EXPECT_OK(encoded);
    return *encoded + bytes_.substr(kManifestHeaderBytes);
  };
  ManifestHeader forged = header;
  forged.generation += 1;
  ExpectTheOtherIsUsed(forge(forged));
  EXPECT_EQ(BothReplaced(forge(forged)).code(), StatusCode::kDataLoss);

  forged = header;
  forged.key[3] ^= std::byte{1};
  ExpectTheOtherIsUsed(forge(forged));
  Status status = BothReplaced(forge(forged));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("another key"));

  forged = header;
  forged.vault[3] ^= std::byte{1};
  ExpectTheOtherIsUsed(forge(forged));
  status = BothReplaced(forge(forged));
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr("no key"));
}

TEST_F(TamperTest, ALaterVersionIsNotDamage) {
  std::string later = bytes_.substr(0, 52);
  later[8] = 2;
  const ByteSpan parts[] = {AsBytes(later)};
  ASSERT_OK_AND_ASSIGN(const Sha256Digest digest, world_.crypto->Sha256(parts));
  later.append(AsText(digest).substr(0, 12)).append(bytes_.substr(64));
  const Status status = BothReplaced(later);
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("version 2, this build reads 1"));
}

TEST_F(TamperTest, EveryFlipAndCutOfAFileIsDamage) {
  auto vault = OpenVault();
  const CheckpointEntry entry = vault->manifest().checkpoints[0];
  const std::string path = vault->PathOf(Role::kCheckpoint, entry.file);
  const std::string original = world_.files.files()[path];
  const auto expect_damage = [&](const std::string& bytes) {
    world_.files.Put(path, bytes);
    const auto damages = vault->Verify();
    ASSERT_OK(damages);
    ASSERT_EQ(damages->size(), 1u);
    EXPECT_EQ((*damages)[0].status.code(), StatusCode::kDataLoss);
  };
  for (std::size_t i = 0; i < original.size() * 8; ++i) {
    SCOPED_TRACE(i);
    std::string flipped = original;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    expect_damage(flipped);
  }
  for (std::size_t size = 0; size < original.size(); ++size) {
    SCOPED_TRACE(size);
    expect_damage(original.substr(0, size));
  }
  world_.files.Put(path, original);
  EXPECT_EQ(Contents(*vault), "a");
}

}  // namespace
}  // namespace attune
