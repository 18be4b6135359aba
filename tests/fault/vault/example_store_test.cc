// Whatever goes wrong while examples are recorded, forgotten or dropped by age: what
// was acknowledged stays, what was not is absent or whole, what was forgotten never
// comes back, and the next start works.

#include "vault/example_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/strings.h"
#include "openssl/openssl_crypto.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "support/example_world.h"
#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/faulty_key_store.h"
#include "support/temporary_directory.h"
#include "vault/bytes.h"
#include "vault/key_item.h"
#include "vault/segment.h"

namespace attune {
namespace {

using testing::Fault;
using testing::FaultPlan;
using testing::FaultyFileSystem;
using testing::FaultyKeyStore;
using testing::FixedClock;
using testing::ForEveryFault;
using testing::kSecondsOfDay;
using testing::TextExample;
using testing::TextsOf;
using Texts = std::map<std::uint64_t, std::string>;

Crypto& SharedCrypto() {
  static const std::unique_ptr<OpensslCrypto> crypto = testing::MakeCrypto();
  return *crypto;
}

// A vault on a disk that goes wrong as the plan says.
class FaultyWorld {
 public:
  explicit FaultyWorld(FaultPlan& plan) : files(plan), keys(plan, SharedCrypto()) { Open(); }

  void Open(const ExamplePolicy& policy = {}) {
    Close();
    const VaultPorts ports{
        .files = &files, .keys = &keys, .crypto = &SharedCrypto(), .clock = &clock};
    auto opened = Vault::Open(ports, testing::TestVault());
    ASSERT_OK(opened);
    vault = *std::move(opened);
    auto opened_store = ExampleStore::Open(*vault, policy);
    ASSERT_OK(opened_store);
    store = *std::move(opened_store);
  }
  void Close() {
    store.reset();
    vault.reset();
  }
  // What `text` was stored as; 0 if it was not acknowledged.
  std::uint64_t Record(const std::string& text) {
    const auto recorded = store->Record(TextExample(text));
    return recorded.ok() ? recorded->id : 0;
  }
  void MustRecord(const std::string& text) {
    const std::uint64_t id = Record(text);
    ASSERT_NE(id, 0u);
    acknowledged[id] = text;
  }

  // Read in spite of any fault.
  KeyItem Item() {
    testing::MemoryKeyStore stored(SharedCrypto());
    const std::string name = KeyItemName(vault->id());
    EXPECT_OK(stored.Store(name, AsBytes(keys.items()[name])));
    auto item = LoadKeyItem(stored, SharedCrypto(), vault->id());
    EXPECT_OK(item);
    return item.ok() ? *std::move(item) : KeyItem();
  }

  FaultyFileSystem files;
  FaultyKeyStore keys;
  FixedClock clock;
  std::unique_ptr<Vault> vault;
  std::unique_ptr<ExampleStore> store;
  Texts acknowledged;
};

// After the machine came up again: `world.acknowledged` is there, and nothing else
// but, perhaps, some of `pending`. Returns how many of those are.
std::size_t CheckAfterRestart(FaultyWorld& world, const std::set<std::string>& pending) {
  world.Close();
  world.files.Restart();
  world.Open();
  if (::testing::Test::HasFatalFailure()) return 0;
  ExampleStore::Visited visited;
  Texts found = TextsOf(*world.store, &visited);
  EXPECT_EQ(visited.damaged, 0u);
  std::size_t whole = 0;
  for (const auto& [id, text] : found) {
    if (world.acknowledged.contains(id)) {
      EXPECT_EQ(text, world.acknowledged[id]);
    } else {
      EXPECT_TRUE(pending.contains(text)) << "id " << id;
      ++whole;
    }
  }
  for (const auto& [id, text] : world.acknowledged) {
    EXPECT_TRUE(found.contains(id)) << "acknowledged and lost: id " << id;
  }
  const std::uint64_t next = world.Record("recorded afterwards");
  EXPECT_NE(next, 0u);
  EXPECT_FALSE(found.contains(next)) << "an id was given out twice";
  for (const auto& [id, text] : found) EXPECT_LT(id, next);
  found[next] = "recorded afterwards";
  EXPECT_EQ(TextsOf(*world.store, &visited), found);
  EXPECT_EQ(visited.damaged, 0u);
  return whole;
}

// Records while one operation goes wrong, and again in the same process if that
// lives on.
void RecordUnderFault(FaultPlan& plan, const std::function<void(FaultyWorld&)>& prepare) {
  FaultyWorld world(plan);
  prepare(world);
  std::set<std::string> pending;
  plan.Start();
  for (const std::string text : {"during", "and again"}) {
    const std::uint64_t id = world.Record(text);
    if (id != 0) {
      EXPECT_FALSE(world.acknowledged.contains(id)) << "an id was given out twice";
      world.acknowledged[id] = text;
    } else {
      pending.insert(text);
    }
  }
  if (!plan.crashed()) {
    // The process lives on: it reads what it was promised.
    plan.Stop();
    const Texts found = TextsOf(*world.store);
    for (const auto& [id, text] : world.acknowledged) EXPECT_TRUE(found.contains(id)) << id;
  }
  CheckAfterRestart(world, pending);
}

TEST(ExampleFaults, AnAppendIsAbsentOrWhole) {
  ForEveryFault({}, [](FaultPlan& plan) {
    RecordUnderFault(plan, [](FaultyWorld& world) {
      world.MustRecord("first");
      world.MustRecord("second");
    });
  });
}

TEST(ExampleFaults, AnAppendThatCannotReadIsAbsent) {
  ForEveryFault(
      {.faults = {Fault::kCrash, Fault::kKill, Fault::kIoError}, .seeds = 1, .count_reads = true},
      [](FaultPlan& plan) {
        RecordUnderFault(plan, [](FaultyWorld& world) {
          world.MustRecord("first");
          world.clock.unix_seconds += kSecondsOfDay;
          world.MustRecord("second");
          world.Open();
        });
      });
}

TEST(ExampleFaults, ARefusedAppendStaysAbsentIfTheProcessLives) {
  for (const Fault fault :
       {Fault::kIoError, Fault::kNoSpace, Fault::kShortWrite, Fault::kFailedSync}) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      testing::ForEveryOperation({}, {.fault = fault, .seed = seed}, [](FaultPlan& plan) {
        FaultyWorld world(plan);
        world.MustRecord("first");
        plan.Start();
        const std::uint64_t id = world.Record("during");
        plan.Stop();
        Texts expected = {{1, "first"}};
        if (id != 0) expected[id] = "during";
        EXPECT_EQ(TextsOf(*world.store), expected);
        const std::uint64_t next = world.Record("after");
        EXPECT_GT(next, std::max<std::uint64_t>(id, 1));
        expected[next] = "after";
        EXPECT_EQ(TextsOf(*world.store), expected);
      });
    }
  }
}

TEST(ExampleFaults, TheVeryFirstRecordIsAbsentOrWhole) {
  ForEveryFault({}, [](FaultPlan& plan) { RecordUnderFault(plan, [](FaultyWorld&) {}); });
}

TEST(ExampleFaults, TheFirstRecordOfADayIsAbsentOrWhole) {
  ForEveryFault({}, [](FaultPlan& plan) {
    RecordUnderFault(plan, [](FaultyWorld& world) {
      world.MustRecord("first");
      world.MustRecord("second");
      world.clock.unix_seconds += kSecondsOfDay;
    });
  });
}

TEST(ExampleFaults, TheFirstRecordOfANewSegmentIsAbsentOrWhole) {
  ForEveryFault({.seeds = 1}, [](FaultPlan& plan) {
    RecordUnderFault(plan, [](FaultyWorld& world) {
      world.MustRecord("first");
      // The next record finds no room.
      Example large = TextExample("label");
      large.kind = ExampleKind::kLabelledBlob;
      std::uint32_t state = 7;
      for (std::uint64_t i = 0; i < kSegmentBytes - 500; ++i) {
        state = state * 1664525 + 1013904223;
        large.blob.push_back(static_cast<char>(state >> 24));
      }
      const auto recorded = world.store->Record(large);
      ASSERT_OK(recorded);
      world.acknowledged[recorded->id] = "label";
    });
  });
}

TEST(ExampleFaults, ATornTailIsLeftBehind) {
  ForEveryFault({}, [](FaultPlan& plan) {
    RecordUnderFault(plan, [&](FaultyWorld& world) {
      world.MustRecord("first");
      const std::string path =
          world.vault->PathOf(Role::kExamples, world.vault->manifest().segments[0].file);
      world.files.Put(path, world.files.files()[path] + "half a frame");
    });
  });
}

TEST(ExampleFaults, WhatWasForgottenNeverComesBack) {
  ForEveryFault({.seeds = 2}, [](FaultPlan& plan) {
    FaultyWorld world(plan);
    for (int day = 0; day < 2; ++day) {
      for (int i = 0; i < 2; ++i) world.MustRecord(StrCat("keep ", day, i));
      world.MustRecord(StrCat("forget ", day));
      if (day == 0) world.clock.unix_seconds += kSecondsOfDay;
    }
    const auto is_gone = [](const StoredExample& stored) {
      return stored.example.text.starts_with("forget");
    };
    std::set<std::string> old_files;
    for (const SegmentEntry& segment : world.vault->manifest().segments) {
      old_files.insert(world.vault->PathOf(Role::kExamples, segment.file));
    }
    const KeyItem before = world.Item();
    plan.Start();
    const bool forgotten = world.store->Forget(is_gone).ok();
    std::set<std::string> pending;
    for (auto entry = world.acknowledged.begin(); entry != world.acknowledged.end();) {
      if (!entry->second.starts_with("forget")) {
        ++entry;
        continue;
      }
      if (!forgotten) pending.insert(entry->second);
      entry = world.acknowledged.erase(entry);
    }
    const std::size_t remained = CheckAfterRestart(world, pending);
    EXPECT_TRUE(remained == 0 || remained == 2) << remained;
    // Gone, and so is the key that opens the manifests from before; or neither.
    const KeyItem after = world.Item();
    EXPECT_TRUE(after.previous.empty());
    EXPECT_TRUE(remained == 2 ||
                !EqualInConstantTime(after.current.bytes(), before.current.bytes()))
        << "forgotten, yet the old root key is there";
    if (!forgotten) {
      // Called again, it ends well.
      EXPECT_OK(world.store->Forget(is_gone));
    }
    const std::uint64_t keys = world.vault->key_generation();
    EXPECT_GE(keys, 2u) << "the root key was not changed";
    for (const auto& [id, text] : TextsOf(*world.store)) EXPECT_FALSE(text.starts_with("forget"));
    for (const std::string& path : old_files) EXPECT_FALSE(world.files.Exists(path));
  });
}

TEST(ExampleFaults, RetentionDropsAllOfItsDayOrNothing) {
  ExamplePolicy policy;
  policy.keep_days = 1;
  policy.keep_examples = 3;
  ForEveryFault({.seeds = 2}, [&](FaultPlan& plan) {
    FaultyWorld world(plan);
    for (int day = 0; day < 3; ++day) {
      for (int i = 0; i < 2; ++i) world.MustRecord(StrCat("day ", day, " line ", i));
      if (day < 2) world.clock.unix_seconds += kSecondsOfDay;
    }
    world.Open(policy);
    const Texts before = world.acknowledged;
    const KeyItem keys_before = world.Item();
    plan.Start();
    const bool applied = world.store->ApplyRetention().ok();
    std::set<std::string> pending;
    for (const auto& [id, text] : before) {
      if (id > 3) continue;
      if (!applied) pending.insert(text);
      world.acknowledged.erase(id);
    }
    const std::size_t remained = CheckAfterRestart(world, pending);
    EXPECT_TRUE(remained == 0 || remained == 3) << remained;
    const KeyItem keys = world.Item();
    EXPECT_TRUE(keys.previous.empty());
    EXPECT_TRUE(remained == 3 ||
                !EqualInConstantTime(keys.current.bytes(), keys_before.current.bytes()));
  });
}

// --- Real processes ---

TEST(ExampleProcesses, RecordAtTheSameTime) {
  testing::TemporaryDirectory directory;
  PosixFileSystem files;
  PosixClock clock;
  testing::MemoryKeyStore keys(SharedCrypto());
  const VaultPorts ports{
      .files = &files, .keys = &keys, .crypto = &SharedCrypto(), .clock = &clock};
  const VaultOptions options{
      .directory = directory / "vault", .create = true, .lock_timeout_seconds = 60};
  ASSERT_OK(Vault::Open(ports, options));
  constexpr int kProcesses = 2, kLines = 200;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      // Keys are those of the parent, copied by fork(); nobody rotates them here.
      auto vault = Vault::Open(ports, options);
      if (!vault.ok()) _exit(1);
      auto store = ExampleStore::Open(**vault, {});
      if (!store.ok()) _exit(2);
      for (int i = 0; i < kLines; ++i) {
        const auto recorded =
            (*store)->Record(TextExample(StrCat("process ", process, " line ", i)));
        if (!recorded.ok() || recorded->id == 0) _exit(3);
      }
      _exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  auto vault = Vault::Open(ports, options);
  ASSERT_OK(vault);
  auto store = ExampleStore::Open(**vault, {});
  ASSERT_OK(store);
  ExampleStore::Visited visited;
  const Texts texts = TextsOf(**store, &visited);
  EXPECT_EQ(texts.size(), static_cast<std::size_t>(kProcesses * kLines));
  EXPECT_EQ(visited.damaged, 0u);
  std::set<std::string> distinct;
  for (const auto& [id, text] : texts) distinct.insert(text);
  EXPECT_EQ(distinct.size(), texts.size());
}

}  // namespace
}  // namespace attune
