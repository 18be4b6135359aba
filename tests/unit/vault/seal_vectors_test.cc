// Known answers for Cobblestone-256: our own from an independent script, and those
// of project Wycheproof.

#include <gtest/gtest.h>

#include <map>

#include "support/fixed_salt_crypto.h"
#include "support/sealed_message.h"
#include "support/vector_file.h"

namespace attune::testing {
namespace {

std::string Sha256Of(std::string_view bytes) {
  const ByteSpan part = AsBytes(bytes);
  const auto digest = TestCrypto().Sha256(std::span(&part, 1));
  EXPECT_OK(digest);
  return {reinterpret_cast<const char*>(digest->data()), digest->size()};
}

TEST(SealVectors, SealAsTheIndependentScriptDoes) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "seal/vectors.txt")) {
    SCOPED_TRACE("seed " + record.Text("seed"));
    FixedSaltCryptoForTesting crypto(TestCrypto(), record.Bytes("salt"));
    const std::string plaintext =
        TestPlaintext(record.Number("seed"), record.Number("plaintext_bytes"));
    const std::string key = record.Bytes("key");
    std::string sealed;
    ASSERT_OK(Seal(crypto, AsBytes(key), record.Bytes("context"), AsBytes(plaintext), &sealed));

    EXPECT_EQ(sealed.size(), record.Number("sealed_bytes"));
    EXPECT_EQ(sealed.size(), SealedBytes(plaintext.size()));
    EXPECT_EQ(Sha256Of(sealed), record.Bytes("sealed_sha256"));
    if (record.Has("sealed")) {
      EXPECT_EQ(sealed, record.Bytes("sealed"));
    } else {
      EXPECT_EQ(sealed.substr(0, 64), record.Bytes("sealed_begin"));
      EXPECT_EQ(sealed.substr(sealed.size() - 64), record.Bytes("sealed_end"));
    }
  }
}

TEST(SealVectors, OpenWhatTheIndependentScriptSealed) {
  int opened = 0;
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "seal/vectors.txt")) {
    if (!record.Has("sealed")) continue;
    SCOPED_TRACE("seed " + record.Text("seed"));
    const std::string key = record.Bytes("key");
    const auto plaintext = Unseal(TestCrypto(), AsBytes(key), record.Bytes("context"),
                                  AsBytes(record.Bytes("sealed")));
    ASSERT_OK(plaintext);
    EXPECT_EQ(*plaintext, TestPlaintext(record.Number("seed"), record.Number("plaintext_bytes")));
    ++opened;
  }
  EXPECT_GT(opened, 0);
}

const std::map<std::string, SealFault> kOutcomes = {
    {"opens", SealFault::kNone},
    {"too_short", SealFault::kTooShort},
    {"not_ours", SealFault::kNotOurs},
    {"truncated", SealFault::kTruncated},
    {"damaged_chunk", SealFault::kDamagedChunk},
};

TEST(SealVectors, JudgeWycheproofsMessagesAsItDoes) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "seal/wycheproof.txt")) {
    SCOPED_TRACE("tcId " + record.Text("id"));
    ASSERT_TRUE(kOutcomes.contains(record.Text("outcome")));
    const std::string key = record.Bytes("key");
    const std::string sealed = record.Bytes("sealed");
    SealFault fault = SealFault::kNone;
    const auto plaintext =
        Unseal(TestCrypto(), AsBytes(key), record.Bytes("context"), AsBytes(sealed), &fault);
    EXPECT_EQ(fault, kOutcomes.at(record.Text("outcome")));
    ASSERT_EQ(plaintext.ok(), record.Text("outcome") == "opens");
    if (!plaintext.ok()) {
      EXPECT_EQ(plaintext.status().code(), StatusCode::kDataLoss);
      continue;
    }
    EXPECT_EQ(plaintext->size(), record.Number("plaintext_bytes"));
    EXPECT_EQ(Sha256Of(*plaintext), record.Bytes("plaintext_sha256"));
    // Sealing is deterministic but for the salt.
    FixedSaltCryptoForTesting crypto(TestCrypto(), sealed.substr(0, kSealSaltBytes));
    std::string again;
    ASSERT_OK(Seal(crypto, AsBytes(key), record.Bytes("context"), AsBytes(*plaintext), &again));
    EXPECT_EQ(again, sealed);
  }
}

// HKDF-Expand with SHA-512 by itself: what Wycheproof derives for each message.
TEST(SealVectors, DeriveWycheproofsMessageKeys) {
  int derived = 0;
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "seal/wycheproof.txt")) {
    if (!record.Has("message_key")) continue;
    SCOPED_TRACE("tcId " + record.Text("id"));
    const std::string key = record.Bytes("key");
    const std::string info = std::string("c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM") + '\0' +
                             record.Bytes("sealed").substr(0, kSealSaltBytes) +
                             record.Bytes("context");
    std::string out(kAeadKeyBytes + kAeadNonceBytes, '\0');
    ASSERT_OK(TestCrypto().HkdfExpand(AsBytes(key), AsBytes(info),
                                      std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, record.Bytes("message_key") + record.Bytes("base_nonce"));
    ++derived;
  }
  EXPECT_GT(derived, 0);
}

}  // namespace
}  // namespace attune::testing
