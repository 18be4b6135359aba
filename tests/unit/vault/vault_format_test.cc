// The annotated dump in docs/formats/vault.md, made again: keys, ids, salts and
// time are fixed, so that every byte of a vault is.

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/bytes.h"
#include "vault/key_item.h"
#include "vault/manifest.h"

namespace attune {
namespace {

using testing::FixedClock;
using testing::MemoryFileSystem;
using testing::MemoryKeyStore;
using ::testing::SizeIs;

// Counts instead of throwing dice: 00 01 02 and so on.
class CountingCrypto final : public Crypto {
 public:
  Status Random(std::span<std::byte> out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(next_++);
    return OkStatus();
  }
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override {
    return crypto_->Hkdf(key, salt, info, out);
  }
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override {
    return crypto_->HkdfExpand(prk, info, out);
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override { return crypto_->Aes256Gcm(key); }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override {
    return crypto_->Sha256(parts);
  }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    return crypto_->AllocateSecret(size);
  }
  void ReleaseSecret(std::span<std::byte> secret) override { crypto_->ReleaseSecret(secret); }

 private:
  std::unique_ptr<Crypto> crypto_ = testing::MakeCrypto();
  std::uint8_t next_ = 0;
};

struct Field {
  std::size_t size;
  const char* meaning;
};

// "0008  01 00   version", 16 bytes a line; the meaning stands on a field's first.
std::string Dump(std::string_view title, std::string_view bytes, const std::vector<Field>& fields) {
  std::string text = StrCat("```text\n", title, ", ", bytes.size(), " bytes\n");
  std::size_t offset = 0;
  for (const Field& field : fields) {
    const std::size_t end = std::min(bytes.size(), offset + field.size);
    for (std::size_t line = offset; line < end; line += 16) {
      char number[24];
      std::snprintf(number, sizeof number, "%04zx ", line);
      std::string hex;
      for (std::size_t i = line; i < std::min(end, line + 16); ++i) {
        char byte[8];
        std::snprintf(byte, sizeof byte, " %02x", static_cast<unsigned char>(bytes[i]));
        hex += byte;
      }
      text += number + hex;
      if (line == offset) text += std::string(51 - hex.size(), ' ') + field.meaning;
      text += '\n';
    }
    offset = end;
  }
  EXPECT_EQ(offset, bytes.size()) << title << ": the fields are not those of the bytes";
  return text + "```\n";
}

std::string ReadDocument() {
  std::ifstream in(std::string(ATTUNE_SOURCE_DIR) + "/docs/formats/vault.md");
  return {std::istreambuf_iterator<char>(in), {}};
}

// One vault, one checkpoint that holds the five bytes "hello".
class VaultFormatTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(const auto vault,
                         Vault::Open({&files_, &keys_, &crypto_, &clock_}, testing::TestVault()));
    ASSERT_OK(testing::AddCheckpoint(*vault, "hello"));
    auto files = files_.files();
    manifest_file_ = files["v/manifest"];
    manifest_ = EncodeManifest(vault->manifest());
    const std::uint64_t id = vault->manifest().checkpoints[0].file;
    checkpoint_ = files[vault->PathOf(Role::kCheckpoint, id)];
    const auto items = keys_.items();
    ASSERT_THAT(items, SizeIs(1));
    item_name_ = items.begin()->first;
    item_ = AsText(items.begin()->second);
  }

  void ExpectInDocument(const std::string& dump) {
    EXPECT_NE(ReadDocument().find(dump), std::string::npos)
        << "docs/formats/vault.md should have:\n"
        << dump;
  }

  CountingCrypto crypto_;
  MemoryFileSystem files_;
  MemoryKeyStore keys_{crypto_};
  FixedClock clock_;
  std::string manifest_file_, manifest_, checkpoint_, item_name_, item_;
};

TEST_F(VaultFormatTest, TheItemInTheKeyStoreIsAsDocumented) {
  ExpectInDocument(Dump("KeyStore item " + item_name_, item_,
                        {{8, "magic \"AttuneVK\""},
                         {2, "version 1"},
                         {2, "no rotation"},
                         {8, "anchor: generation 2"},
                         {8, "key generation 1"},
                         {32, "current root key"},
                         {32, "previous root key: none"},
                         {32, "SHA-256 of the above"}}));
}

TEST_F(VaultFormatTest, TheManifestsFileIsAsDocumented) {
  ExpectInDocument(Dump("manifest", manifest_file_,
                        {{8, "magic \"AttuneVM\""},
                         {2, "version 1"},
                         {2, "reserved"},
                         {16, "vault id"},
                         {16, "key id"},
                         {8, "generation 2"},
                         {12, "SHA-256 of the above, its beginning"},
                         {24, "message: salt"},
                         {32, "commitment"},
                         {manifest_.size(), "the manifest, sealed"},
                         {16, "tag of the last chunk"}}));
}

TEST_F(VaultFormatTest, TheManifestIsAsDocumented) {
  ExpectInDocument(Dump("manifest (opened)", manifest_,
                        {{2, "version 1"},
                         {8, "generation 2"},
                         {8, "next example 1"},
                         {8, "next slice 2"},
                         {4, "1 slice"},
                         {8, "id 1"},
                         {1, "role: checkpoint"},
                         {104, "its key, wrapped"},
                         {4, "no segments"},
                         {4, "1 checkpoint"},
                         {8, "file"},
                         {8, "slice 1"},
                         {8, "109 bytes"},
                         {8, "adapter \"default\", counted"},
                         {32, "base hash"},
                         {8, "created"},
                         {1, "not tainted"},
                         {4, "trained on no examples"},
                         {8, "run 0"},
                         {8, "step 0"},
                         {4, "no adapters"},
                         {4, "no adapter lines"},
                         {4, "nothing in quarantine"}}));
}

TEST_F(VaultFormatTest, ADataFileIsAsDocumented) {
  ExpectInDocument(Dump("8786858483828180.checkpoint", checkpoint_,
                        {{8, "magic \"AttuneVF\""},
                         {2, "version 1"},
                         {1, "role: checkpoint"},
                         {5, "reserved"},
                         {8, "file"},
                         {8, "slice 1"},
                         {24, "message: salt"},
                         {32, "commitment"},
                         {5, "\"hello\", sealed"},
                         {16, "tag of the last chunk"}}));
}

}  // namespace
}  // namespace attune
