#include "contract/crypto/crypto_contract.h"

#include <array>
#include <set>

#include "support/status_matchers.h"
#include "support/vector_file.h"

namespace attune::testing {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(CryptoContract);

namespace {

std::string Sealed(Aead& aead, const Nonce& nonce, std::string_view plaintext) {
  std::string out(plaintext.size() + kAeadTagBytes, '?');
  EXPECT_OK(aead.Seal(nonce, BytesIn(plaintext), RoomIn(out)));
  return out;
}

std::unique_ptr<Aead> AeadOf(Crypto& crypto, std::string_view key) {
  auto aead = crypto.Aes256Gcm(BytesIn(key));
  EXPECT_OK(aead);
  return std::move(*aead);
}

}  // namespace

TEST_P(CryptoContract, SealsAsNistDoes) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "crypto/aes256gcm_seal.txt")) {
    SCOPED_TRACE(record.Text("key"));
    const auto aead = AeadOf(*crypto_, record.Bytes("key"));
    EXPECT_EQ(Sealed(*aead, NonceIn(record.Bytes("nonce")), record.Bytes("plaintext")),
              record.Bytes("sealed"));
  }
}

TEST_P(CryptoContract, OpensWhatNistOpensAndNothingElse) {
  int refused = 0;
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "crypto/aes256gcm_open.txt")) {
    SCOPED_TRACE(record.Text("key"));
    const auto aead = AeadOf(*crypto_, record.Bytes("key"));
    const std::string sealed = record.Bytes("sealed");
    std::string out(sealed.size() - kAeadTagBytes, '?');
    const Status status = aead->Open(NonceIn(record.Bytes("nonce")), BytesIn(sealed), RoomIn(out));
    if (record.Text("outcome") == "opens") {
      EXPECT_OK(status);
      EXPECT_EQ(out, record.Bytes("plaintext"));
    } else {
      EXPECT_EQ(status.code(), StatusCode::kDataLoss);
      EXPECT_EQ(out, std::string(out.size(), '\0'));
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_P(CryptoContract, DerivesAsWycheproofDoes) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "crypto/hkdf_sha512.txt")) {
    SCOPED_TRACE("tcId " + record.Text("id"));
    const std::string expected = record.Bytes("out");
    std::string out(expected.size(), '?');
    ASSERT_OK(crypto_->Hkdf(BytesIn(record.Bytes("key")), BytesIn(record.Bytes("salt")),
                            BytesIn(record.Bytes("info")), RoomIn(out)));
    EXPECT_EQ(out, expected);
  }
}

// seal_vectors_test.cc has known answers of the expanding half.
TEST_P(CryptoContract, ExpandsTheSameBytesHoweverManyAreWanted) {
  const std::string prk(64, 'p');
  const std::string info(kMaxHkdfInfoBytes, 'i');
  std::string longest(255 * 64, '?');
  ASSERT_OK(crypto_->HkdfExpand(BytesIn(prk), BytesIn(info), RoomIn(longest)));
  for (const std::size_t size : {1u, 63u, 64u, 65u, 76u}) {
    std::string out(size, '?');
    ASSERT_OK(crypto_->HkdfExpand(BytesIn(prk), BytesIn(info), RoomIn(out)));
    EXPECT_EQ(out, longest.substr(0, size));
  }
  std::string other(64, '?');
  ASSERT_OK(crypto_->HkdfExpand(BytesIn(prk), BytesIn(""), RoomIn(other)));
  EXPECT_NE(other, longest.substr(0, 64));
}

TEST_P(CryptoContract, HashesAsNistDoesHoweverTheMessageIsSplit) {
  for (const VectorRecord& record : ReadVectors(ATTUNE_SOURCE_DIR, "crypto/sha256.txt")) {
    const std::string message = record.Bytes("message");
    for (const std::size_t cut : {std::size_t{0}, message.size() / 3, message.size()}) {
      const std::array<ByteSpan, 3> parts = {BytesIn(message).first(cut), ByteSpan(),
                                             BytesIn(message).subspan(cut)};
      const auto digest = crypto_->Sha256(parts);
      ASSERT_OK(digest);
      EXPECT_TRUE(std::ranges::equal(*digest, BytesIn(record.Bytes("digest"))));
    }
  }
}

TEST_P(CryptoContract, OneAeadServesManyMessagesBothWays) {
  const auto aead = AeadOf(*crypto_, std::string(32, 'k'));
  const auto fresh = [&] { return AeadOf(*crypto_, std::string(32, 'k')); };
  for (std::size_t size : {0u, 1u, 15u, 16u, 17u, 1000u, 16384u, 100000u}) {
    SCOPED_TRACE(size);
    Nonce nonce{};
    nonce[0] = static_cast<std::byte>(size);
    nonce[11] = static_cast<std::byte>(size >> 8);
    const std::string plaintext(size, 'x');
    const std::string sealed = Sealed(*aead, nonce, plaintext);
    EXPECT_EQ(sealed, Sealed(*fresh(), nonce, plaintext));
    std::string out(size, '?');
    ASSERT_OK(aead->Open(nonce, BytesIn(sealed), RoomIn(out)));
    EXPECT_EQ(out, plaintext);
    // A refused message leaves it usable, in both directions.
    std::string damaged = sealed;
    damaged.back() ^= 1;
    EXPECT_EQ(aead->Open(nonce, BytesIn(damaged), RoomIn(out)).code(), StatusCode::kDataLoss);
    ASSERT_OK(aead->Open(nonce, BytesIn(sealed), RoomIn(out)));
    EXPECT_EQ(Sealed(*aead, nonce, plaintext), sealed);
  }
}

TEST_P(CryptoContract, AnEmptyMessageMayBeANullPointer) {
  const auto aead = AeadOf(*crypto_, std::string(32, 'k'));
  std::string out(kAeadTagBytes, '?');
  ASSERT_OK(aead->Seal({}, {}, RoomIn(out)));
  EXPECT_EQ(out, Sealed(*aead, {}, ""));
  EXPECT_OK(aead->Open({}, BytesIn(out), {}));
  out[0] ^= 1;
  EXPECT_EQ(aead->Open({}, BytesIn(out), {}).code(), StatusCode::kDataLoss);
}

TEST_P(CryptoContract, ARefusedMessageLeavesNoPlaintext) {
  const auto aead = AeadOf(*crypto_, std::string(32, 'k'));
  const Nonce nonce{};
  const std::string sealed = Sealed(*aead, nonce, std::string(5000, 'x'));
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{4999}, std::size_t{5000}, sealed.size() - 1}) {
    std::string damaged = sealed;
    damaged[at] ^= 0x40;
    std::string out(5000, '?');
    EXPECT_EQ(aead->Open(nonce, BytesIn(damaged), RoomIn(out)).code(), StatusCode::kDataLoss);
    EXPECT_EQ(out, std::string(5000, '\0')) << at;
  }
  Nonce other{};
  other[11] = std::byte{1};
  std::string out(5000, '?');
  EXPECT_EQ(aead->Open(other, BytesIn(sealed), RoomIn(out)).code(), StatusCode::kDataLoss);
  EXPECT_EQ(out, std::string(5000, '\0'));
}

TEST_P(CryptoContract, RandomBytesDoNotRepeat) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    std::string out(16, '\0');
    ASSERT_OK(crypto_->Random(RoomIn(out)));
    EXPECT_TRUE(seen.insert(out).second);
  }
  EXPECT_OK(crypto_->Random({}));
  // Every bit of a long run is as often 1 as 0: off by half a percent once in ten
  // million runs.
  std::string run(1 << 20, '\0');
  ASSERT_OK(crypto_->Random(RoomIn(run)));
  for (int bit = 0; bit < 8; ++bit) {
    const auto ones = std::ranges::count_if(run, [&](char c) { return ((c >> bit) & 1) != 0; });
    EXPECT_NEAR(static_cast<double>(ones) / static_cast<double>(run.size()), 0.5, 0.0027) << bit;
  }
}

TEST_P(CryptoContract, SecretsAreZeroFilledAndApart) {
  Secret first(*crypto_, 32);
  Secret second(*crypto_, 32);
  EXPECT_TRUE(std::ranges::all_of(first.bytes(), [](std::byte b) { return b == std::byte{}; }));
  std::ranges::fill(first.bytes(), std::byte{1});
  EXPECT_TRUE(std::ranges::all_of(second.bytes(), [](std::byte b) { return b == std::byte{}; }));
  // More than any locked heap takes: it falls back.
  Secret large(*crypto_, std::size_t{1} << 20);
  EXPECT_TRUE(std::ranges::all_of(large.bytes(), [](std::byte b) { return b == std::byte{}; }));

  const std::byte* where = first.bytes().data();
  Secret moved = std::move(first);
  EXPECT_TRUE(first.empty());  // NOLINT: what a moved-from Secret is, is promised.
  EXPECT_EQ(moved.bytes().data(), where);
  second = std::move(moved);
  EXPECT_EQ(second.bytes().data(), where);
  EXPECT_TRUE(Secret(*crypto_, 0).empty());
}

TEST_P(CryptoContract, MisuseEndsTheProcess) {
  const auto aead = AeadOf(*crypto_, std::string(32, 'k'));
  std::string out(20, '?');
  EXPECT_DEATH(AeadOf(*crypto_, std::string(16, 'k')), "broken invariant");
  EXPECT_DEATH(aead->Seal({}, BytesIn("12345"), RoomIn(out)).Ignore(), "broken invariant");
  EXPECT_DEATH(aead->Open({}, BytesIn("12345"), RoomIn(out)).Ignore(), "broken invariant");
}

TEST(EqualInConstantTime, ComparesEveryByte) {
  const std::string text = "0123456789abcdef";
  EXPECT_TRUE(EqualInConstantTime(BytesIn(text), BytesIn(std::string(text))));
  EXPECT_TRUE(EqualInConstantTime({}, {}));
  EXPECT_FALSE(EqualInConstantTime(BytesIn(text), BytesIn(text).first(15)));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string other = text;
    other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(EqualInConstantTime(BytesIn(text), BytesIn(other))) << bit;
  }
}

TEST(Wipe, LeavesZeros) {
  std::string text = "secret";
  Wipe(RoomIn(text).subspan(1));
  EXPECT_EQ(text, std::string("s\0\0\0\0\0", 6));
  Wipe({});
}

}  // namespace attune::testing
