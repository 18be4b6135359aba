#include "vault/segment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "support/example_world.h"
#include "vault/bytes.h"
#include "vault/compress.h"
#include "vault/duplicates.h"
#include "vault/example_record.h"
#include "vault/file_header.h"
#include "vault/seal.h"
#include "vault/segment_reader.h"

namespace attune {
namespace {

using testing::ExampleWorld;
using testing::kSecondsOfDay;
using testing::TextExample;
using Texts = std::map<std::uint64_t, std::string>;

StoredExample Sample() {
  StoredExample stored;
  stored.id = 0x0102030405060708;
  stored.example = TextExample("see you at the harbour");
  stored.example.kind = ExampleKind::kPromptCompletion;
  stored.example.prompt = "where?";
  stored.example.source = "notes";
  stored.example.when = -5;
  return stored;
}

// --- The record ---

TEST(ExampleRecord, HasTheBytesOfTheFormat) {
  const std::string fields = EncodeExampleFields(Sample());
  const std::string_view expected(
      "\x08\x07\x06\x05\x04\x03\x02\x01"  // id
      "\xFB\xFF\xFF\xFF\xFF\xFF\xFF\xFF"  // when
      "\x02"                              // kind
      "\x05notes"                         // source
      "\x16\0\0\0see you at the harbour"  // text
      "\x06\0\0\0where?"                  // prompt
      "\0\0\0\0",                         // blob
      8 + 8 + 1 + 6 + 26 + 10 + 4);
  EXPECT_EQ(fields, expected);
  const std::string record = EncodeExampleRecord(Sample());
  EXPECT_EQ(record.substr(0, 9), std::string("\0\x3F\0\0\0\x3F\0\0\0", 9));
  EXPECT_EQ(record.substr(9, fields.size()), fields);
  EXPECT_EQ(record.size(), PaddedSize(9 + fields.size()));
}

// "0009  08 07 06", as the page has it.
std::string DumpLine(std::string_view bytes, std::size_t offset, std::size_t size) {
  char text[8];
  std::snprintf(text, sizeof text, "%04zx ", offset);
  std::string line = text;
  for (std::size_t i = offset; i < offset + size; ++i) {
    std::snprintf(text, sizeof text, " %02x", static_cast<unsigned char>(bytes[i]));
    line += text;
  }
  return line;
}

TEST(ExampleRecord, IsAsDocumented) {
  std::ifstream in(ATTUNE_SOURCE_DIR "/docs/formats/vault.md");
  const std::string page((std::istreambuf_iterator<char>(in)), {});
  const std::string record = EncodeExampleRecord(Sample());
  std::size_t offset = 0;
  for (const std::size_t size : {1, 4, 4, 8, 8, 1, 6, 4, 16, 6, 4, 6, 4}) {
    EXPECT_NE(page.find(DumpLine(record, offset, size)), page.npos)
        << DumpLine(record, offset, size);
    offset += size;
  }
  EXPECT_EQ(offset, record.size());
}

TEST(ExampleRecord, ComesBack) {
  for (const std::size_t size : {0u, 1u, 100u, 5000u, 100'000u}) {
    StoredExample stored = Sample();
    stored.example.text.assign(size, 'a');  // Compressed, from some length on.
    const auto decoded = DecodeExampleRecord(EncodeExampleRecord(stored));
    ASSERT_OK(decoded);
    EXPECT_EQ(EncodeExampleFields(*decoded), EncodeExampleFields(stored));
  }
  EXPECT_LT(EncodeExampleRecord([] {
              StoredExample stored = Sample();
              stored.example.text.assign(100'000, 'a');
              return stored;
            }())
                .size(),
            1000u);
}

TEST(ExampleRecord, RefusesEveryOtherForm) {
  const std::string record = EncodeExampleRecord(Sample());
  for (std::size_t size = 0; size < record.size(); ++size) {
    EXPECT_FALSE(DecodeExampleRecord(record.substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeExampleRecord(record + std::string(1, '\0')).ok());
  std::string padded = record;
  padded.back() = 1;
  EXPECT_FALSE(DecodeExampleRecord(padded).ok());
  for (const char codec : {1, 2, 3, 77}) {
    std::string other = record;
    other[0] = codec;
    EXPECT_FALSE(DecodeExampleRecord(other).ok());
  }
  const std::string fields = EncodeExampleFields(Sample());
  for (std::size_t size = 0; size < fields.size(); ++size) {
    EXPECT_EQ(DecodeExampleFields(fields.substr(0, size)).status().code(), StatusCode::kDataLoss);
  }
  EXPECT_FALSE(DecodeExampleFields(fields + "x").ok());
  for (const char kind : {0, 4, 100}) {
    std::string other = fields;
    other[16] = kind;
    EXPECT_FALSE(DecodeExampleFields(other).ok());
  }
}

TEST(ExampleRecord, MakesNothingLargeOfALie) {
  std::string record = EncodeExampleRecord(Sample());
  record.replace(0, 5, "\x01\xFF\xFF\xFF\xFF");  // Compressed, of 4 GiB.
  EXPECT_EQ(DecodeExampleRecord(record).status().code(), StatusCode::kDataLoss);
}

// --- Frames ---

// Counts the messages that it begins to open.
class CountingCrypto final : public Crypto {
 public:
  explicit CountingCrypto(Crypto& to) : to_(to) {}
  Status Random(std::span<std::byte> out) override { return to_.Random(out); }
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override {
    return to_.Hkdf(key, salt, info, out);
  }
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override {
    return to_.HkdfExpand(prk, info, out);
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override {
    ++begun;
    return to_.Aes256Gcm(key);
  }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override {
    return to_.Sha256(parts);
  }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    return to_.AllocateSecret(size);
  }
  void ReleaseSecret(std::span<std::byte> secret) override { to_.ReleaseSecret(secret); }
  int begun = 0;

 private:
  Crypto& to_;
};

class FramesTest : public ::testing::Test {
 protected:
  SegmentKey Key(std::uint64_t file = 5) {
    return {.crypto = crypto_.get(), .vault = {}, .file = file, .key = AsBytes(key_)};
  }
  std::string Frame(std::uint32_t index, std::string_view text, std::uint64_t file = 5) {
    std::string frame;
    EXPECT_OK(AppendFrame(Key(file), index, text, &frame));
    EXPECT_EQ(frame.size(), FrameBytes(text.size()));
    return frame;
  }
  // What is read of `bytes`: "0=first 1=second".
  std::string Scan(std::string_view bytes, SegmentScan* scan) {
    std::string found;
    ScanFrames(Key(), bytes, scan, [&](std::uint32_t index, std::string_view text) {
      found += StrCat(found.empty() ? "" : " ", index, "=", text);
    });
    return found;
  }
  std::string Scan(std::string_view bytes) {
    SegmentScan scan;
    const std::string found = Scan(bytes, &scan);
    return StrCat(found, ", ", scan.damaged, " damaged, ", bytes.size() - scan.end, " left",
                  scan.footer ? ", footer" : "");
  }

  std::unique_ptr<Crypto> crypto_ = testing::MakeCrypto();
  std::string key_ = std::string(kSealKeyBytes, 'k');
};

TEST_F(FramesTest, AreReadInOrder) {
  const std::string a = Frame(0, "a"), b = Frame(1, "b"), c = Frame(2, "c");
  const std::string end = Frame(kFooterIndex, "end");
  EXPECT_EQ(Scan(""), ", 0 damaged, 0 left");
  EXPECT_EQ(Scan(a + b + c), "0=a 1=b 2=c, 0 damaged, 0 left");
  EXPECT_EQ(Scan(a + b + c + end), "0=a 1=b 2=c, 0 damaged, 0 left, footer");
}

TEST_F(FramesTest, AreReadFromWhereTheLastScanEnded) {
  const std::string a = Frame(0, "a"), b = Frame(1, "b");
  SegmentScan scan;
  EXPECT_EQ(Scan(a + b.substr(0, 20), &scan), "0=a");
  EXPECT_EQ(scan.end, a.size());
  EXPECT_EQ(Scan(b, &scan), "1=b");
  EXPECT_EQ(scan.end, a.size() + b.size());
  EXPECT_EQ(scan.damaged, 0u);
}

TEST_F(FramesTest, NeverCountOutOfTheirPlace) {
  const std::string a = Frame(0, "a"), b = Frame(1, "b"), c = Frame(2, "c");
  const std::string end = Frame(kFooterIndex, "end");
  EXPECT_EQ(Scan(b + a + c), "1=b 2=c, 2 damaged, 0 left");
  EXPECT_EQ(Scan(a + c + b), "0=a 2=c, 2 damaged, 0 left");
  EXPECT_EQ(Scan(a + b + b + c), "0=a 1=b 2=c, 1 damaged, 0 left");
  EXPECT_EQ(Scan(a + b + a), "0=a 1=b, 1 damaged, 0 left");
  EXPECT_EQ(Scan(a + c), "0=a 2=c, 1 damaged, 0 left");
  EXPECT_EQ(Scan(a + "between" + b), "0=a 1=b, 1 damaged, 0 left");
  EXPECT_EQ(Scan(a + end + b), "0=a, 1 damaged, 0 left, footer");
  EXPECT_EQ(Scan(a + end + end), "0=a, 1 damaged, 0 left, footer");
}

TEST_F(FramesTest, OfAnotherFileOrIndexDoNotOpen) {
  const std::string a = Frame(0, "a"), foreign = Frame(1, "b", /*file=*/6);
  EXPECT_EQ(Scan(a + foreign), StrCat("0=a, 0 damaged, ", foreign.size(), " left"));
  std::string renamed = Frame(1, "b");
  renamed[4] = 2;
  EXPECT_EQ(Scan(a + renamed), StrCat("0=a, 0 damaged, ", renamed.size(), " left"));
  EXPECT_OK(OpenFrame(Key(), 1, Frame(1, "b")));
  EXPECT_FALSE(OpenFrame(Key(), 0, Frame(1, "b")).ok());
  EXPECT_FALSE(OpenFrame(Key(), 1, renamed).ok());
}

TEST_F(FramesTest, OfTheLedgerAreNeverLargerThanItsRecords) {
  SegmentKey ledger = Key();
  ledger.role = Role::kLedger;
  for (const std::uint64_t size : {PaddedSize(2 + 4096), PaddedSize(2 + 4096) + 1}) {
    std::string frame;
    ASSERT_OK(AppendFrame(ledger, 0, std::string(size, 'r'), &frame));
    SegmentScan scan;
    int found = 0;
    ScanFrames(ledger, frame, &scan, [&](std::uint32_t, std::string_view) { ++found; });
    EXPECT_EQ(found, size == PaddedSize(2 + 4096)) << size;
  }
}

// Each of these would be taken for half of the file.
TEST_F(FramesTest, ManyThatClaimALotAreSoonGivenUp) {
  CountingCrypto crypto(*crypto_);
  SegmentKey key = Key();
  key.crypto = &crypto;
  std::string lie = Frame(0, "a");
  lie.replace(0, 4, "\0\0\x80\x01", 4);  // 25 MB, sealed as any.
  std::string bytes(std::size_t{48} << 20, '\xff');
  for (std::size_t i = 0; i < 1000; ++i) bytes.replace(i * lie.size(), lie.size(), lie);
  SegmentScan scan;
  ScanFrames(key, bytes, &scan, [](std::uint32_t, std::string_view) {});
  EXPECT_GE(crypto.begun, 2);
  EXPECT_LE(crypto.begun, 8);
  EXPECT_EQ(scan.end, 0u);
}

TEST_F(FramesTest, AreFoundBehindDamage) {
  const std::string a = Frame(0, "a"), b = Frame(1, std::string(20'000, 'b')), c = Frame(2, "c");
  for (std::size_t at : {std::size_t{0}, std::size_t{3}, std::size_t{4}, std::size_t{7},
                         std::size_t{8}, std::size_t{40}, std::size_t{17'000}, b.size() - 1}) {
    std::string damaged = b;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    EXPECT_EQ(Scan(a + damaged + c), "0=a 2=c, 1 damaged, 0 left") << at;
  }
  EXPECT_EQ(Scan(a + b.substr(0, 1000) + c), "0=a 2=c, 1 damaged, 0 left");
}

TEST_F(FramesTest, MadeToFailCostLittle) {
  // Every fourth byte could be where a frame begins.
  std::string bytes;
  for (int i = 0; i < 64 * 1024; ++i) bytes += std::string("\x60\0\0\0", 4);
  EXPECT_EQ(Scan(bytes), StrCat(", 0 damaged, ", bytes.size(), " left"));
}

TEST(Footer, ComesBackOrIsRefused) {
  const std::vector<Fingerprint> fingerprints = {1, 0, ~Fingerprint{0}};
  const std::string footer = EncodeFooter(fingerprints);
  const auto decoded = DecodeFooter(footer);
  ASSERT_OK(decoded);
  EXPECT_EQ(*decoded, fingerprints);
  for (std::size_t size = 0; size < footer.size(); ++size) {
    EXPECT_FALSE(DecodeFooter(footer.substr(0, size)).ok());
  }
  EXPECT_FALSE(DecodeFooter(std::string("\xFF\xFF\xFF\xFF", 4)).ok());
}

TEST(FingerprintOf, DependsOnTheKeyAndTheContentAlone) {
  const auto crypto = testing::MakeCrypto();
  const std::string key(32, 'a'), other_key(32, 'b');
  const auto of = [&](const std::string& under, const Example& example) {
    return *FingerprintOf(*crypto, AsBytes(under), example);
  };
  Example example = TextExample("ok");
  const Fingerprint fingerprint = of(key, example);
  example.source = "notes";
  example.when = 7;
  EXPECT_EQ(of(key, example), fingerprint);
  EXPECT_NE(of(other_key, example), fingerprint);
  example.text = "o";
  example.prompt = "k";
  EXPECT_NE(of(key, example), fingerprint);
}

// --- A whole segment that was tampered with ---

class TamperTest : public ::testing::Test {
 protected:
  // Two closed segments of one day, of three records each, and an open one of the
  // next day.
  void SetUp() override {
    for (int i = 0; i < 3; ++i) Record(StrCat("first ", i));
    world_.ports.clock.unix_seconds += kSecondsOfDay;
    Record("between");
    world_.ports.clock.unix_seconds -= kSecondsOfDay;
    for (int i = 0; i < 3; ++i) Record(StrCat("second ", i));
    world_.ports.clock.unix_seconds += kSecondsOfDay;
    for (int i = 0; i < 3; ++i) Record(StrCat("open ", i));
    ASSERT_EQ(world_.segments().size(), 4u);
  }
  void Record(const std::string& text) { expected_[world_.Record(text)] = text; }

  // Reads segment `which` with these bytes in its place. True if that is noticed;
  // whatever is read has to be right.
  bool Notices(std::size_t which, std::string_view bytes) {
    const SegmentEntry entry = world_.segments()[which];
    world_.ports.files.Put(world_.PathOf(entry), std::string(bytes));
    const auto report = ReadSegment(world_.vault(), entry, [&](const StoredExample& stored) {
      EXPECT_EQ(stored.example.text, expected_[stored.id]) << "wrong text";
      return true;
    });
    EXPECT_OK(report);
    return report.ok() && report->damaged + report->torn > 0;
  }
  std::string Bytes(std::size_t which) { return world_.BytesOf(world_.segments()[which]); }

  ExampleWorld world_;
  Texts expected_;
};

TEST_F(TamperTest, EveryFlippedByteIsNoticed) {
  for (const std::size_t which : {std::size_t{0}, std::size_t{3}}) {
    const std::string good = Bytes(which);
    EXPECT_FALSE(Notices(which, good));
    for (std::size_t at = 0; at < good.size(); ++at) {
      for (const int bit : {0, 7}) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
        EXPECT_TRUE(Notices(which, bad)) << "segment " << which << ", byte " << at;
      }
    }
  }
}

TEST_F(TamperTest, EveryCutOfAClosedSegmentIsNoticed) {
  const std::string good = Bytes(0);
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_TRUE(Notices(0, good.substr(0, size))) << size;
  }
  EXPECT_FALSE(Notices(0, good + "beyond what the manifest names"));
  // Not only that something is missing, but how much.
  const std::size_t frame = (good.size() - kFileHeaderBytes - FrameBytes(28)) / 3;
  for (const std::size_t records : {0u, 1u, 2u, 3u}) {
    const SegmentEntry entry = world_.segments()[0];
    world_.ports.files.Put(world_.PathOf(entry),
                           good.substr(0, kFileHeaderBytes + records * frame));
    const auto report =
        ReadSegment(world_.vault(), entry, [](const StoredExample&) { return true; });
    ASSERT_OK(report);
    EXPECT_EQ(report->records, records);
    EXPECT_EQ(report->damaged, records < 3 ? 3 - records : 1) << "without a footer: one";
  }
}

TEST_F(TamperTest, ACutOfTheOpenSegmentIsNoticedUnlessBetweenRecords) {
  const std::string good = Bytes(3);
  int unnoticed = 0;
  for (std::size_t size = kFileHeaderBytes; size < good.size(); ++size) {
    unnoticed += Notices(3, good.substr(0, size)) ? 0 : 1;
  }
  // How many records there are is known when the segment is closed.
  EXPECT_EQ(unnoticed, 3);
}

TEST_F(TamperTest, FramesOfOtherSegmentsAreNoticed) {
  const std::string first = Bytes(0), second = Bytes(2), open = Bytes(3);
  ASSERT_EQ(first.size(), second.size());
  const std::size_t frame = (first.size() - kFileHeaderBytes - FrameBytes(28)) / 3;
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t at = kFileHeaderBytes + i * frame;
    std::string mixed = first;
    mixed.replace(at, frame, second, at, frame);  // Of the same day and key.
    EXPECT_TRUE(Notices(0, mixed)) << i;
    mixed = first;
    mixed.replace(at, frame, open, at, frame);  // Of another day.
    EXPECT_TRUE(Notices(0, mixed)) << i;
  }
  EXPECT_TRUE(Notices(0, second));
  EXPECT_TRUE(Notices(0, open));
  EXPECT_TRUE(Notices(3, first));
  std::string swapped =
      first.substr(0, kFileHeaderBytes) + first.substr(kFileHeaderBytes + frame, frame) +
      first.substr(kFileHeaderBytes, frame) + first.substr(kFileHeaderBytes + 2 * frame);
  EXPECT_TRUE(Notices(0, swapped));
}

TEST_F(TamperTest, SegmentsOfAnotherVaultAreNoticed) {
  ExampleWorld other;
  for (int i = 0; i < 3; ++i) other.Record(StrCat("first ", i));
  EXPECT_TRUE(Notices(3, other.BytesOf(other.segments()[0])));
}

TEST_F(TamperTest, RandomDamageIsNoticed) {
  constexpr std::uint64_t kSeed = 11;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Philox rng(kSeed);
  const std::string good = Bytes(0);
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    const std::size_t at = rng.NextBelow(static_cast<std::uint32_t>(good.size()));
    const std::size_t length = 1 + rng.NextBelow(64);
    for (std::size_t i = at; i < std::min(at + length, bad.size()); ++i) {
      bad[i] = static_cast<char>(rng.NextU32());
    }
    EXPECT_EQ(Notices(0, bad), bad != good) << "round " << round;
  }
}

}  // namespace
}  // namespace attune
