#include "vault/ledger_store.h"

#include <gmock/gmock.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/compress.h"
#include "vault/open_segment.h"
#include "vault/segment.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestPorts;
using Records = std::vector<std::string>;

constexpr std::int64_t kDay = 24 * 60 * 60;

class LedgerStoreTest : public ::testing::Test {
 protected:
  LedgerStoreTest() { Reopen(); }

  // As another start of the program would.
  void Reopen(const LedgerStoreOptions& options = {}) {
    store_.reset();
    vault_.reset();
    auto vault = Vault::Open(ports_.ports(), testing::TestVault());
    ASSERT_OK(vault);
    vault_ = *std::move(vault);
    auto store = LedgerStore::Open(*vault_, options);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }
  // What another process would read, from the oldest on.
  Records All(LedgerStore::Found* found = nullptr) {
    LedgerPosition position;
    return From(&position, found);
  }
  Records From(LedgerPosition* position, LedgerStore::Found* found = nullptr) {
    Records records;
    const auto read = store_->Read(
        position, [&](std::string_view record) { records.push_back(std::string(record)); });
    EXPECT_OK(read);
    if (read.ok() && found != nullptr) *found = *read;
    return records;
  }
  const std::vector<SegmentFile>& segments() { return vault_->manifest().ledger; }
  std::string PathOf(const SegmentFile& segment) {
    return vault_->PathOf(Role::kLedger, segment.file);
  }
  std::string BytesOf(const SegmentFile& segment) { return ports_.files.files()[PathOf(segment)]; }
  void Replace(const std::string& path, const std::string& bytes) { ports_.files.Put(path, bytes); }
  // Appends until the open segment is full and another begun.
  void Fill() {
    if (segments().empty()) ASSERT_OK(store_->Append("first"));
    const std::uint64_t before = segments().back().file;
    for (int i = 0; segments().back().file == before; ++i) {
      ASSERT_OK(store_->Append(StrCat("fill ", i)));
    }
  }

  TestPorts ports_;
  std::unique_ptr<Vault> vault_;
  std::unique_ptr<LedgerStore> store_;
};

TEST(LedgerRecord, ComesBackFromItsBytesAndNoOthers) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{100}, kMaxLedgerRecordBytes}) {
    const std::string record(size, 'r');
    const std::string packed = PackLedgerRecord(record);
    EXPECT_EQ(packed.size(), PaddedSize(2 + size));
    ASSERT_OK_AND_ASSIGN(const std::string_view again, UnpackLedgerRecord(packed));
    EXPECT_EQ(again, record);
    EXPECT_FALSE(UnpackLedgerRecord(packed + '\0').ok());
    EXPECT_FALSE(UnpackLedgerRecord(packed.substr(0, packed.size() - 1)).ok());
  }
  std::string padded = PackLedgerRecord(std::string(98, 'r'));
  ASSERT_GT(padded.size(), 100u);
  padded.back() = 1;
  EXPECT_FALSE(UnpackLedgerRecord(padded).ok());
  EXPECT_FALSE(UnpackLedgerRecord("").ok());
  EXPECT_FALSE(UnpackLedgerRecord(PackLedgerRecord("")).ok());
  EXPECT_FALSE(
      UnpackLedgerRecord(PackLedgerRecord(std::string(kMaxLedgerRecordBytes + 1, 'r'))).ok());
}

TEST_F(LedgerStoreTest, AnEmptyOneHasNoRecords) {
  LedgerStore::Found found;
  EXPECT_THAT(All(&found), IsEmpty());
  EXPECT_EQ(found.damaged, 0u);
  ASSERT_OK_AND_ASSIGN(const LedgerStore::Totals totals, store_->Measure());
  EXPECT_EQ(totals.segments, 0u);
}

TEST_F(LedgerStoreTest, KeepsRecordsInTheirOrder) {
  for (const char* record : {"one", "two", "three"}) ASSERT_OK(store_->Append(record));
  EXPECT_THAT(All(), ElementsAre("one", "two", "three"));
  Reopen();
  EXPECT_THAT(All(), ElementsAre("one", "two", "three"));
  ASSERT_OK(store_->Append("four"));
  EXPECT_THAT(All(), ElementsAre("one", "two", "three", "four"));
  EXPECT_THAT(segments(), SizeIs(1));
  ASSERT_OK_AND_ASSIGN(const LedgerStore::Totals totals, store_->Measure());
  EXPECT_EQ(totals.segments, 1u);
  EXPECT_EQ(totals.bytes, BytesOf(segments()[0]).size());
}

TEST_F(LedgerStoreTest, RefusesRecordsOfNoSizeOrTooLarge) {
  EXPECT_EQ(store_->Append("").code(), StatusCode::kInvalidArgument);
  const Status large = store_->Append(std::string(kMaxLedgerRecordBytes + 1, 'x'));
  EXPECT_EQ(large.code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(large.message(), HasSubstr("4097 bytes, allowed 1 to 4096"));
  ASSERT_OK(store_->Append(std::string(kMaxLedgerRecordBytes, 'x')));
  EXPECT_THAT(All(), SizeIs(1));
}

TEST_F(LedgerStoreTest, LeavesNothingInPlain) {
  ASSERT_OK(store_->Append("keyboard was paused"));
  for (const auto& [path, bytes] : ports_.files.files()) {
    EXPECT_EQ(bytes.find("keyboard"), bytes.npos) << path;
  }
}

// An append leaves the manifest alone, and grows by one frame.
TEST_F(LedgerStoreTest, AnAppendTouchesOneFile) {
  ASSERT_OK(store_->Append("first"));
  const auto before = ports_.files.files();
  ASSERT_OK(store_->Append("second"));
  const auto after = ports_.files.files();
  for (const auto& [path, bytes] : after) {
    if (path == PathOf(segments()[0])) {
      EXPECT_EQ(bytes.size(),
                before.at(path).size() + FrameBytes(PackLedgerRecord("second").size()));
      EXPECT_TRUE(bytes.starts_with(before.at(path)));
    } else {
      EXPECT_EQ(bytes, before.at(path)) << path;
    }
  }
}

TEST_F(LedgerStoreTest, AFullSegmentIsFollowedByAnother) {
  Fill();
  ASSERT_OK(store_->Append("in the second"));
  Fill();
  EXPECT_THAT(segments(), SizeIs(3));
  EXPECT_TRUE(segments()[0].closed);
  EXPECT_EQ(segments()[0].records, kSegmentRecords);
  EXPECT_NE(segments()[0].slice, segments()[1].slice);
  EXPECT_THAT(All(), SizeIs(2 * kSegmentRecords + 1));
  ASSERT_OK_AND_ASSIGN(const auto damages, vault_->Verify());
  EXPECT_THAT(damages, IsEmpty());
}

// --- Several readers and writers ---

TEST_F(LedgerStoreTest, SeveralProcessesAppend) {
  auto other_vault = Vault::Open(ports_.ports(), testing::TestVault());
  ASSERT_OK(other_vault);
  auto other = LedgerStore::Open(**other_vault, {});
  ASSERT_OK(other);
  for (int i = 0; i < 4; ++i) {
    ASSERT_OK(store_->Append(StrCat("a", i)));
    ASSERT_OK((*other)->Append(StrCat("b", i)));
  }
  EXPECT_THAT(All(), ElementsAre("a0", "b0", "a1", "b1", "a2", "b2", "a3", "b3"));
  EXPECT_THAT(segments(), SizeIs(1));
}

TEST_F(LedgerStoreTest, ReadsOnFromAPosition) {
  LedgerPosition position;
  EXPECT_THAT(From(&position), IsEmpty());
  ASSERT_OK(store_->Append("one"));
  EXPECT_THAT(From(&position), ElementsAre("one"));
  EXPECT_THAT(From(&position), IsEmpty());
  ASSERT_OK(store_->Append("two"));
  Fill();
  LedgerStore::Found found;
  EXPECT_THAT(From(&position, &found), SizeIs(kSegmentRecords));
  EXPECT_FALSE(found.restarted);
  EXPECT_EQ(found.damaged, 0u);
  EXPECT_THAT(From(&position), IsEmpty());
}

TEST_F(LedgerStoreTest, BeginsAnewWhereItsPositionIsNoMore) {
  ASSERT_OK(store_->Append("old"));
  LedgerPosition position;
  EXPECT_THAT(From(&position), SizeIs(1));
  for (int i = 0; i < 3; ++i) {
    Fill();
    ports_.clock.unix_seconds += 401 * kDay;
  }
  LedgerStore::Found found;
  const Records records = From(&position, &found);
  EXPECT_TRUE(found.restarted);
  EXPECT_EQ(records, All());
}

// --- Age ---

TEST_F(LedgerStoreTest, DropsSegmentsWhoseNewestRecordIsOld) {
  Reopen({.keep_days = 30});
  Fill();  // Segment 0 is full, 1 begun on the same day.
  const std::string oldest = PathOf(segments()[0]);
  ports_.clock.unix_seconds += 20 * kDay;
  Fill();  // Segment 1 is full today: as new as that.
  EXPECT_THAT(segments(), SizeIs(3));
  ports_.clock.unix_seconds += 20 * kDay;
  Fill();
  ASSERT_THAT(segments(), SizeIs(3)) << "of segment 0 the newest record is 40 days old";
  EXPECT_FALSE(ports_.files.files().contains(oldest));
  EXPECT_THAT(vault_->manifest().slices, SizeIs(3));
}

// A clock that is wrong for a moment must not cost the whole ledger.
TEST_F(LedgerStoreTest, KeepsTheLastTwoSegmentsWhateverTheClockSays) {
  Fill();
  Fill();
  ports_.clock.unix_seconds += std::int64_t{100} * 365 * kDay;
  Fill();
  EXPECT_THAT(segments(), SizeIs(2));
}

TEST_F(LedgerStoreTest, RefusesToKeepNothing) {
  EXPECT_EQ(LedgerStore::Open(*vault_, {.keep_days = 0}).status().code(),
            StatusCode::kInvalidArgument);
}

// --- Keys and forgetting ---

TEST_F(LedgerStoreTest, SurvivesANewRootKeyAndForgetting) {
  ASSERT_OK(store_->Append("one"));
  ASSERT_OK(vault_->RotateKey());
  ASSERT_OK(store_->Append("two"));
  Reopen();
  EXPECT_THAT(All(), ElementsAre("one", "two"));
  ASSERT_OK(store_->Append("three"));
  EXPECT_THAT(All(), ElementsAre("one", "two", "three"));
  EXPECT_THAT(segments(), SizeIs(1));
}

// --- Damage ---

// Every bit of a closed segment that changes is noticed, and costs one record at most.
TEST_F(LedgerStoreTest, EveryFlippedByteOfAClosedSegmentIsCounted) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(store_->Append(StrCat("record ", i)));
  {
    // Closed in order, by whoever finds bytes that are no record.
    const std::string path = PathOf(segments()[0]);
    Replace(path, BytesOf(segments()[0]) + "torn");
    ASSERT_OK(store_->Append("next"));
  }
  ASSERT_THAT(segments(), SizeIs(2));
  ASSERT_TRUE(segments()[0].closed);
  const std::string path = PathOf(segments()[0]);
  const std::string good = BytesOf(segments()[0]);
  const std::uint64_t end = segments()[0].bytes;
  ASSERT_EQ(end, good.size() - 4);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    Replace(path, bad);
    LedgerStore::Found found;
    const Records records = All(&found);
    EXPECT_EQ(found.damaged > 0, at < end) << at;
    EXPECT_GE(records.size(), 3u) << at;
    EXPECT_EQ(records.back(), "next");
    ASSERT_OK_AND_ASSIGN(const auto damages, vault_->Verify());
    EXPECT_EQ(damages.size(), at < end ? 1u : 0u) << at;
    if (HasFailure()) return;
  }
}

TEST_F(LedgerStoreTest, EveryCutOfAClosedSegmentIsCounted) {
  for (int i = 0; i < 3; ++i) ASSERT_OK(store_->Append(StrCat("record ", i)));
  Replace(PathOf(segments()[0]), BytesOf(segments()[0]) + "torn");
  ASSERT_OK(store_->Append("next"));
  const std::string path = PathOf(segments()[0]);
  const std::string good = BytesOf(segments()[0]);
  const std::uint64_t end = segments()[0].bytes;
  for (std::size_t size = 0; size < good.size(); ++size) {
    Replace(path, good.substr(0, size));
    LedgerStore::Found found;
    const Records records = All(&found);
    EXPECT_EQ(found.damaged > 0, size < end) << size;
    EXPECT_GE(records.size() - 1 + found.damaged, 3u) << size;
    for (std::size_t i = 0; i + 1 < records.size(); ++i)
      EXPECT_EQ(records[i], StrCat("record ", i));
    if (HasFailure()) return;
  }
}

// Of the open segment: what is cut off is torn, and the next record goes elsewhere.
TEST_F(LedgerStoreTest, ATornTailIsLeftAndFollowedByAnotherSegment) {
  ASSERT_OK(store_->Append("one"));
  const std::size_t whole = BytesOf(segments()[0]).size();
  ASSERT_OK(store_->Append("two"));
  const std::string path = PathOf(segments()[0]);
  const std::string good = BytesOf(segments()[0]);
  LedgerStore::Found found;
  for (std::size_t size = whole + 1; size < good.size(); ++size) {
    Replace(path, good.substr(0, size));
    EXPECT_THAT(All(&found), ElementsAre("one")) << size;
    EXPECT_TRUE(found.torn) << size;
    EXPECT_EQ(found.damaged, 0u) << size;
  }
  Replace(path, good.substr(0, whole + 3));
  Reopen();
  ASSERT_OK(store_->Append("three"));
  EXPECT_THAT(segments(), SizeIs(2));
  EXPECT_EQ(BytesOf(segments()[0]), good.substr(0, whole + 3)) << "never cut off";
  EXPECT_EQ(segments()[0].bytes, whole);
  EXPECT_THAT(All(&found), ElementsAre("one", "three"));
  EXPECT_EQ(found.damaged, 0u);
  EXPECT_FALSE(found.torn);
}

TEST_F(LedgerStoreTest, AFileThatIsGoneIsCountedOnceAndGoesOn) {
  ASSERT_OK(store_->Append("one"));
  ASSERT_OK(ports_.files.Remove(PathOf(segments()[0])));
  LedgerPosition position;
  LedgerStore::Found found;
  EXPECT_THAT(From(&position, &found), IsEmpty());
  EXPECT_EQ(found.damaged, 1u);
  From(&position, &found);
  EXPECT_EQ(found.damaged, 0u) << "told before";
  ASSERT_OK_AND_ASSIGN(const auto damages, vault_->Verify());
  ASSERT_THAT(damages, SizeIs(1));
  EXPECT_EQ(damages[0].role, Role::kLedger);
  EXPECT_THAT(damages[0].status.message(), HasSubstr(".ledger: gone"));
  ASSERT_OK(store_->Append("two"));
  EXPECT_THAT(All(&found), ElementsAre("two"));
  EXPECT_EQ(found.damaged, 1u);
}

// A reader without the lock may see a record that its writer takes back.
TEST_F(LedgerStoreTest, ARecordThatWasTakenBackIsNotRead) {
  ASSERT_OK(store_->Append("one"));
  const std::uint64_t end = BytesOf(segments()[0]).size();
  ASSERT_OK(store_->Append("refused"));
  LedgerPosition position;
  EXPECT_THAT(From(&position), SizeIs(2));
  {
    auto transaction = vault_->Begin();
    ASSERT_OK(transaction);
    SegmentFile& segment = (*transaction)->manifest().ledger[0];
    segment.closed = true;
    segment.bytes = end;
    segment.records = 1;
    ASSERT_OK((*transaction)->Commit());
  }
  LedgerStore::Found found;
  EXPECT_THAT(From(&position, &found), ElementsAre("one"));
  EXPECT_TRUE(found.restarted);
  EXPECT_EQ(found.damaged, 0u);
}

}  // namespace
}  // namespace attune
