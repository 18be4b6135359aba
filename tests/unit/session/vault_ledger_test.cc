#include "session/vault_ledger.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/status_matchers.h"
#include "support/test_ports.h"

namespace attune {
namespace {

using testing::TestPorts;

constexpr std::int64_t kDay = 24 * 60 * 60;

LedgerRecord RecordOf(std::int64_t number) {
  LedgerRecord record;
  record.when = 1767268800 + number;
  record.utc_offset_seconds = 3600;
  record.job = "keyboard";
  record.event = LedgerEvent::kPaused;
  record.reason = Reason::kUserActive;
  record.run = 7;
  record.step = number;
  record.used.cpu_seconds = 1.5;
  return record;
}

class VaultLedgerTest : public ::testing::Test {
 protected:
  // As another process would.
  std::unique_ptr<VaultLedger> Open(const LedgerStoreOptions& options = {}) {
    auto ledger = VaultLedger::Open(platform_, "v", /*create=*/true, options);
    EXPECT_OK(ledger);
    return ledger.ok() ? *std::move(ledger) : nullptr;
  }
  static std::vector<LedgerRecord> Read(VaultLedger& ledger) {
    auto records = ledger.Read();
    EXPECT_OK(records);
    return records.ok() ? *std::move(records) : std::vector<LedgerRecord>();
  }
  static std::vector<LedgerRecord> Records(std::int64_t count) {
    std::vector<LedgerRecord> records;
    for (std::int64_t i = 0; i < count; ++i) records.push_back(RecordOf(i));
    return records;
  }
  std::vector<std::string> LedgerFiles() {
    std::vector<std::string> paths;
    for (const auto& [path, bytes] : ports_.files.files()) {
      if (path.ends_with(".ledger")) paths.push_back(path);
    }
    return paths;
  }

  TestPorts ports_;
  Platform platform_{.files = &ports_.files,
                     .clock = &ports_.clock,
                     .crypto = ports_.crypto.get(),
                     .keys = &ports_.keys};
};

TEST_F(VaultLedgerTest, GivesBackWhatWasAppended) {
  const auto ledger = Open();
  EXPECT_TRUE(Read(*ledger).empty());
  for (std::int64_t i = 0; i < 3; ++i) ASSERT_OK(ledger->Append(RecordOf(i)));
  EXPECT_EQ(Read(*ledger), Records(3));
  EXPECT_EQ(Read(*ledger), Records(3)) << "and again";
  EXPECT_EQ(Read(*Open()), Records(3));
  EXPECT_EQ(ledger->damaged(), 0u);
}

TEST_F(VaultLedgerTest, SeesWhatAnotherProcessAppends) {
  const auto ledger = Open(), other = Open();
  for (std::int64_t i = 0; i < 6; ++i) {
    ASSERT_OK((i % 2 == 0 ? ledger : other)->Append(RecordOf(i)));
    EXPECT_EQ(Read(*ledger), Records(i + 1));
  }
  EXPECT_EQ(Read(*other), Records(6));
}

TEST_F(VaultLedgerTest, ReadsOnlyWhatIsNew) {
  const auto ledger = Open();
  for (std::int64_t i = 0; i < 3; ++i) ASSERT_OK(ledger->Append(RecordOf(i)));
  Read(*ledger);
  const std::string path = LedgerFiles().at(0);
  std::string bytes = ports_.files.files()[path];
  bytes[100] = static_cast<char>(bytes[100] ^ 1);  // Of the first record.
  ports_.files.Put(path, bytes);
  ASSERT_OK(Open()->Append(RecordOf(3)));
  EXPECT_EQ(Read(*ledger), Records(4)) << "what was read once is not read again";
  EXPECT_EQ(ledger->damaged(), 0u);
  const auto fresh = Open();
  EXPECT_EQ(Read(*fresh).size(), 3u);
  EXPECT_EQ(fresh->damaged(), 1u);
  Read(*fresh);
  EXPECT_EQ(fresh->damaged(), 1u) << "counted once";
}

TEST_F(VaultLedgerTest, ARecordThatNobodyUnderstandsIsCounted) {
  const auto ledger = Open();
  ASSERT_OK(ledger->Append(RecordOf(0)));
  {
    auto vault = Vault::Open(ports_.ports(), {.directory = "v"});
    ASSERT_OK(vault);
    ASSERT_OK_AND_ASSIGN(const auto store, LedgerStore::Open(**vault, {}));
    ASSERT_OK(store->Append("from a later version"));
  }
  ASSERT_OK(ledger->Append(RecordOf(1)));
  EXPECT_EQ(Read(*ledger), Records(2));
  EXPECT_EQ(ledger->damaged(), 1u);
}

TEST_F(VaultLedgerTest, FollowsTheStoreWhereItDropsWhatIsOld) {
  const auto ledger = Open({.keep_days = 10}), other = Open({.keep_days = 10});
  std::int64_t number = 0;
  while (LedgerFiles().size() < 3) ASSERT_OK(ledger->Append(RecordOf(number++)));
  EXPECT_EQ(Read(*ledger).size(), static_cast<std::size_t>(number));
  const std::vector<std::string> before = LedgerFiles();
  ports_.clock.unix_seconds += 20 * kDay;
  while (LedgerFiles() == before) ASSERT_OK(other->Append(RecordOf(number++)));
  const auto left = Read(*ledger);
  EXPECT_LT(left.size(), static_cast<std::size_t>(number));
  EXPECT_TRUE(left == Read(*Open())) << "what is gone there is gone here";
  EXPECT_EQ(left.back(), RecordOf(number - 1));
}

TEST_F(VaultLedgerTest, IsNotMadeWhereNoneIsWanted) {
  EXPECT_EQ(VaultLedger::Open(platform_, "v", /*create=*/false).status().code(),
            StatusCode::kNotFound);
  Platform keyless = platform_;
  keyless.keys = nullptr;
  EXPECT_EQ(VaultLedger::Open(keyless, "v", /*create=*/true).status().code(),
            StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune
