// Whatever is done to a sealed message is noticed, by its own name, and yields no
// plaintext. Both ways of opening are tried each time.

#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "support/sealed_message.h"

namespace attune::testing {
namespace {

constexpr std::size_t kSealedChunk = kSealChunkBytes + kAeadTagBytes;

// What opening `sealed` whole and in parts comes to; the reader must find the same
// fault in its first two chunks or later when it reads all.
SealFault FaultOf(const std::string& sealed, std::string_view context = "context",
                  const std::string& key = TestKey()) {
  SealFault whole = SealFault::kNone;
  const auto opened = Unseal(TestCrypto(), AsBytes(key), context, AsBytes(sealed), &whole);
  EXPECT_EQ(opened.ok(), whole == SealFault::kNone);
  if (!opened.ok()) {
    EXPECT_EQ(opened.status().code(), StatusCode::kDataLoss);
  }
  SealFault partly = SealFault::kNone;
  const auto reader = SealedReader::Create(TestCrypto(), AsBytes(key), context,
                                           std::make_unique<StringSource>(sealed), &partly);
  EXPECT_EQ(reader.ok(), partly == SealFault::kNone);
  if (reader.ok()) {
    std::string out((*reader)->size(), '?');
    const bool read = (*reader)->ReadAt(0, std::as_writable_bytes(std::span(out))).ok();
    if (!read) {
      partly = SealFault::kDamagedChunk;
      EXPECT_EQ(out, std::string(out.size(), '\0'));
    }
  }
  EXPECT_EQ(whole, partly);
  return whole;
}

// Three chunks, the last one of 100 bytes.
const std::string& Message() {
  static const std::string sealed = SealedForTest(TestPlaintext(9, 2 * kSealChunkBytes + 100));
  return sealed;
}

TEST(SealTampering, EveryFlippedBitOfAShortMessageIsNoticed) {
  const std::string sealed = SealedForTest(TestPlaintext(9, 100));
  ASSERT_EQ(FaultOf(sealed), SealFault::kNone);
  for (std::size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    std::string flipped = sealed;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_EQ(FaultOf(flipped),
              bit / 8 < kSealHeaderBytes ? SealFault::kNotOurs : SealFault::kDamagedChunk)
        << bit;
  }
}

TEST(SealTampering, EveryFlippedByteOfALongMessageIsNoticed) {
  std::string flipped = Message();
  ASSERT_EQ(FaultOf(flipped), SealFault::kNone);
  for (std::size_t i = 0; i < flipped.size(); ++i) {
    flipped[i] = static_cast<char>(~flipped[i]);
    SealFault fault = SealFault::kNone;
    const auto opened =
        Unseal(TestCrypto(), AsBytes(TestKey()), "context", AsBytes(flipped), &fault);
    ASSERT_FALSE(opened.ok()) << i;
    ASSERT_EQ(fault, i < kSealHeaderBytes ? SealFault::kNotOurs : SealFault::kDamagedChunk) << i;
    if (i >= kSealHeaderBytes) {
      const std::string chunk = "chunk " + std::to_string((i - kSealHeaderBytes) / kSealedChunk);
      ASSERT_NE(opened.status().message().find(chunk), std::string::npos) << i;
    }
    flipped[i] = static_cast<char>(~flipped[i]);
  }
}

TEST(SealTampering, EveryCutIsNoticed) {
  std::map<SealFault, std::size_t> seen;
  for (std::size_t size = 0; size < Message().size(); ++size) {
    const SealFault fault = FaultOf(Message().substr(0, size));
    ASSERT_NE(fault, SealFault::kNone) << size;
    ++seen[fault];
  }
  EXPECT_EQ(seen[SealFault::kTooShort], 72u);
  // No last chunk, or less of it than a tag, twice.
  EXPECT_EQ(seen[SealFault::kTruncated], 2 * kAeadTagBytes);
  EXPECT_EQ(seen[SealFault::kDamagedChunk], Message().size() - 72 - 2 * kAeadTagBytes);
}

TEST(SealTampering, WhateverIsAppendedIsNoticed) {
  const std::string last = Message().substr(kSealHeaderBytes + 2 * kSealedChunk);
  for (const std::string& tail :
       {std::string(1, '\0'), std::string(16, '\0'), std::string(kSealedChunk, 'x'), last,
        Message().substr(kSealHeaderBytes), Message()}) {
    EXPECT_EQ(FaultOf(Message() + tail), SealFault::kDamagedChunk) << tail.size();
  }
  // Filled up to whole chunks it lacks its short last one.
  EXPECT_EQ(FaultOf(Message() + std::string(kSealedChunk - last.size(), 'x')),
            SealFault::kTruncated);
}

TEST(SealTampering, ChunksOutOfPlaceAreNoticed) {
  const std::string header = Message().substr(0, kSealHeaderBytes);
  const std::string first = Message().substr(kSealHeaderBytes, kSealedChunk);
  const std::string second = Message().substr(kSealHeaderBytes + kSealedChunk, kSealedChunk);
  const std::string last = Message().substr(kSealHeaderBytes + 2 * kSealedChunk);
  ASSERT_EQ(FaultOf(header + first + second + last), SealFault::kNone);
  const std::map<std::string, std::string> tampered = {
      {"swapped", second + first + last},
      {"first twice", first + first + last},
      {"second twice", second + second + last},
      {"first dropped", second + last},
      {"second dropped", first + last},
      {"only the last", last},
      {"one more", first + second + second + last},
      {"last twice", first + second + last + last},
      {"last first", last + first + second},
  };
  for (const auto& [what, chunks] : tampered) {
    EXPECT_EQ(FaultOf(header + chunks), SealFault::kDamagedChunk) << what;
  }
}

TEST(SealTampering, PartsOfOtherMessagesAreNoticed) {
  // Of the same key, context and length.
  const std::string other = SealedForTest(TestPlaintext(9, 2 * kSealChunkBytes + 100));
  EXPECT_EQ(FaultOf(other.substr(0, kSealHeaderBytes) + Message().substr(kSealHeaderBytes)),
            SealFault::kDamagedChunk);
  EXPECT_EQ(FaultOf(other.substr(0, kSealSaltBytes) + Message().substr(kSealSaltBytes)),
            SealFault::kNotOurs);
  for (const std::size_t chunk : {0u, 1u, 2u}) {
    std::string mixed = Message();
    const std::size_t at = kSealHeaderBytes + chunk * kSealedChunk;
    mixed.replace(at, kSealedChunk, other.substr(at, kSealedChunk));
    EXPECT_EQ(FaultOf(mixed), SealFault::kDamagedChunk) << chunk;
  }
}

TEST(SealTampering, AnotherKeyOrContextIsNoticedBeforeAnyChunk) {
  EXPECT_EQ(FaultOf(Message(), "context", TestKey('l')), SealFault::kNotOurs);
  std::string key = TestKey();
  key.back() ^= 1;
  EXPECT_EQ(FaultOf(Message(), "context", key), SealFault::kNotOurs);
  for (const char* context : {"", "contex", "context ", "Context"}) {
    EXPECT_EQ(FaultOf(Message(), context), SealFault::kNotOurs) << context;
  }
  // Also when the chunks are damaged: the commitment is checked first.
  std::string damaged = Message();
  damaged.back() ^= 1;
  EXPECT_EQ(FaultOf(damaged, "another"), SealFault::kNotOurs);
}

}  // namespace
}  // namespace attune::testing
