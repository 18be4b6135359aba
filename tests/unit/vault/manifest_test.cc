#include "vault/manifest.h"

#include <gmock/gmock.h>

#include <functional>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/philox.h"
#include "support/status_matchers.h"
#include "vault/file_header.h"
#include "vault/file_names.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();

Slice SliceOf(std::uint64_t id, Role role) {
  return {
      .id = id, .role = role, .wrapped_key = std::string(kWrappedKeyBytes, static_cast<char>(id))};
}

// One of everything that the first version has, every field unlike the others.
Manifest FirstManifest() {
  Manifest manifest;
  manifest.generation = 42;
  manifest.next_example = 1001;
  manifest.next_slice = 9;
  manifest.slices = {SliceOf(3, Role::kExamples), SliceOf(5, Role::kCheckpoint),
                     SliceOf(8, Role::kAdapter)};
  manifest.segments = {
      {{.file = 0x11, .slice = 3, .day = -20000, .closed = true, .bytes = 4096, .records = 17},
       /*first_id=*/1,
       /*last_id=*/17},
      {{.file = 0x12, .slice = 3, .day = 20454}, /*first_id=*/18}};
  CheckpointEntry checkpoint;
  checkpoint.file = kMost;
  checkpoint.slice = 5;
  checkpoint.bytes = 5000000;
  checkpoint.adapter = "default";
  checkpoint.base[31] = std::byte{7};
  checkpoint.created = 1767268800;
  checkpoint.seen = {{1, 10}, {12, 12}, {14, kMost}};
  checkpoint.run = 6;
  checkpoint.step = 250;
  manifest.checkpoints = {checkpoint};
  AdapterEntry adapter;
  adapter.file = 0x14;
  adapter.slice = 8;
  adapter.adapter = "default";
  adapter.tainted = true;
  adapter.generation = 2;
  manifest.adapters = {adapter};
  manifest.lines = {{.adapter = "default", .serving = 2, .next_generation = 3, .run = 6},
                    {.adapter = "a.b_c-9"}};
  manifest.quarantine = {
      {.file = 0x15, .role = Role::kAdapter, .when = 1767268801, .reason = "chunk 2"}};
  return manifest;
}

// And of what the second has besides.
Manifest FullManifest() {
  Manifest manifest = FirstManifest();
  manifest.next_slice = 11;
  manifest.slices.push_back(SliceOf(9, Role::kLedger));
  manifest.slices.push_back(SliceOf(10, Role::kLedger));
  manifest.ledger = {
      {.file = 0x21, .slice = 9, .day = 20400, .closed = true, .bytes = 70000, .records = 1024},
      {.file = 0x22, .slice = 10, .day = 20455}};
  OutcomeEntry outcome;
  outcome.adapter = "default";
  outcome.base[0] = std::byte{9};
  outcome.shown = 5000;
  outcome.accepted = 1200;
  manifest.outcomes = {outcome};
  outcome.generation = 2;
  manifest.outcomes.push_back(outcome);
  return manifest;
}

TEST(ManifestTest, ReadsWhatItWrote) {
  for (const Manifest& manifest : {Manifest{}, FirstManifest(), FullManifest()}) {
    ASSERT_OK_AND_ASSIGN(const Manifest again, DecodeManifest(EncodeManifest(manifest)));
    EXPECT_EQ(again, manifest);
  }
}

TEST(ManifestTest, EveryTruncationIsRefused) {
  const std::string bytes = EncodeManifest(FullManifest());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeManifest(bytes.substr(0, size)).status().code(), StatusCode::kDataLoss) << size;
  }
  EXPECT_EQ(DecodeManifest(bytes + '\0').status().code(), StatusCode::kDataLoss);
}

// One manifest, one encoding: what is accepted is written again as it was.
TEST(ManifestTest, EveryFlipIsRefusedOrAnotherManifest) {
  const std::string bytes = EncodeManifest(FullManifest());
  for (std::size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string flipped = bytes;
    flipped[i / 8] = static_cast<char>(flipped[i / 8] ^ (1 << i % 8));
    const auto manifest = DecodeManifest(flipped);
    if (!manifest.ok()) continue;
    EXPECT_EQ(EncodeManifest(*manifest), flipped) << "bit " << i;
    EXPECT_FALSE(*manifest == FullManifest()) << "bit " << i;
  }
}

TEST(ManifestTest, SaysWhichVersionItCannotRead) {
  std::string bytes = EncodeManifest(Manifest{});
  bytes[0] = 3;
  const Status status = DecodeManifest(bytes).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_THAT(status.message(), HasSubstr("version 3, this build reads 2"));
  bytes[0] = 0;
  EXPECT_EQ(DecodeManifest(bytes).status().code(), StatusCode::kDataLoss);
}

// So that builds that know no other go on reading it.
TEST(ManifestTest, IsOfTheFirstVersionUnlessItNeedsTheSecond) {
  EXPECT_EQ(EncodeManifest(FirstManifest())[0], 1);
  Manifest ledger = FirstManifest();
  ledger.ledger = FullManifest().ledger;
  EXPECT_EQ(EncodeManifest(ledger)[0], 2);
  Manifest outcomes = FirstManifest();
  outcomes.outcomes = FullManifest().outcomes;
  EXPECT_EQ(EncodeManifest(outcomes)[0], 2);
  // One manifest, one encoding.
  std::string bytes = EncodeManifest(FirstManifest()) + std::string(8, '\0');
  bytes[0] = 2;
  const Status status = DecodeManifest(bytes).status();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  EXPECT_THAT(status.message(), HasSubstr("nothing that version 1 has not"));
}

// A count is compared with the bytes that are there before it sizes anything.
TEST(ManifestTest, ACountBeyondTheBytesIsRefused) {
  std::string bytes = EncodeManifest(Manifest{}) + std::string(8, '\0');
  bytes[0] = 2;
  const std::size_t lists = bytes.size() - 8 * 4;
  for (std::size_t list = 0; list < 8; ++list) {
    std::string lying = bytes;
    lying.replace(lists + 4 * list, 4, "\xff\xff\xff\xff");
    const Status status = DecodeManifest(lying).status();
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << list;
    EXPECT_THAT(status.message(), HasSubstr("4294967295 entries"));
  }
}

struct Refusal {
  const char* what;
  std::function<void(Manifest&)> change;
};

TEST(ManifestTest, RefusesWhatNoVaultWrites) {
  const std::vector<Refusal> refusals = {
      {"slice 3 twice", [](Manifest& m) { m.slices.push_back(m.slices[0]); }},
      {"slice 11, but the next one is 11", [](Manifest& m) { m.slices[0].id = 11; }},
      {"which has no slices", [](Manifest& m) { m.slices[0].role = Role::kManifest; }},
      {"which has no slices", [](Manifest& m) { m.slices[0].role = Role{9}; }},
      {"wrapped key of 3 bytes, expected 104",
       [](Manifest& m) { m.slices[0].wrapped_key = "abc"; }},
      {"file 17 under slice 4, not there", [](Manifest& m) { m.segments[0].slice = 4; }},
      {"under slice 3, not there", [](Manifest& m) { m.checkpoints[0].slice = 3; }},
      {"file 33 under slice 3, not there", [](Manifest& m) { m.ledger[0].slice = 3; }},
      {"ledger: file 17 twice", [](Manifest& m) { m.ledger[1].file = 0x11; }},
      {"outcome 1: adapter name of 0 bytes", [](Manifest& m) { m.outcomes[1].adapter.clear(); }},
      {"generation 2: 5001 accepted of 5000", [](Manifest& m) { m.outcomes[1].accepted = 5001; }},
      {"outcomes of generation 0 twice", [](Manifest& m) { m.outcomes[1].generation = 0; }},
      {"file 18 twice", [](Manifest& m) { m.adapters[0].file = 0x12; }},
      {"range 1, 11 to 12", [](Manifest& m) { m.checkpoints[0].seen[1].first = 11; }},
      {"range 1, 12 to 11", [](Manifest& m) { m.checkpoints[0].seen[1].last = 11; }},
      {"adapter name of 0 bytes", [](Manifest& m) { m.checkpoints[0].adapter = ""; }},
      {"adapter name of 65 bytes",
       [](Manifest& m) { m.adapters[0].adapter = std::string(65, 'a'); }},
      {"adapter name of 3 bytes", [](Manifest& m) { m.lines[0].adapter = "a/b"; }},
      {"default has two lines", [](Manifest& m) { m.lines[1].adapter = "default"; }},
      {"generation 2 twice",
       [](Manifest& m) {
         m.adapters.push_back(m.adapters[0]);
         m.adapters[1].file = 0x99;
       }},
      {"allowed one line", [](Manifest& m) { m.quarantine[0].reason = "two\nlines"; }},
      {"allowed one line", [](Manifest& m) { m.quarantine[0].reason = std::string(257, 'x'); }},
      {"33 quarantined files, allowed 32",
       [](Manifest& m) { m.quarantine.resize(kMaxQuarantined + 1, m.quarantine[0]); }},
      {"4097 ranges of examples, allowed 4096",
       [](Manifest& m) {
         auto& seen = m.checkpoints[0].seen;
         seen.clear();
         for (std::uint64_t i = 0; i <= kMaxSeenRanges; ++i) seen.push_back({2 * i, 2 * i});
       }},
  };
  for (const Refusal& refusal : refusals) {
    Manifest manifest = FullManifest();
    refusal.change(manifest);
    const Status status = CheckManifest(manifest);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss) << refusal.what;
    EXPECT_THAT(status.message(), HasSubstr(refusal.what));
  }
}

TEST(ManifestTest, DropsSlicesThatNothingLiesUnder) {
  Manifest manifest = FullManifest();
  manifest.checkpoints.clear();
  manifest.segments.pop_back();
  DropUnused(&manifest);
  ASSERT_THAT(manifest.slices, SizeIs(4));
  EXPECT_NE(manifest.FindSlice(3), nullptr);
  EXPECT_EQ(manifest.FindSlice(5), nullptr);
  EXPECT_NE(manifest.FindSlice(8), nullptr);
}

TEST(ManifestTest, DropsOutcomesOfGenerationsThatAreNoMore) {
  Manifest manifest = FullManifest();
  DropUnused(&manifest);
  EXPECT_THAT(manifest.outcomes, SizeIs(2));
  manifest.adapters.clear();
  DropUnused(&manifest);
  ASSERT_THAT(manifest.outcomes, SizeIs(1)) << "the bare base's stay";
  EXPECT_EQ(manifest.outcomes[0].generation, 0u);
}

TEST(ManifestTest, FindsByName) {
  Manifest manifest = FullManifest();
  ASSERT_NE(manifest.FindLine("a.b_c-9"), nullptr);
  EXPECT_EQ(manifest.FindLine("a.b_c-9")->next_generation, 1u);
  EXPECT_EQ(manifest.FindLine("absent"), nullptr);
  ASSERT_NE(manifest.FindAdapter("default", 2), nullptr);
  EXPECT_EQ(manifest.FindAdapter("default", 1), nullptr);
  EXPECT_EQ(manifest.FindAdapter("other", 2), nullptr);
}

TEST(RangesTest, MergeSortsAndJoinsNeighbours) {
  EXPECT_THAT(MergeRanges({}), IsEmpty());
  EXPECT_THAT(MergeRanges({{5, 4}}), IsEmpty());
  EXPECT_THAT(MergeRanges({{7, 9}, {1, 2}, {3, 3}, {8, 12}, {14, 14}}),
              ElementsAre(IdRange{1, 3}, IdRange{7, 12}, IdRange{14, 14}));
  EXPECT_THAT(MergeRanges({{kMost, kMost}, {0, 3}, {kMost - 1, kMost - 1}}),
              ElementsAre(IdRange{0, 3}, IdRange{kMost - 1, kMost}));
  EXPECT_THAT(MergeRanges({{0, kMost}, {5, 6}}), ElementsAre(IdRange{0, kMost}));
}

TEST(RangesTest, MergeAgreesWithASetOfIds) {
  Philox random(20260101);
  for (int round = 0; round < 200; ++round) {
    std::vector<IdRange> ranges;
    std::set<std::uint64_t> ids;
    for (std::uint32_t i = random.NextBelow(8); i > 0; --i) {
      const std::uint64_t first = random.NextBelow(40);
      const std::uint64_t last = first + random.NextBelow(6);
      ranges.push_back({first, last});
      for (std::uint64_t id = first; id <= last; ++id) ids.insert(id);
    }
    const auto merged = MergeRanges(ranges);
    EXPECT_EQ(MergeRanges(merged), merged);
    for (std::uint64_t id = 0; id < 50; ++id) {
      EXPECT_EQ(Covers(merged, id), ids.contains(id)) << "round " << round << ", id " << id;
    }
  }
}

TEST(RangesTest, TooManyAreJoinedOverTheSmallestGaps) {
  std::vector<IdRange> ranges;
  // Gaps of 10, but for two of 5.
  std::uint64_t next = 0;
  for (std::size_t i = 0; i < kMaxSeenRanges + 2; ++i) {
    ranges.push_back({next, next});
    next += i == 7 || i == 100 ? 5 : 10;
  }
  const auto merged = MergeRanges(ranges);
  EXPECT_THAT(merged, SizeIs(kMaxSeenRanges));
  for (const IdRange& range : ranges) EXPECT_TRUE(Covers(merged, range.first));
  EXPECT_EQ(merged[7], (IdRange{70, 75}));
  EXPECT_FALSE(Covers(merged, 1));
  EXPECT_TRUE(Covers(merged, 72));
}

TEST(FileNamesTest, ReadWhatTheyWrote) {
  for (const Role role : {Role::kCheckpoint, Role::kAdapter, Role::kExamples, Role::kLedger}) {
    for (const std::uint64_t file : {std::uint64_t{1}, std::uint64_t{0x0123456789abcdef}, kMost}) {
      const auto parsed = ParseFileName(FormatFileName(role, file));
      ASSERT_TRUE(parsed.has_value());
      EXPECT_EQ(parsed->role, role);
      EXPECT_EQ(parsed->file, file);
    }
  }
  EXPECT_EQ(FormatFileName(Role::kExamples, 0xc0ffee), "0000000000c0ffee.examples");
  for (const char* other :
       {"", "0000000000c0ffee", "0000000000c0ffee.", "0000000000c0ffee.example",
        "0000000000c0ffee.examples2", "0000000000C0FFEE.examples", "000000000c0ffee.examples",
        "00000000000c0ffee.examples", "0000000000c0ffeg.examples", "manifest"}) {
    EXPECT_FALSE(ParseFileName(other).has_value()) << other;
  }
  EXPECT_TRUE(IsTemporaryName(".attune-manifest.tmp"));
  EXPECT_FALSE(IsTemporaryName("attune-manifest.tmp"));
  EXPECT_FALSE(IsTemporaryName(".attune-manifest"));
}

TEST(FileHeaderTest, NamesTheFirstFieldThatDiffers) {
  const FileHeader header{.role = Role::kAdapter, .file = 0x0102030405060708, .slice = 77};
  const std::string bytes = EncodeFileHeader(header);
  ASSERT_EQ(bytes.size(), kFileHeaderBytes);
  EXPECT_OK(CheckFileHeader(bytes + "message", header));
  const char* const fields[kFileHeaderBytes] = {
      "not a file", "not a file", "not a file", "not a file", "not a file", "not a file",
      "not a file", "not a file", "version",    "version",    "role",       "reserved",
      "reserved",   "reserved",   "reserved",   "reserved",   "file",       "file",
      "file",       "file",       "file",       "file",       "file",       "file",
      "slice",      "slice",      "slice",      "slice",      "slice",      "slice",
      "slice",      "slice"};
  for (std::size_t i = 0; i < kFileHeaderBytes; ++i) {
    std::string other = bytes;
    other[i] = static_cast<char>(other[i] ^ 1);
    const Status status = CheckFileHeader(other, header);
    EXPECT_EQ(status.code(), StatusCode::kDataLoss);
    EXPECT_THAT(status.message(), HasSubstr(fields[i])) << i;
    EXPECT_THAT(CheckFileHeader(bytes.substr(0, i), header).message(), HasSubstr("needs 32"));
  }
}

}  // namespace
}  // namespace attune
