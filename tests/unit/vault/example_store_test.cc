#include "vault/example_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "support/example_world.h"
#include "support/forwarding_file_system.h"
#include "vault/segment.h"

namespace attune {
namespace {

using testing::ExampleWorld;
using testing::kSecondsOfDay;
using testing::TextExample;
using testing::TextsOf;
using Texts = std::map<std::uint64_t, std::string>;

class ExampleStoreTest : public ::testing::Test {
 protected:
  ExampleWorld world_;
};

TEST_F(ExampleStoreTest, GivesBackWhatWasRecorded) {
  Example example;
  example.kind = ExampleKind::kPromptCompletion;
  example.text = "the kiln is at 140";
  example.prompt = "how warm is it?";
  example.source = "messages";
  example.when = 1700000000;
  ASSERT_OK(world_.store().Record(example));
  Example picture;
  picture.kind = ExampleKind::kLabelledBlob;
  picture.text = "crack";
  picture.blob = std::string("\0\xFF\x01", 3) + std::string(30000, 'x');
  ASSERT_OK(world_.store().Record(picture));
  world_.Reopen();
  std::vector<StoredExample> all;
  ASSERT_OK(world_.store().ForEach([&](const StoredExample& stored) {
    all.push_back(stored);
    return true;
  }));
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].id, 1u);
  EXPECT_EQ(all[0].example.kind, ExampleKind::kPromptCompletion);
  EXPECT_EQ(all[0].example.text, example.text);
  EXPECT_EQ(all[0].example.prompt, example.prompt);
  EXPECT_EQ(all[0].example.source, example.source);
  EXPECT_EQ(all[0].example.when, example.when);
  EXPECT_EQ(all[1].example.blob, picture.blob);
  EXPECT_EQ(all[1].example.when, world_.ports.clock.unix_seconds);
}

TEST_F(ExampleStoreTest, StoresNothingThatThePolicyRefuses) {
  auto recorded = world_.store().Record(TextExample("4111 1111 1111 1111"));
  ASSERT_OK(recorded);
  EXPECT_EQ(recorded->outcome, RecordOutcome::kCardNumber);
  EXPECT_EQ(recorded->id, 0u);
  EXPECT_TRUE(world_.segments().empty());
  Example unknown = TextExample("x");
  unknown.kind = static_cast<ExampleKind>(9);
  EXPECT_EQ(world_.store().Record(unknown).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(ExampleStoreTest, KeepsTheTextOutOfEveryFile) {
  const std::string canary = "the quick brown fox met Ingrid at the harbour";
  for (int i = 0; i < 3; ++i) world_.Record(canary);
  for (const auto& [path, bytes] : world_.ports.files.files()) {
    EXPECT_EQ(bytes.find(canary.substr(4, 11)), bytes.npos) << path;
    EXPECT_EQ(bytes.find("Ingrid"), bytes.npos) << path;
  }
}

TEST_F(ExampleStoreTest, TellsLittleByTheLength) {
  std::set<std::size_t> lengths;
  std::size_t before = 0;
  Philox rng(3);
  for (std::size_t size = 200; size < 260; ++size) {
    std::string line;
    while (line.size() < size) line.push_back(static_cast<char>('a' + rng.NextBelow(26)));
    ASSERT_NE(world_.Record(line), 0u);
    const std::size_t bytes = world_.BytesOf(world_.segments()[0]).size();
    if (before > 0) lengths.insert(bytes - before);
    before = bytes;
  }
  EXPECT_LE(lengths.size(), 8u);
}

TEST_F(ExampleStoreTest, AppendsWithoutCommitting) {
  world_.Record("first");
  const std::uint64_t generation = world_.vault().manifest().generation;
  for (int i = 0; i < 50; ++i) world_.Record(StrCat("line ", i));
  EXPECT_EQ(world_.vault().manifest().generation, generation);
  EXPECT_EQ(world_.segments().size(), 1u);
  EXPECT_EQ(world_.Texts().size(), 51u);
}

TEST_F(ExampleStoreTest, BeginsASegmentForEachDay) {
  world_.Record("monday");
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.Record("tuesday");
  ASSERT_EQ(world_.segments().size(), 2u);
  EXPECT_TRUE(world_.segments()[0].closed);
  EXPECT_NE(world_.segments()[0].slice, world_.segments()[1].slice);
  EXPECT_EQ(world_.segments()[0].day + 1, world_.segments()[1].day);
  EXPECT_EQ(world_.Texts(), (Texts{{1, "monday"}, {2, "tuesday"}}));
}

TEST_F(ExampleStoreTest, SurvivesAClockThatGoesBack) {
  world_.Record("today");
  world_.ports.clock.unix_seconds -= kSecondsOfDay;
  world_.Record("yesterday");
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.Record("today again");
  world_.ports.clock.unix_seconds = -1;
  world_.Record("before time began");
  world_.Reopen();
  EXPECT_EQ(world_.Texts(),
            (Texts{{1, "today"}, {2, "yesterday"}, {3, "today again"}, {4, "before time began"}}));
  ASSERT_EQ(world_.segments().size(), 4u);
  // One key a day, however often the day begins.
  EXPECT_EQ(world_.segments()[0].slice, world_.segments()[2].slice);
  EXPECT_EQ(world_.segments()[3].day, -1);
}

TEST_F(ExampleStoreTest, ClosesAFullSegment) {
  ExamplePolicy policy;
  policy.max_duplicates = 0;
  world_.Reopen(policy);
  for (std::uint32_t i = 0; i < kSegmentRecords + 3; ++i) world_.Record("one more line");
  ASSERT_EQ(world_.segments().size(), 2u);
  EXPECT_EQ(world_.segments()[0].records, kSegmentRecords);
  EXPECT_EQ(world_.segments()[0].last_id, kSegmentRecords);
  EXPECT_EQ(world_.segments()[0].bytes, world_.BytesOf(world_.segments()[0]).size());
  world_.Reopen(policy);
  EXPECT_EQ(world_.Texts().size(), kSegmentRecords + 3);
  EXPECT_EQ(world_.Record("the next"), kSegmentRecords + 4);
}

TEST_F(ExampleStoreTest, GivesALargeExampleASegmentOfItsOwn) {
  ExamplePolicy policy;
  policy.max_bytes = 1 << 22;
  world_.Reopen(policy);
  Example large = TextExample("label");
  large.kind = ExampleKind::kLabelledBlob;
  std::uint32_t state = 1;
  for (int i = 0; i < 600'000; ++i) {
    state = state * 1664525 + 1013904223;
    large.blob.push_back(static_cast<char>(state >> 24));
  }
  world_.Record("small");
  ASSERT_OK(world_.store().Record(large));
  world_.Record("small again");
  EXPECT_EQ(world_.segments().size(), 3u);
  world_.Reopen();
  EXPECT_EQ(world_.Texts(), (Texts{{1, "small"}, {2, "label"}, {3, "small again"}}));
}

// --- Duplicates ---

TEST_F(ExampleStoreTest, CapsDuplicatesOfADay) {
  for (int i = 0; i < 3; ++i) EXPECT_NE(world_.Record("ok"), 0u);
  auto fourth = world_.store().Record(TextExample("ok"));
  ASSERT_OK(fourth);
  EXPECT_EQ(fourth->outcome, RecordOutcome::kDuplicate);
  EXPECT_NE(world_.Record("OK"), 0u);
  // Prompt and text are not taken for one another.
  Example other = TextExample("o");
  other.kind = ExampleKind::kPromptCompletion;
  other.prompt = "k";
  for (int i = 0; i < 3; ++i) EXPECT_NE(world_.store().Record(other)->id, 0u);
  other.text = "k";
  other.prompt = "o";
  EXPECT_NE(world_.store().Record(other)->id, 0u);
  world_.Reopen();
  EXPECT_EQ(world_.Record("ok"), 0u);
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  EXPECT_NE(world_.Record("ok"), 0u);
}

TEST_F(ExampleStoreTest, CapsDuplicatesAcrossSegmentsAndStarts) {
  for (int i = 0; i < 2; ++i) world_.Record("ok");
  for (std::uint32_t i = 0; i < kSegmentRecords; ++i) world_.Record(StrCat("line ", i));
  world_.Record("ok");
  ASSERT_EQ(world_.segments().size(), 2u);
  EXPECT_EQ(world_.Record("ok"), 0u);
  world_.Reopen();
  EXPECT_EQ(world_.Record("ok"), 0u);
  EXPECT_NE(world_.Record("line 1"), 0u);
  EXPECT_NE(world_.Record("line 1"), 0u);
  EXPECT_EQ(world_.Record("line 1"), 0u);
}

TEST_F(ExampleStoreTest, CountsDuplicatesWithoutAFooterToo) {
  for (int i = 0; i < 3; ++i) world_.Record("ok");
  // A write that was cut short: the segment is closed without a footer.
  auto bytes = world_.BytesOf(world_.segments()[0]);
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), bytes + "torn");
  world_.Reopen();
  EXPECT_EQ(world_.Record("ok"), 0u);
  EXPECT_NE(world_.Record("else"), 0u);
  ASSERT_EQ(world_.segments().size(), 2u);
  world_.Reopen();
  EXPECT_EQ(world_.Record("ok"), 0u);
}

// --- What the next start finds ---

TEST_F(ExampleStoreTest, ClosesATornSegmentAtItsLastWholeRecord) {
  const std::uint64_t first = world_.Record("first");
  const std::size_t whole = world_.BytesOf(world_.segments()[0]).size();
  world_.Record("second");
  const std::string all = world_.BytesOf(world_.segments()[0]);
  for (std::size_t size = whole + 1; size < all.size(); ++size) {
    ExampleWorld world;
    world.Record("first");
    std::string bytes = world.BytesOf(world.segments()[0]);
    bytes += all.substr(whole, size - whole);
    world.ports.files.Put(world.PathOf(world.segments()[0]), bytes);
    world.Reopen();
    ExampleStore::Visited visited;
    EXPECT_EQ(world.Texts(&visited).size(), 1u);
    EXPECT_TRUE(visited.torn);
    const std::uint64_t next = world.Record("third");
    EXPECT_GT(next, first + 1) << "the torn record may have had an id";
    ASSERT_EQ(world.segments().size(), 2u);
    EXPECT_EQ(world.segments()[0].bytes, whole);
    EXPECT_EQ(world.Texts(&visited), (Texts{{first, "first"}, {next, "third"}}));
    EXPECT_FALSE(visited.torn);
    EXPECT_EQ(visited.damaged, 0u);
  }
}

TEST_F(ExampleStoreTest, SeesWhatAnotherProcessRecords) {
  auto other_vault = Vault::Open(world_.ports.ports(), testing::TestVault());
  ASSERT_OK(other_vault);
  auto other = ExampleStore::Open(**other_vault, {});
  ASSERT_OK(other);
  Texts expected;
  for (int i = 0; i < 20; ++i) {
    const auto theirs = (*other)->Record(TextExample(StrCat("theirs ", i)));
    ASSERT_OK(theirs);
    expected[theirs->id] = StrCat("theirs ", i);
    expected[world_.Record(StrCat("ours ", i))] = StrCat("ours ", i);
    if (i % 7 == 6) world_.ports.clock.unix_seconds += kSecondsOfDay;
  }
  EXPECT_EQ(expected.size(), 40u);
  EXPECT_EQ(world_.Texts(), expected);
  EXPECT_EQ(TextsOf(**other), expected);
  EXPECT_EQ(world_.segments().size(), 3u);
}

TEST_F(ExampleStoreTest, CountsWithoutReadingClosedSegments) {
  for (int i = 0; i < 5; ++i) world_.Record(StrCat("line ", i));
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.Record("next day");
  // Were it read, it would be noticed.
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), "nonsense");
  world_.Reopen();
  auto totals = world_.store().Totals();
  ASSERT_OK(totals);
  EXPECT_EQ(totals->examples, 6u);
  EXPECT_EQ(totals->bytes,
            world_.segments()[0].bytes + world_.BytesOf(world_.segments()[1]).size());
  EXPECT_EQ(totals->first_day + 1, totals->last_day);
}

TEST_F(ExampleStoreTest, CountsThoseAfterAnIdWithoutReadingClosedSegments) {
  for (int i = 1; i <= 9; ++i) {
    world_.Record(StrCat("line ", i));
    if (i % 3 == 0) world_.ports.clock.unix_seconds += kSecondsOfDay;
  }
  const auto count = [&](std::uint64_t id) {
    const auto counted = world_.store().CountAfter(id);
    EXPECT_OK(counted);
    return counted.ok() ? *counted : 0;
  };
  // 8 goes: its segment is written anew.
  ASSERT_OK(world_.store().ForgetIds({{8, 8}}));
  world_.Record("line 10");
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), "nonsense");
  world_.Reopen();
  const std::uint64_t expected[] = {9, 8, 7, 6, 5, 4, 3, 2, 2, 1, 0, 0};
  for (std::uint64_t id = 0; id < std::size(expected); ++id) {
    // Among ids of the segment that lost one, it cannot know which.
    const std::uint64_t more = id == 7 ? 1 : 0;
    EXPECT_EQ(count(id), expected[id] + more) << id;
  }
}

TEST_F(ExampleStoreTest, VisitsRangesAndStopsWhenTold) {
  for (int i = 1; i <= 6; ++i) {
    world_.Record(StrCat("line ", i));
    if (i % 2 == 0) world_.ports.clock.unix_seconds += kSecondsOfDay;
  }
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), "nonsense");
  std::vector<std::uint64_t> ids;
  auto visited = world_.store().ForEachOf({{6, 9}, {3, 3}, {4, 4}}, [&](const StoredExample& s) {
    ids.push_back(s.id);
    return true;
  });
  ASSERT_OK(visited);
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{3, 4, 6}));
  EXPECT_EQ(visited->examples, 3u);
  EXPECT_EQ(visited->damaged, 0u);
  ids.clear();
  ASSERT_OK(world_.store().ForEachOf({{3, 6}}, [&](const StoredExample& s) {
    ids.push_back(s.id);
    return ids.size() < 2;
  }));
  EXPECT_EQ(ids, (std::vector<std::uint64_t>{3, 4}));
}

// --- Damage ---

TEST_F(ExampleStoreTest, QuarantinesASegmentThatDoesNotOpenAtAll) {
  for (int day = 0; day < 3; ++day) {
    world_.Record(StrCat("day ", day));
    world_.Record(StrCat("day ", day, " again"));
    world_.ports.clock.unix_seconds += kSecondsOfDay;
  }
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), "nonsense");  // Closed.
  world_.ports.files.Put(world_.PathOf(world_.segments()[2]), "nonsense");  // Open.
  world_.Reopen();
  ExampleStore::Visited visited;
  EXPECT_EQ(world_.Texts(&visited), (Texts{{3, "day 1"}, {4, "day 1 again"}}));
  EXPECT_EQ(visited.damaged, 3u);  // Of the open one, only the first is known of.
  EXPECT_EQ(world_.vault().manifest().quarantine.size(), 2u);
  EXPECT_EQ(world_.segments().size(), 1u);
  EXPECT_GT(world_.Record("new"), 6u) << "an id was given out twice";
  world_.Texts(&visited);
  EXPECT_EQ(visited.damaged, 0u);
}

// Steps in as a segment is opened for reading, once.
class InterruptedReading final : public testing::ForwardingFileSystem {
 public:
  using ForwardingFileSystem::ForwardingFileSystem;
  std::function<Status()> before_opening;
  std::string instead;  // Read this file, if not empty.

  Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) override {
    if (!path.ends_with(".examples")) return ForwardingFileSystem::OpenForReading(path);
    if (before_opening) ATTUNE_RETURN_IF_ERROR(std::exchange(before_opening, nullptr)());
    return ForwardingFileSystem::OpenForReading(
        instead.empty() ? path : std::exchange(instead, std::string()));
  }
};

// Another process over the same vault, whose reading is stepped into.
class InterruptedReadingTest : public ExampleStoreTest {
 protected:
  std::unique_ptr<Vault> OpenVault() {
    VaultPorts ports = world_.ports.ports();
    ports.files = &files_;
    auto vault = Vault::Open(ports, testing::TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  InterruptedReading files_{world_.ports.files};
};

TEST_F(InterruptedReadingTest, OneBadReadCostsNoSegment) {
  world_.Record("first");
  std::string bytes = world_.BytesOf(world_.segments()[0]);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  world_.ports.files.Put("bad", bytes);
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const auto store, ExampleStore::Open(*vault, {}));
  files_.instead = "bad";
  EXPECT_EQ(TextsOf(*store), (Texts{{1, "first"}}));
  EXPECT_TRUE(files_.instead.empty());
  EXPECT_TRUE(vault->manifest().quarantine.empty());
}

TEST_F(InterruptedReadingTest, OneBadReadCostsNoRecordOfADayThatIsRewritten) {
  for (const char* text : {"first", "second", "third"}) world_.Record(text);
  std::string bytes = world_.BytesOf(world_.segments()[0]);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  world_.ports.files.Put("bad", bytes);
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const auto store, ExampleStore::Open(*vault, {}));
  ASSERT_OK(store->Forget([&](const StoredExample& stored) {
    files_.instead = "bad";  // The next read is the one that rewrites.
    return stored.id == 1;
  }));
  EXPECT_TRUE(files_.instead.empty());
  EXPECT_EQ(TextsOf(*store), (Texts{{2, "second"}, {3, "third"}}));
}

TEST_F(InterruptedReadingTest, OpensThoughTheSegmentIsForgottenMeanwhile) {
  world_.Record("first");
  world_.Record("second");
  const auto vault = OpenVault();
  files_.before_opening = [&] { return world_.store().ForgetIds({{1, 1}}).status(); };
  ASSERT_OK_AND_ASSIGN(const auto store, ExampleStore::Open(*vault, {}));
  EXPECT_EQ(TextsOf(*store), (Texts{{2, "second"}}));
  world_.Record("third");
  files_.before_opening = [&] { return world_.store().ForgetIds({{2, 2}}).status(); };
  ASSERT_OK_AND_ASSIGN(const ExampleTotals totals, store->Totals());
  EXPECT_EQ(totals.examples, 1u);
}

// What could not be read then is not taken for read: nothing of it may be cut off.
TEST_F(InterruptedReadingTest, ReadsAgainWhatItCouldNotRead) {
  world_.Record("first");
  const auto vault = OpenVault();
  ASSERT_OK_AND_ASSIGN(const auto store, ExampleStore::Open(*vault, {}));
  world_.Record("second");
  files_.before_opening = [] { return IoError("a bad moment"); };
  EXPECT_EQ(store->Totals().status().code(), StatusCode::kIoError);
  ASSERT_OK_AND_ASSIGN(const Recorded third, store->Record(TextExample("third")));
  EXPECT_EQ(third.id, 3u);
  EXPECT_EQ(TextsOf(*store), (Texts{{1, "first"}, {2, "second"}, {3, "third"}}));
}

TEST_F(ExampleStoreTest, QuarantinesASegmentWhoseFileIsGone) {
  world_.Record("day 0");
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.Record("day 1");
  ASSERT_OK(world_.ports.files.Remove(world_.PathOf(world_.segments()[0])));
  world_.Reopen();
  ExampleStore::Visited visited;
  EXPECT_EQ(world_.Texts(&visited), (Texts{{2, "day 1"}}));
  EXPECT_EQ(visited.damaged, 1u);
  EXPECT_EQ(world_.segments().size(), 1u);
}

TEST_F(ExampleStoreTest, NeverRecordsIntoADamagedSegment) {
  for (int i = 0; i < 3; ++i) world_.Record(StrCat("line ", i));
  std::string bytes = world_.BytesOf(world_.segments()[0]);
  bytes[150] ^= 1;  // Within the first or the second record.
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), bytes);
  world_.Reopen();
  // Which ids it gave out cannot be known any more.
  EXPECT_EQ(world_.Record("new"), 1 + kSegmentRecords);
  EXPECT_EQ(world_.segments().size(), 2u);
  EXPECT_EQ(world_.Record("newer"), 2 + kSegmentRecords);
  ExampleStore::Visited visited;
  EXPECT_EQ(world_.Texts(&visited).size(), 4u);
  EXPECT_EQ(visited.damaged, 1u);
}

TEST_F(ExampleStoreTest, NeverRecordsIntoASegmentThatLostItsFile) {
  world_.Record("gone");
  ASSERT_OK(world_.ports.files.Remove(world_.PathOf(world_.segments()[0])));
  EXPECT_GT(world_.Record("new"), 1u);
  EXPECT_EQ(world_.segments().size(), 2u);
  ExampleStore::Visited visited;
  EXPECT_EQ(world_.Texts(&visited).size(), 1u);
  EXPECT_EQ(visited.damaged, 1u);
}

}  // namespace
}  // namespace attune
