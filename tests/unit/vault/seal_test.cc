#include "vault/seal.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "support/sealed_message.h"

namespace attune::testing {
namespace {

constexpr std::size_t kSealedChunk = kSealChunkBytes + kAeadTagBytes;
const std::size_t kLengths[] = {0,
                                1,
                                1000,
                                kSealChunkBytes - 1,
                                kSealChunkBytes,
                                kSealChunkBytes + 1,
                                2 * kSealChunkBytes,
                                3 * kSealChunkBytes + 17};

Result<std::string> Unsealed(std::string_view sealed, SealFault* fault = nullptr) {
  return Unseal(TestCrypto(), AsBytes(TestKey()), "context", AsBytes(sealed), fault);
}

TEST(Seal, OpensToWhatWasSealed) {
  for (const std::size_t length : kLengths) {
    SCOPED_TRACE(length);
    const std::string plaintext = TestPlaintext(length, length);
    const std::string sealed = SealedForTest(plaintext);
    EXPECT_EQ(sealed.size(), SealedBytes(length));
    SealFault fault = SealFault::kDamagedChunk;
    const auto opened = Unsealed(sealed, &fault);
    ASSERT_OK(opened);
    EXPECT_EQ(*opened, plaintext);
    EXPECT_EQ(fault, SealFault::kNone);
  }
}

TEST(Seal, AppendsToWhatIsThere) {
  std::string out = "header";
  ASSERT_OK(Seal(TestCrypto(), AsBytes(TestKey()), "context", AsBytes("text"), &out));
  EXPECT_EQ(out.substr(0, 6), "header");
  const auto opened = Unsealed(std::string_view(out).substr(6));
  ASSERT_OK(opened);
  EXPECT_EQ(*opened, "text");
}

TEST(Seal, NeverSealsTwiceTheSameWay) {
  std::set<std::string> salts, bodies;
  for (int i = 0; i < 100; ++i) {
    const std::string sealed = SealedForTest("the same text");
    salts.insert(sealed.substr(0, kSealSaltBytes));
    bodies.insert(sealed.substr(kSealHeaderBytes));
  }
  EXPECT_EQ(salts.size(), 100u);
  EXPECT_EQ(bodies.size(), 100u);
}

TEST(Seal, OpensAKeyIntoASecret) {
  const std::string key = TestPlaintext(3, 32);
  const std::string sealed = SealedForTest(key);
  const auto secret = UnsealSecret(TestCrypto(), AsBytes(TestKey()), "context", AsBytes(sealed));
  ASSERT_OK(secret);
  EXPECT_TRUE(std::ranges::equal(secret->bytes(), AsBytes(key)));

  std::string damaged = sealed;
  damaged.back() ^= 1;
  SealFault fault = SealFault::kNone;
  EXPECT_FALSE(
      UnsealSecret(TestCrypto(), AsBytes(TestKey()), "context", AsBytes(damaged), &fault).ok());
  EXPECT_EQ(fault, SealFault::kDamagedChunk);
}

TEST(Seal, LengthsOfSealedMessagesAndPlaintextsAreInverse) {
  for (std::uint64_t length :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{16383}, std::uint64_t{16384},
        std::uint64_t{1} << 40, kMaxSealPlaintextBytes}) {
    const auto plaintext = PlaintextBytes(SealedBytes(length));
    ASSERT_OK(plaintext);
    EXPECT_EQ(*plaintext, length);
  }
}

TEST(Seal, RefusesLengthsThatNoMessageHas) {
  std::uint64_t possible = 0;
  for (std::uint64_t sealed = 0; sealed <= kSealHeaderBytes + 2 * kSealedChunk + 100; ++sealed) {
    SealFault fault = SealFault::kNone;
    const auto length = PlaintextBytes(sealed, &fault);
    const std::uint64_t last = sealed < 72 ? 0 : (sealed - kSealHeaderBytes) % kSealedChunk;
    ASSERT_EQ(length.ok(), sealed >= 72 && last >= kAeadTagBytes) << sealed;
    if (length.ok()) {
      EXPECT_EQ(SealedBytes(*length), sealed);
      ++possible;
    } else {
      EXPECT_EQ(fault, sealed < 72 ? SealFault::kTooShort : SealFault::kTruncated) << sealed;
    }
  }
  EXPECT_EQ(possible, 2 * kSealChunkBytes + 100 - kAeadTagBytes + 1);
  SealFault fault = SealFault::kNone;
  EXPECT_FALSE(
      PlaintextBytes(SealedBytes(kMaxSealPlaintextBytes) + 1 + kAeadTagBytes, &fault).ok());
  EXPECT_EQ(fault, SealFault::kTooLong);
  EXPECT_FALSE(PlaintextBytes(~std::uint64_t{0} - 40, &fault).ok());
}

TEST(SealedReader, ReadsAtAnyPlaceWhatTheWholeHas) {
  const std::uint32_t seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (const std::size_t length : kLengths) {
    const std::string plaintext = TestPlaintext(length, length);
    const auto reader = ReaderOf(SealedForTest(plaintext));
    ASSERT_OK(reader);
    ASSERT_EQ((*reader)->size(), length);
    for (int i = 0; i < 60; ++i) {
      const std::size_t offset = random() % (length + 1);
      std::string out(random() % (length - offset + 1), '?');
      ASSERT_OK((*reader)->ReadAt(offset, std::as_writable_bytes(std::span(out))));
      ASSERT_EQ(out, plaintext.substr(offset, out.size())) << offset;
    }
  }
}

TEST(SealedReader, RefusesToReadBeyondTheEnd) {
  const auto reader = ReaderOf(SealedForTest("0123456789"));
  ASSERT_OK(reader);
  for (const std::uint64_t offset : {std::uint64_t{8}, std::uint64_t{11}, ~std::uint64_t{0}}) {
    std::string out(3, '?');
    const Status status = (*reader)->ReadAt(offset, std::as_writable_bytes(std::span(out)));
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(out, std::string(3, '\0'));
  }
}

TEST(SealedReader, FetchesOnlyTheChunksItNeeds) {
  const std::string plaintext = TestPlaintext(1, 10 * kSealChunkBytes + 100);
  std::uint64_t read = 0;
  const auto reader = ReaderOf(SealedForTest(plaintext), "context", nullptr, &read);
  ASSERT_OK(reader);
  EXPECT_EQ(read, kSealHeaderBytes + 100 + kAeadTagBytes);  // The header and the last chunk.

  const auto cost_of = [&](std::uint64_t offset, std::size_t size) {
    read = 0;
    std::string out(size, '?');
    EXPECT_OK((*reader)->ReadAt(offset, std::as_writable_bytes(std::span(out))));
    EXPECT_EQ(out, plaintext.substr(offset, size));
    return read;
  };
  EXPECT_EQ(cost_of(5 * kSealChunkBytes + 10, 100), kSealedChunk);
  EXPECT_EQ(cost_of(5 * kSealChunkBytes + 900, 1), 0u);  // The same chunk.
  EXPECT_EQ(cost_of(7 * kSealChunkBytes - 1, 2), 2 * kSealedChunk);
  EXPECT_EQ(cost_of(0, 0), 0u);
  EXPECT_EQ(cost_of(10 * kSealChunkBytes + 1, 1), 100 + kAeadTagBytes);
}

TEST(SealedReader, GivesZerosForAChunkThatDoesNotAuthenticateAndTheOthersStill) {
  const std::string plaintext = TestPlaintext(1, 3 * kSealChunkBytes);
  std::string sealed = SealedForTest(plaintext);
  sealed[kSealHeaderBytes + kSealedChunk + 5] ^= 1;
  const auto reader = ReaderOf(sealed);
  ASSERT_OK(reader);
  std::string out(plaintext.size(), '?');
  const auto bytes = std::as_writable_bytes(std::span(out));
  const Status status = (*reader)->ReadAt(0, bytes);
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_NE(status.message().find("chunk 1"), std::string::npos) << status.message();
  EXPECT_EQ(out, std::string(out.size(), '\0'));
  // Chunk 0 was open before; what is left of it is not taken for it now.
  ASSERT_OK((*reader)->ReadAt(7, bytes.first(100)));
  EXPECT_EQ(out.substr(0, 100), plaintext.substr(7, 100));
  // A second try does not find the damaged chunk's bytes in a cache.
  EXPECT_FALSE((*reader)->ReadAt(kSealChunkBytes, bytes.first(1)).ok());
  ASSERT_OK((*reader)->ReadAt(2 * kSealChunkBytes, bytes.first(100)));
  EXPECT_EQ(out.substr(0, 100), plaintext.substr(2 * kSealChunkBytes, 100));
}

TEST(SealedReader, PassesErrorsOfItsSourceThrough) {
  class Unplugged final : public SealedSource {
   public:
    std::uint64_t size() const override { return 1000; }
    Status ReadAt(std::uint64_t, std::span<std::byte>) override { return IoError("unplugged"); }
  };
  const auto reader = SealedReader::Create(TestCrypto(), AsBytes(TestKey()), "context",
                                           std::make_unique<Unplugged>());
  EXPECT_EQ(reader.status().code(), StatusCode::kIoError);
}

}  // namespace
}  // namespace attune::testing
