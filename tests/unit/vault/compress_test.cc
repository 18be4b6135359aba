#include "vault/compress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "support/status_matchers.h"
#include "vault/bytes.h"

namespace attune {
namespace {

constexpr std::uint8_t kWidths[] = {1, 2, 4, 8};

std::string RandomBytes(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

// As the weights of a layer are: signs and mantissas at random, few exponents.
std::string NormalFloats(std::size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::string out(count * sizeof(float), '\0');
  for (std::size_t i = 0; i < count; ++i) {
    const float value = normal(random);
    std::memcpy(out.data() + i * sizeof value, &value, sizeof value);
  }
  return out;
}

std::string RoundTrip(const std::string& bytes, std::uint8_t width) {
  const Compressed made = Compress(AsBytes(bytes), width);
  EXPECT_LE(made.bytes.size(), bytes.size());
  const auto back = Decompress(made.codec, made.bytes, width, bytes.size());
  EXPECT_OK(back);
  return back.ok() ? *back : std::string("(none)");
}

TEST(Compress, ComesBackForEveryWidthAndLength) {
  for (const std::uint8_t width : kWidths) {
    for (std::size_t size = 0; size < 300; ++size) {
      SCOPED_TRACE(::testing::Message() << "width " << int{width} << ", size " << size);
      const std::string noise = RandomBytes(size, 1);
      ASSERT_EQ(RoundTrip(noise, width), noise);
      ASSERT_EQ(RoundTrip(std::string(size, 'x'), width), std::string(size, 'x'));
      ASSERT_EQ(RoundTrip(NormalFloats(size, 2), width), NormalFloats(size, 2));
    }
  }
}

TEST(Compress, ComesBackFromSeveralBlocksAndAnIncompleteElement) {
  for (const std::uint8_t width : kWidths) {
    for (std::size_t rest = 0; rest < width; ++rest) {
      const std::string bytes = NormalFloats(300000, 3) + std::string(rest, 'r');
      ASSERT_EQ(RoundTrip(bytes, width), bytes);
    }
  }
}

TEST(Compress, GainsOnThePlaneOfExponents) {
  const std::string weights = NormalFloats(100000, 4);
  const Compressed planes = Compress(AsBytes(weights), 4);
  const Compressed plain = Compress(AsBytes(weights), 1);
  EXPECT_EQ(planes.codec, Codec::kShuffleZstd);
  EXPECT_LT(planes.bytes.size(), weights.size() * 88 / 100);
  EXPECT_LT(planes.bytes.size(), plain.bytes.size() * 95 / 100);
}

TEST(Compress, NoticesWhereNoiseEnds) {
  const std::size_t noise = 100000, zeros = 1000000;
  const std::string bytes = RandomBytes(noise, 10) + std::string(zeros, '\0');
  const Compressed made = Compress(AsBytes(bytes), 4);
  EXPECT_LT(made.bytes.size(), noise + zeros / 100);
  ASSERT_OK_AND_ASSIGN(const std::string back, Decompress(made.codec, made.bytes, 4, bytes.size()));
  EXPECT_EQ(back, bytes);
}

// The sample is taken from all over a block.
TEST(Compress, NoticesNoiseThatEndsWithinABlock) {
  const std::string bytes = RandomBytes(1 << 15, 14) + std::string(1 << 15, '\0');
  EXPECT_LT(Compress(AsBytes(bytes), 4).bytes.size(), bytes.size() * 60 / 100);
}

// A plane that loses a tenth must not pass for noise: 7.2 bits a byte.
TEST(Compress, DoesNotTakeForNoiseWhatCompresses) {
  std::string bytes = RandomBytes(1 << 18, 13);
  for (char& c : bytes) {
    if (static_cast<std::uint8_t>(c) >= 0x90) c = static_cast<char>(c & 0x7f);
  }
  const Compressed made = Compress(AsBytes(bytes), 4);
  EXPECT_EQ(made.codec, Codec::kShuffleZstd);
  EXPECT_LT(made.bytes.size(), bytes.size() * 92 / 100);
}

TEST(Compress, StoresWhatDoesNotGetSmaller) {
  const std::string noise = RandomBytes(100000, 5);
  for (const std::uint8_t width : kWidths) {
    const Compressed made = Compress(AsBytes(noise), width);
    EXPECT_EQ(made.codec, Codec::kStored);
    EXPECT_EQ(made.bytes, noise);
  }
}

TEST(Compress, IsAFunctionOfItsInput) {
  const std::string weights = NormalFloats(5000, 6);
  for (const std::uint8_t width : kWidths) {
    const Compressed once = Compress(AsBytes(weights), width);
    const Compressed again = Compress(AsBytes(weights), width);
    EXPECT_EQ(once.codec, again.codec);
    EXPECT_EQ(once.bytes, again.bytes);
  }
}

TEST(Compress, AllZerosTakeNextToNothing) {
  for (const std::uint8_t width : kWidths) {
    EXPECT_LT(Compress(AsBytes(std::string(1 << 20, '\0')), width).bytes.size(), 2500u);
  }
}

// --- Hostile bytes, written by hand from RFC 8878 ---

// A last block that repeats one byte.
std::string RepeatBlock(std::uint32_t count, char byte) {
  const std::uint32_t header = count << 3 | 1u << 1 | 1u;
  return {static_cast<char>(header), static_cast<char>(header >> 8),
          static_cast<char>(header >> 16), byte};
}
const std::string kFrameMagic = "\x28\xB5\x2F\xFD";
// One segment, its size in one byte.
std::string Frame(std::uint8_t size, std::uint32_t repeats) {
  return kFrameMagic + '\x20' + static_cast<char>(size) + RepeatBlock(repeats, 'a');
}

Status Refusal(const std::string& bytes, std::uint64_t size, Codec codec = Codec::kZstd,
               std::uint8_t width = 1) {
  return Decompress(codec, bytes, width, size).status();
}

TEST(Decompress, TakesAFrameWrittenByHand) {
  ASSERT_OK_AND_ASSIGN(const std::string out, Decompress(Codec::kZstd, Frame(100, 100), 1, 100));
  EXPECT_EQ(out, std::string(100, 'a'));
}

TEST(Decompress, RefusesWhatIsNotExactlyOneFrameOfTheSize) {
  const std::string good = Frame(100, 100);
  const std::string skippable = std::string("\x50\x2A\x4D\x18\x02\x00\x00\x00zz", 10);
  const std::string with_dictionary =
      kFrameMagic + '\x21' + '\x07' + '\x64' + RepeatBlock(100, 'a');
  const std::string without_size = kFrameMagic + std::string("\x00\x00", 2) + RepeatBlock(100, 'a');
  const std::string huge_window =
      kFrameMagic + std::string("\x40\xFF\x00\x00", 4) + RepeatBlock(256, 'a');
  const std::pair<const char*, std::string> cases[] = {
      {"nothing", ""},
      {"three bytes", "\x28\xB5\x2F"},
      {"another magic", "XXXX" + good.substr(4)},
      {"two frames", good + good},
      {"a byte more", good + "x"},
      {"a skippable frame after it", good + skippable},
      {"a skippable frame before it", skippable + good},
      {"a skippable frame alone", skippable},
      {"a dictionary", with_dictionary},
      {"no size", without_size},
      {"less than it says", Frame(100, 99)},
      {"more than it says", Frame(100, 101)},
      {"another size", Frame(99, 99)},
  };
  for (const auto& [what, bytes] : cases) {
    const Status status = Refusal(bytes, 100);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << what;
    EXPECT_EQ(status.message().find('\n'), std::string::npos) << what;
  }
  EXPECT_EQ(Refusal(huge_window, 256).code(), StatusCode::kDataLoss);
}

TEST(Decompress, RefusesAClaimThatSoFewBytesCannotKeepBeforeAllocating) {
  // 2^45 bytes in a frame of 17: allocating them would end the test.
  std::string bomb =
      kFrameMagic + '\xE0' + std::string("\0\0\0\0\0\x20\0\0", 8) + RepeatBlock(100, 'a');
  EXPECT_EQ(Refusal(bomb, std::uint64_t{1} << 45).code(), StatusCode::kDataLoss);
  std::string planes;
  for (int p = 0; p < 4; ++p) planes += std::string("\x11\0\0\0", 4);
  for (int p = 0; p < 4; ++p) planes += bomb;
  const std::uint64_t size = std::uint64_t{1} << 47;
  EXPECT_EQ(Refusal(planes, size, Codec::kShuffleZstd, 4).code(), StatusCode::kDataLoss);
}

TEST(Decompress, RefusesOtherFormsOfTheSameContent) {
  const std::string text(100, 'a');
  const std::string frame = Frame(100, 100);
  EXPECT_EQ(Refusal(text, 100, Codec::kZstd).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(Frame(5, 5), 5).code(), StatusCode::kDataLoss);  // 10 bytes for 5.
  EXPECT_EQ(Refusal(text, 99, Codec::kStored).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(frame, 100, Codec::kZstd, 4).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(frame, 100, Codec::kShuffleZstd, 1).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(frame, 100, static_cast<Codec>(3)).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(frame, 100, Codec::kZstd, 0).code(), StatusCode::kDataLoss);
  EXPECT_EQ(Refusal(frame, 100, Codec::kZstd, 3).code(), StatusCode::kDataLoss);
}

TEST(Decompress, RefusesPlanesWhoseSizesDoNotAddUp) {
  const std::string weights = NormalFloats(1000, 7);
  const Compressed made = Compress(AsBytes(weights), 4);
  ASSERT_EQ(made.codec, Codec::kShuffleZstd);
  EXPECT_EQ(Refusal(made.bytes + '\0', weights.size(), made.codec, 4).code(),
            StatusCode::kDataLoss);
  for (std::size_t p = 0; p < 4; ++p) {
    for (const int change : {-1, 1}) {
      std::string bytes = made.bytes;
      bytes[4 * p] = static_cast<char>(bytes[4 * p] + change);
      EXPECT_EQ(Refusal(bytes, weights.size(), made.codec, 4).code(), StatusCode::kDataLoss);
    }
    std::string bytes = made.bytes;
    bytes[4 * p + 3] = '\x80';
    EXPECT_EQ(Refusal(bytes, weights.size(), made.codec, 4).code(), StatusCode::kDataLoss);
  }
}

// A frame of a raw block holds what it should, but takes more than to store it.
TEST(Decompress, RefusesAPlaneThatTakesMoreThanToStoreIt) {
  const std::string raw_block = std::string("\x21\x03\x00", 3) + std::string(100, 'r');
  const std::string longer = kFrameMagic + std::string("\x20\x64", 2) + raw_block;
  const std::string shorter = Frame(100, 100);
  const std::string sizes = std::string("\x6d\0\0\0", 4) + std::string("\x0a\0\0\0", 4);
  EXPECT_EQ(Refusal(sizes + longer + shorter, 200, Codec::kShuffleZstd, 2).code(),
            StatusCode::kDataLoss);
  const std::string good_sizes = std::string("\x64\0\0\0", 4) + std::string("\x0a\0\0\0", 4);
  EXPECT_OK(Decompress(Codec::kShuffleZstd, good_sizes + std::string(100, 'r') + shorter, 2, 200));
}

// One after the other in the same memory, as each by itself.
TEST(Compressor, KeepsNothingOfWhatCameBefore) {
  const std::string large = NormalFloats(200000, 11), small = NormalFloats(50, 12);
  const std::string text(3000, 't');
  Compressor compressor;
  std::string all;
  for (const auto& [bytes, width] : {std::pair<const std::string*, std::uint8_t>{&large, 4},
                                     {&text, 1},
                                     {&small, 4},
                                     {&small, 2},
                                     {&large, 8}}) {
    const Compressed alone = Compress(AsBytes(*bytes), width);
    const std::size_t start = all.size();
    EXPECT_EQ(compressor.Append(AsBytes(*bytes), width, &all), alone.codec);
    EXPECT_EQ(all.substr(start), alone.bytes);
  }
}

TEST(Decompress, RefusesEveryCut) {
  const std::string weights = NormalFloats(300, 8);
  for (const std::uint8_t width : kWidths) {
    const Compressed made = Compress(AsBytes(weights), width);
    for (std::size_t cut = 0; cut < made.bytes.size(); ++cut) {
      const std::string bytes = made.bytes.substr(0, cut);
      ASSERT_FALSE(Decompress(made.codec, bytes, width, weights.size()).ok()) << cut;
    }
  }
}

TEST(Decompress, MakesOfFlippedBytesAnErrorOrTheSizeAskedFor) {
  const std::string weights = NormalFloats(300, 9);
  for (const std::uint8_t width : kWidths) {
    const Compressed made = Compress(AsBytes(weights), width);
    for (std::size_t i = 0; i < made.bytes.size(); ++i) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bytes = made.bytes;
        bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
        const auto out = Decompress(made.codec, bytes, width, weights.size());
        ASSERT_TRUE(!out.ok() || out->size() == weights.size());
      }
    }
  }
}

// --- Padding ---

// Straight from the paper's definition, in floating point.
std::uint64_t PaddedByDefinition(std::uint64_t size) {
  const auto e = static_cast<std::uint64_t>(std::floor(std::log2(static_cast<double>(size))));
  const auto s = static_cast<std::uint64_t>(std::floor(std::log2(static_cast<double>(e)))) + 1;
  const std::uint64_t unit = std::uint64_t{1} << (e - s);
  return (size + unit - 1) / unit * unit;
}

TEST(PaddedSize, IsPadmes) {
  EXPECT_EQ(PaddedSize(0), 0u);
  EXPECT_EQ(PaddedSize(1), 1u);
  EXPECT_EQ(PaddedSize(9), 10u);
  EXPECT_EQ(PaddedSize(129), 144u);
  EXPECT_EQ(PaddedSize(1025), 1088u);
  for (std::uint64_t size = 4; size < 100000; ++size) {
    ASSERT_EQ(PaddedSize(size), PaddedByDefinition(size)) << size;
  }
}

TEST(PaddedSize, AddsAtMostTwelvePercentAndKeepsTheOrder) {
  std::uint64_t last = 0;
  for (std::uint64_t size = 1; size < 200000; ++size) {
    const std::uint64_t padded = PaddedSize(size);
    ASSERT_GE(padded, size);
    ASSERT_LE(padded * 100, size * 112) << size;
    ASSERT_GE(padded, last);
    ASSERT_EQ(PaddedSize(padded), padded);
    last = padded;
  }
  const std::uint64_t large = (std::uint64_t{1} << 62) + 1;
  EXPECT_EQ(PaddedSize(large), (std::uint64_t{1} << 62) + (std::uint64_t{1} << 56));
}

TEST(PaddedSize, LeavesFewSizes) {
  std::set<std::uint64_t> sizes;
  for (std::uint64_t size = 1; size <= 1 << 20; ++size) sizes.insert(PaddedSize(size));
  EXPECT_LE(sizes.size(), 300u);
}

}  // namespace
}  // namespace attune
