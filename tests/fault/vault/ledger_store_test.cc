// Whatever goes wrong while the ledger is written: what was acknowledged is there, in
// its order and without a gap, what was not is absent or whole, and the next start
// goes on.

#include "vault/ledger_store.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/faulty_key_store.h"
#include "support/status_matchers.h"
#include "support/temporary_directory.h"
#include "support/test_ports.h"

namespace attune {
namespace {

using testing::Fault;
using testing::FaultPlan;
using testing::FaultyFileSystem;
using testing::FaultyKeyStore;
using testing::FixedClock;
using testing::ForEveryFault;
using Records = std::vector<std::string>;

constexpr std::int64_t kDay = 24 * 60 * 60;

Crypto& SharedCrypto() {
  static const std::unique_ptr<OpensslCrypto> crypto = testing::MakeCrypto();
  return *crypto;
}

Records ReadAll(LedgerStore& store, LedgerStore::Found* found) {
  Records records;
  LedgerPosition position;
  const auto read = store.Read(
      &position, [&](std::string_view record) { records.push_back(std::string(record)); });
  EXPECT_OK(read);
  if (read.ok()) *found = *read;
  return records;
}

// A ledger on a disk that goes wrong as the plan says.
class FaultyLedger {
 public:
  explicit FaultyLedger(FaultPlan& plan) : files(plan), keys(plan, SharedCrypto()) { Open(); }

  void Open() {
    store.reset();
    vault.reset();
    const VaultPorts ports{
        .files = &files, .keys = &keys, .crypto = &SharedCrypto(), .clock = &clock};
    auto opened = Vault::Open(ports, testing::TestVault());
    ASSERT_OK(opened);
    vault = *std::move(opened);
    auto opened_store = LedgerStore::Open(*vault, {.keep_days = 30});
    ASSERT_OK(opened_store);
    store = *std::move(opened_store);
  }
  bool Append(const std::string& record) {
    const bool stored = store->Append(record).ok();
    if (stored) {
      acknowledged.push_back(record);
    } else {
      pending.insert(record);
    }
    return stored;
  }
  void MustAppend(const std::string& record) { ASSERT_TRUE(Append(record)); }
  std::string Large() {
    return StrCat(acknowledged.size(), ' ', std::string(kMaxLedgerRecordBytes - 10, '.'));
  }
  // With large records, until one of them has begun another segment.
  void Fill() {
    if (acknowledged.empty()) MustAppend(Large());
    const std::uint64_t open = vault->manifest().ledger.back().file;
    const std::size_t before = acknowledged.size();
    while (vault->manifest().ledger.back().file == open) MustAppend(Large());
    per_segment = acknowledged.size() - before;
  }

  // All that was acknowledged, in its order; besides it perhaps some of `pending`, each
  // once, and nothing damaged.
  void Check() {
    LedgerStore::Found found;
    const Records records = ReadAll(*store, &found);
    EXPECT_EQ(found.damaged, 0u);
    std::size_t next = 0;
    std::set<std::string> left = pending;
    for (const std::string& record : records) {
      if (next < acknowledged.size() && record == acknowledged[next]) {
        ++next;
      } else {
        EXPECT_EQ(left.erase(record), 1u) << "not expected here: " << record.substr(0, 20);
      }
    }
    EXPECT_EQ(next, acknowledged.size()) << "lost: " << acknowledged[next].substr(0, 20);
  }

  FaultyFileSystem files;
  FaultyKeyStore keys;
  FixedClock clock;
  std::unique_ptr<Vault> vault;
  std::unique_ptr<LedgerStore> store;
  Records acknowledged;
  std::set<std::string> pending;
  std::size_t per_segment = 0;  // Of large records.
};

// Appends twice while something goes wrong, then as another start of the program.
void AppendUnderFault(FaultPlan& plan, const std::function<void(FaultyLedger&)>& prepare) {
  FaultyLedger world(plan);
  prepare(world);
  if (::testing::Test::HasFatalFailure()) return;
  plan.Start();
  world.Append("during");
  world.Append("and again");
  if (!plan.crashed()) {
    plan.Stop();
    world.Check();  // The same process reads what it was promised.
    world.MustAppend("in the same process");
    world.Check();
  }
  world.store.reset();
  world.vault.reset();
  world.files.Restart();
  world.Open();
  if (::testing::Test::HasFatalFailure()) return;
  world.Check();
  world.MustAppend("afterwards");
  world.Check();
  const auto damages = world.vault->Verify();
  ASSERT_OK(damages);
  EXPECT_EQ(damages->size(), 0u);
}

TEST(LedgerFaults, AnAppendIsAbsentOrWhole) {
  ForEveryFault({}, [](FaultPlan& plan) {
    AppendUnderFault(plan, [](FaultyLedger& world) {
      world.MustAppend("first");
      world.MustAppend("second");
    });
  });
}

TEST(LedgerFaults, TheVeryFirstRecordIsAbsentOrWhole) {
  ForEveryFault({}, [](FaultPlan& plan) { AppendUnderFault(plan, [](FaultyLedger&) {}); });
}

TEST(LedgerFaults, AnAppendThatCannotReadIsAbsent) {
  ForEveryFault(
      {.faults = {Fault::kCrash, Fault::kKill, Fault::kIoError}, .seeds = 1, .count_reads = true},
      [](FaultPlan& plan) {
        AppendUnderFault(plan, [](FaultyLedger& world) {
          world.MustAppend("first");
          world.Open();
        });
      });
}

TEST(LedgerFaults, ATornTailIsLeftBehind) {
  ForEveryFault({}, [](FaultPlan& plan) {
    AppendUnderFault(plan, [](FaultyLedger& world) {
      world.MustAppend("first");
      const std::string path =
          world.vault->PathOf(Role::kLedger, world.vault->manifest().ledger[0].file);
      world.files.Put(path, world.files.files()[path] + "half a frame");
    });
  });
}

// Fills segments so that the next large record begins another, on another day each.
void FillTwoSegments(FaultyLedger& world) {
  world.Fill();
  world.clock.unix_seconds += 40 * kDay;
  world.Fill();
  world.clock.unix_seconds += 20 * kDay;
  for (std::size_t i = 1; i < world.per_segment; ++i) world.MustAppend(world.Large());
}

// And the oldest segment goes by age, whole or not at all.
TEST(LedgerFaults, TheFirstRecordOfANewSegmentIsAbsentOrWhole) {
  ForEveryFault({.seeds = 1}, [](FaultPlan& plan) {
    FaultyLedger world(plan);
    FillTwoSegments(world);
    ASSERT_FALSE(::testing::Test::HasFailure());
    const Records oldest(
        world.acknowledged.begin(),
        world.acknowledged.begin() + static_cast<std::ptrdiff_t>(world.per_segment));
    plan.Start();
    world.Append(world.Large());
    if (!plan.crashed()) plan.Stop();
    world.store.reset();
    world.vault.reset();
    world.files.Restart();
    world.Open();
    ASSERT_FALSE(::testing::Test::HasFatalFailure());
    LedgerStore::Found found;
    const Records records = ReadAll(*world.store, &found);
    if (records.empty() || records[0] != oldest[0]) {
      world.acknowledged.erase(
          world.acknowledged.begin(),
          world.acknowledged.begin() + static_cast<std::ptrdiff_t>(oldest.size()));
    }
    world.Check();
    world.MustAppend("afterwards");
    const auto damages = world.vault->Verify();
    ASSERT_OK(damages);
    EXPECT_EQ(damages->size(), 0u);
  });
}

// --- Real processes ---

class LedgerProcesses : public ::testing::Test {
 protected:
  Result<std::unique_ptr<Vault>> OpenVault() {
    return Vault::Open(
        {.files = &files_, .keys = &keys_, .crypto = &SharedCrypto(), .clock = &clock_},
        {.directory = directory_ / "v", .create = true, .lock_timeout_seconds = 60});
  }
  // In a child: appends "<name> <number>" from `first` on, and says each number once it
  // was acknowledged. The KeyStore is the parent's, copied by fork().
  [[noreturn]] void AppendForEver(int pipe, std::uint32_t first) {
    auto vault = OpenVault();
    if (!vault.ok()) _exit(2);
    auto store = LedgerStore::Open(**vault, {});
    if (!store.ok()) _exit(3);
    for (std::uint32_t i = first;; ++i) {
      // Long ones, so that segments are begun too.
      if (!(*store)->Append(StrCat(i, ' ', std::string(4000, 'x'))).ok()) _exit(4);
      if (write(pipe, &i, sizeof i) != sizeof i) _exit(5);
    }
  }

  PosixFileSystem files_;
  PosixClock clock_;
  testing::MemoryKeyStore keys_{SharedCrypto()};
  testing::TemporaryDirectory directory_;
};

TEST_F(LedgerProcesses, KilledAtRandomTheyLoseNothingAcknowledged) {
  constexpr int kKills = 20;
  constexpr std::uint64_t kSeed = 20261121;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Philox random(kSeed);
  ASSERT_OK(OpenVault());
  std::uint32_t next = 0;
  std::set<std::uint32_t> acknowledged;
  for (int round = 0; round < kKills; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      close(ends[0]);
      AppendForEver(ends[1], next);
    }
    close(ends[1]);
    // It runs when its first record is in; then for a moment more.
    std::uint32_t number = 0;
    ASSERT_EQ(read(ends[0], &number, sizeof number), static_cast<ssize_t>(sizeof number));
    acknowledged.insert(number);
    usleep(random.NextBelow(120'000));
    kill(child, SIGKILL);
    while (read(ends[0], &number, sizeof number) == static_cast<ssize_t>(sizeof number)) {
      acknowledged.insert(number);
    }
    close(ends[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
    next = *acknowledged.rbegin() + 2;  // Whatever was under way is another number.
  }
  ASSERT_OK_AND_ASSIGN(const auto vault, OpenVault());
  ASSERT_OK_AND_ASSIGN(const auto store, LedgerStore::Open(*vault, {}));
  LedgerStore::Found found;
  std::set<std::uint32_t> there;
  std::uint32_t last = 0;
  for (const std::string& record : ReadAll(*store, &found)) {
    const auto number = static_cast<std::uint32_t>(std::stoul(record));
    EXPECT_TRUE(there.empty() || number > last) << "out of order";
    last = number;
    there.insert(number);
  }
  EXPECT_EQ(found.damaged, 0u);
  for (const std::uint32_t number : acknowledged) EXPECT_TRUE(there.contains(number)) << number;
  EXPECT_LE(there.size(), acknowledged.size() + kKills);
  std::printf("%d kills, %zu acknowledged records, %zu there, %zu segments\n", kKills,
              acknowledged.size(), there.size(), vault->manifest().ledger.size());
  EXPECT_OK(store->Append("afterwards"));
  ASSERT_OK_AND_ASSIGN(const auto damages, vault->Verify());
  EXPECT_EQ(damages.size(), 0u);
}

TEST_F(LedgerProcesses, AppendAtTheSameTime) {
  ASSERT_OK(OpenVault());
  constexpr int kProcesses = 2, kRecords = 100;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto vault = OpenVault();
      if (!vault.ok()) _exit(1);
      auto store = LedgerStore::Open(**vault, {});
      for (int i = 0; i < kRecords; ++i) {
        if (!(*store)->Append(StrCat("process ", process, " record ", i)).ok()) _exit(2);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  ASSERT_OK_AND_ASSIGN(const auto vault, OpenVault());
  ASSERT_OK_AND_ASSIGN(const auto store, LedgerStore::Open(*vault, {}));
  LedgerStore::Found found;
  const Records records = ReadAll(*store, &found);
  EXPECT_EQ(records.size(), static_cast<std::size_t>(kProcesses * kRecords));
  EXPECT_EQ(std::set(records.begin(), records.end()).size(), records.size());
  EXPECT_EQ(found.damaged, 0u);
}

}  // namespace
}  // namespace attune
