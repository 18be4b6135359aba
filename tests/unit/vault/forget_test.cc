// Letting examples go: Forget() and ApplyRetention().

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/strings.h"
#include "support/example_world.h"
#include "vault/adapter_store.h"
#include "vault/bytes.h"
#include "vault/checkpoint_store.h"
#include "vault/retention.h"
#include "vault/segment.h"

namespace attune {
namespace {

using testing::ExampleWorld;
using testing::kSecondsOfDay;
using testing::TextExample;
using Texts = std::map<std::uint64_t, std::string>;

bool Contains(const StoredExample& stored, std::string_view words) {
  return stored.example.text.find(words) != std::string::npos;
}

class ForgetTest : public ::testing::Test {
 protected:
  // Three days of four lines: ids 1 to 12.
  void RecordThreeDays() {
    for (int day = 0; day < 3; ++day) {
      for (int line = 0; line < 4; ++line) world_.Record(StrCat("day ", day, " line ", line));
      if (day < 2) world_.ports.clock.unix_seconds += kSecondsOfDay;
    }
  }
  ForgetReport ForgetIds(const std::vector<IdRange>& ids) {
    auto report = world_.store().ForgetIds(ids);
    EXPECT_OK(report);
    return report.ok() ? *report : ForgetReport();
  }
  std::set<std::uint64_t> Ids() {
    std::set<std::uint64_t> ids;
    for (const auto& [id, text] : world_.Texts()) ids.insert(id);
    return ids;
  }
  void StoreAdapter(std::vector<IdRange> seen, bool promote) {
    AdapterStore store(world_.vault(), {.adapter = "default", .base = {}, .keep = 9});
    auto generation =
        store.Add({.config = "{}", .weights = "w"}, {{"examples", "12"}}, std::move(seen));
    ASSERT_OK(generation);
    if (promote) ASSERT_OK(store.Promote(*generation));
  }
  void StoreCheckpoint(const std::string& adapter, std::vector<IdRange> seen) {
    CheckpointStore store(world_.vault(), {.adapter = adapter, .base = {}, .keep = 2});
    ASSERT_OK(store.BeginRun(false));
    const std::string weights(64, 'w');
    const ContainerSection sections[] = {{"weights", 4, AsBytes(weights)}};
    ASSERT_OK(
        store.Commit({.step = 1, .fields = {}, .sections = sections, .seen = std::move(seen)}));
  }
  ExampleWorld world_;
};

TEST_F(ForgetTest, DropsWhatWasAskedForAndNothingElse) {
  RecordThreeDays();
  auto report = world_.store().Forget([](const StoredExample& s) { return Contains(s, "line 1"); });
  ASSERT_OK(report);
  EXPECT_EQ(report->examples, 3u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{1, 3, 4, 5, 7, 8, 9, 11, 12}));
  world_.Reopen();
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{1, 3, 4, 5, 7, 8, 9, 11, 12}));
  EXPECT_EQ(world_.Texts().at(5), "day 1 line 0");
}

TEST_F(ForgetTest, RemovesFilesAndKeysOfTheDaysConcerned) {
  RecordThreeDays();
  const std::vector<SegmentEntry> before = world_.segments();
  const std::uint64_t keys = world_.vault().key_generation();
  ForgetIds({{6, 6}});
  EXPECT_FALSE(world_.ports.files.Exists(world_.PathOf(before[1])));
  EXPECT_EQ(world_.vault().manifest().FindSlice(before[1].slice), nullptr);
  EXPECT_EQ(world_.vault().key_generation(), keys + 1);
  // Other days stay as they are.
  EXPECT_EQ(world_.segments()[0], before[0]);
  EXPECT_EQ(world_.segments()[2], before[2]);
  EXPECT_EQ(world_.segments()[1].records, 3u);
  EXPECT_EQ(world_.segments()[1].first_id, 5u);
}

TEST_F(ForgetTest, NeverGivesAnIdTwice) {
  RecordThreeDays();
  ForgetIds({{12, 12}});
  world_.Reopen();
  EXPECT_EQ(world_.Record("next"), 13u);
  ForgetIds({{1, 100}});
  EXPECT_TRUE(Ids().empty());
  EXPECT_TRUE(world_.segments().empty());
  EXPECT_TRUE(world_.vault().manifest().slices.empty());
  world_.Reopen();
  EXPECT_EQ(world_.Record("after all"), 14u);
}

TEST_F(ForgetTest, LeavesDuplicatesCounted) {
  for (int i = 0; i < 3; ++i) world_.Record("ok");
  world_.Record("secret plan");
  ForgetIds({{4, 4}});
  EXPECT_EQ(world_.Record("ok"), 0u);
  world_.Reopen();
  EXPECT_EQ(world_.Record("ok"), 0u);
  ForgetIds({{1, 1}});
  EXPECT_NE(world_.Record("ok"), 0u);
}

TEST_F(ForgetTest, RotatesTheRootKeyEvenIfNothingIsFound) {
  RecordThreeDays();
  const std::uint64_t keys = world_.vault().key_generation();
  EXPECT_EQ(ForgetIds({{99, 99}}).examples, 0u);
  EXPECT_EQ(world_.vault().key_generation(), keys + 1);
  EXPECT_EQ(Ids().size(), 12u);
}

TEST_F(ForgetTest, AsksAboutEachExampleOnce) {
  RecordThreeDays();
  int asked = 0;
  auto report = world_.store().Forget([&](const StoredExample&) { return ++asked % 2 == 0; });
  ASSERT_OK(report);
  EXPECT_EQ(asked, 12);
  EXPECT_EQ(report->examples, 6u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{1, 3, 5, 7, 9, 11}));
}

// What a run has read it may still store: neither a state nor an adapter of it may
// come after the forgetting.
TEST_F(ForgetTest, EndsTheRunThatHasReadIt) {
  RecordThreeDays();
  StoreCheckpoint("default", {{1, 4}});
  CheckpointStore checkpoints(world_.vault(), {.adapter = "default", .base = {}, .keep = 2});
  AdapterStore adapters(world_.vault(), {.adapter = "default", .base = {}, .keep = 9});
  ASSERT_OK(checkpoints.BeginRun(true));
  // Found nothing to forget: the run goes on.
  ASSERT_OK(world_.store().Forget([](const StoredExample&) { return false; }));
  ASSERT_OK(checkpoints.Commit({.step = 2, .fields = {}, .sections = {}, .seen = {{1, 4}}}));

  EXPECT_EQ(ForgetIds({{6, 6}}).checkpoints, 0u);
  const CheckpointData seen_it = {.step = 3, .fields = {}, .sections = {}, .seen = {{1, 12}}};
  EXPECT_EQ(checkpoints.Commit(seen_it).code(), StatusCode::kFailedPrecondition);
  const auto added =
      adapters.Add({.config = "{}", .weights = "w"}, {}, {{1, 12}}, {.run = checkpoints.run()});
  EXPECT_EQ(added.status().code(), StatusCode::kFailedPrecondition);
  ASSERT_OK_AND_ASSIGN(const Checkpoint latest, checkpoints.Latest());
  EXPECT_EQ(latest.entry.step, 2u);
  ASSERT_OK(checkpoints.BeginRun(true));
  EXPECT_OK(checkpoints.Commit(seen_it));
}

TEST_F(ForgetTest, TaintsWhatSawItAndServesWhatDidNot) {
  RecordThreeDays();
  StoreAdapter({{1, 4}}, /*promote=*/true);
  StoreAdapter({{1, 8}}, /*promote=*/true);
  StoreAdapter({{1, 12}}, /*promote=*/true);
  StoreCheckpoint("default", {{1, 12}});
  StoreCheckpoint("other", {{9, 12}});
  const std::uint64_t checkpoint_slice = world_.vault().manifest().checkpoints[0].slice;
  const ForgetReport report = ForgetIds({{7, 7}});
  EXPECT_EQ(report.examples, 1u);
  EXPECT_EQ(report.generations, 2u);
  EXPECT_EQ(report.checkpoints, 1u);
  const Manifest& manifest = world_.vault().manifest();
  ASSERT_EQ(manifest.adapters.size(), 3u);
  EXPECT_FALSE(manifest.adapters[0].tainted);
  EXPECT_TRUE(manifest.adapters[1].tainted);
  EXPECT_TRUE(manifest.adapters[2].tainted);
  EXPECT_EQ(manifest.FindLine("default")->serving, 1u);
  ASSERT_EQ(manifest.checkpoints.size(), 1u);
  EXPECT_EQ(manifest.checkpoints[0].adapter, "other");
  EXPECT_EQ(manifest.FindSlice(checkpoint_slice), nullptr);
  ForgetIds({{2, 2}});
  EXPECT_EQ(world_.vault().manifest().FindLine("default")->serving, 0u);
}

TEST_F(ForgetTest, NeverServesWhatWasNotPromoted) {
  RecordThreeDays();
  StoreAdapter({{1, 4}}, /*promote=*/false);
  StoreAdapter({{1, 8}}, /*promote=*/true);
  ForgetIds({{8, 8}});
  EXPECT_EQ(world_.vault().manifest().FindLine("default")->serving, 0u);
}

TEST_F(ForgetTest, TaintsWhatSawExamplesThatHadExpired) {
  RecordThreeDays();
  StoreAdapter({{1, 12}}, /*promote=*/true);
  ExamplePolicy policy;
  policy.keep_examples = 4;
  world_.Reopen(policy);
  ASSERT_OK(world_.store().ApplyRetention());
  EXPECT_FALSE(world_.vault().manifest().adapters[0].tainted) << "expiry is no wish to forget";
  EXPECT_EQ(ForgetIds({{2, 2}}).generations, 1u);
}

TEST_F(ForgetTest, DropsDamagedRecordsOfTheDay) {
  RecordThreeDays();
  std::string bytes = world_.BytesOf(world_.segments()[0]);
  bytes[100] ^= 1;
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), bytes);
  ExampleStore::Visited visited;
  EXPECT_EQ(world_.Texts(&visited).size(), 11u);
  EXPECT_EQ(visited.damaged, 1u);
  ForgetIds({{2, 2}});
  EXPECT_EQ(world_.Texts(&visited).size(), 10u);
  EXPECT_EQ(visited.damaged, 0u);
}

// A query by words has to say what it could not look into.
TEST_F(ForgetTest, CountsWhatItCouldNotRead) {
  RecordThreeDays();
  const auto forget = [&](std::string_view words) {
    auto report = world_.store().Forget([&](const StoredExample& s) { return Contains(s, words); });
    EXPECT_OK(report);
    return report.ok() ? *report : ForgetReport();
  };
  EXPECT_EQ(forget("nothing of this").unreadable, 0u);
  std::string bytes = world_.BytesOf(world_.segments()[0]);
  bytes[100] ^= 1;
  world_.ports.files.Put(world_.PathOf(world_.segments()[0]), bytes);
  EXPECT_EQ(forget("nothing of this").unreadable, 1u);
  // A file that is gone is one that could come back.
  ASSERT_OK(world_.ports.files.Remove(world_.PathOf(world_.segments()[1])));
  EXPECT_EQ(forget("nothing of this").unreadable, 5u);
  const std::uint64_t lost = world_.segments()[1].file;
  ASSERT_OK(world_.vault().Quarantine(Role::kExamples, lost, "gone"));
  EXPECT_EQ(forget("day 2 line 3").unreadable, 2u);
  // What lies in a day that is rewritten goes with it.
  EXPECT_EQ(forget("day 0 line 3").unreadable, 1u);
}

// --- Retention ---

class RetentionTest : public ForgetTest {
 protected:
  std::uint64_t Apply(const ExamplePolicy& policy) {
    world_.Reopen(policy);
    auto dropped = world_.store().ApplyRetention();
    EXPECT_OK(dropped);
    return dropped.ok() ? *dropped : 0;
  }
  static ExamplePolicy Keep(std::int64_t days, std::int64_t examples, std::int64_t bytes) {
    ExamplePolicy policy;
    policy.keep_days = days;
    policy.keep_examples = examples;
    policy.keep_bytes = bytes;
    return policy;
  }
};

TEST_F(RetentionTest, DropsNothingWithinThePolicy) {
  RecordThreeDays();
  const std::uint64_t generation = world_.vault().manifest().generation;
  EXPECT_EQ(Apply({}), 0u);
  EXPECT_EQ(Apply(Keep(0, 0, 0)), 0u);
  EXPECT_EQ(Apply(Keep(2, 12, 1 << 20)), 0u);
  EXPECT_EQ(world_.vault().manifest().generation, generation);
}

TEST_F(RetentionTest, DropsWholeDaysByAge) {
  RecordThreeDays();
  const std::vector<SegmentEntry> before = world_.segments();
  EXPECT_EQ(Apply(Keep(1, 0, 0)), 4u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_FALSE(world_.ports.files.Exists(world_.PathOf(before[0])));
  EXPECT_EQ(world_.vault().manifest().FindSlice(before[0].slice), nullptr);
  EXPECT_EQ(world_.segments()[0], before[1]);
  world_.ports.clock.unix_seconds += 10 * kSecondsOfDay;
  EXPECT_EQ(Apply(Keep(1, 0, 0)), 8u);
  EXPECT_TRUE(Ids().empty());
  EXPECT_EQ(world_.Record("new"), 13u);
}

TEST_F(RetentionTest, DropsTheOldestByNumber) {
  RecordThreeDays();
  const std::vector<SegmentEntry> before = world_.segments();
  EXPECT_EQ(Apply(Keep(0, 6, 0)), 6u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{7, 8, 9, 10, 11, 12}));
  EXPECT_FALSE(world_.ports.files.Exists(world_.PathOf(before[1])));
  EXPECT_EQ(world_.segments().back(), before[2]) << "nothing of that day goes";
  EXPECT_EQ(Apply(Keep(0, 6, 0)), 0u);
  EXPECT_EQ(Apply(Keep(0, 1, 0)), 5u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{12}));
  EXPECT_EQ(world_.Record("new"), 13u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{12, 13}));
}

TEST_F(RetentionTest, DropsTheOldestBySize) {
  RecordThreeDays();
  auto totals = world_.store().Totals();
  ASSERT_OK(totals);
  const auto keep = static_cast<std::int64_t>(totals->bytes) - 150;  // One record and a bit.
  EXPECT_EQ(Apply(Keep(0, 0, keep)), 2u);
  EXPECT_EQ(Ids().size(), 10u);
  EXPECT_EQ(*Ids().begin(), 3u);
  EXPECT_EQ(Apply(Keep(0, 0, 1)), 10u);
  EXPECT_TRUE(Ids().empty());
}

TEST_F(RetentionTest, KeepsAtMostWhatItSaysWhateverTheDays) {
  // The clock goes back and forth: segments of a day do not lie together.
  for (int i = 0; i < 12; ++i) {
    world_.Record(StrCat("line ", i));
    if (i % 2 == 1) world_.ports.clock.unix_seconds += i % 4 == 1 ? kSecondsOfDay : -kSecondsOfDay;
  }
  EXPECT_EQ(Apply(Keep(0, 7, 0)), 5u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{6, 7, 8, 9, 10, 11, 12}));
  std::set<std::uint64_t> slices;
  for (const SegmentEntry& segment : world_.segments()) slices.insert(segment.slice);
  EXPECT_EQ(slices.size(), 2u) << "one key a day";
}

// A vault that is only recorded into, never trained on.
TEST_F(RetentionTest, HappensAsTheFirstRecordOfADayIsStored) {
  world_.Reopen(Keep(1, 0, 0));
  RecordThreeDays();
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{5, 6, 7, 8, 9, 10, 11, 12}));
  EXPECT_EQ(world_.Record("same day"), 13u);
  world_.ports.clock.unix_seconds += 10 * kSecondsOfDay;
  EXPECT_EQ(world_.Record("much later"), 14u);
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{14}));
  EXPECT_EQ(world_.segments().size(), 1u);
}

// It goes on with the examples it began with: midnight must not cost its work.
TEST_F(RetentionTest, WaitsForARunThatWasStoppedOfLate) {
  world_.Reopen(Keep(1, 0, 0));
  world_.Record("learned");
  StoreCheckpoint("default", {{1, 1}});
  world_.ports.clock.unix_seconds += kRunDays * kSecondsOfDay;
  world_.Record("a week later");
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{1, 2}));
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.Record("given up");
  EXPECT_EQ(Ids(), (std::set<std::uint64_t>{2, 3}));
}

// It is not what the caller asked for.
TEST_F(RetentionTest, FailsNoRecord) {
  world_.Reopen(Keep(1, 0, 0));
  RecordThreeDays();
  world_.ports.clock.unix_seconds += kSecondsOfDay;
  world_.ports.keys.SetLocked(true);
  EXPECT_EQ(world_.Record("another day"), 13u);
  world_.ports.keys.SetLocked(false);
  EXPECT_EQ(Ids().size(), 9u);
}

TEST(Expiry, CountsWhatGoesWhole) {
  std::vector<SegmentEntry> segments(4);
  for (std::size_t i = 0; i < 4; ++i) {
    segments[i].day = static_cast<std::int64_t>(i);
    segments[i].records = 10;
    segments[i].bytes = 1000;
  }
  const auto find = [&](std::int64_t days, std::int64_t examples, std::int64_t bytes) {
    ExamplePolicy policy;
    policy.keep_days = days;
    policy.keep_examples = examples;
    policy.keep_bytes = bytes;
    return FindExpiry(policy, segments, /*today=*/3);
  };
  EXPECT_EQ(find(0, 0, 0).segment, 0u);
  EXPECT_EQ(find(2, 0, 0).before_day, 1);
  EXPECT_EQ(find(0, 25, 0).segment, 1u);
  EXPECT_EQ(find(0, 25, 0).examples, 5u);
  EXPECT_EQ(find(0, 20, 0).segment, 2u);
  EXPECT_EQ(find(0, 20, 0).examples, 0u);
  EXPECT_EQ(find(0, 0, 999).segment, 3u);
  EXPECT_EQ(find(0, 0, 999).bytes, 1u);
  EXPECT_EQ(find(1, 10, 0).segment, 3u) << "what is too old does not count";
  EXPECT_EQ(find(0, 39, 1500).segment, 2u) << "the stricter limit rules";
  EXPECT_EQ(find(0, 39, 1500).bytes, 500u);
}

}  // namespace
}  // namespace attune
