#include "vault/adapter_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "support/forwarding_file_system.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/bytes.h"
#include "vault/checkpoint_store.h"
#include "vault/stored_file.h"

namespace attune {
namespace {

using ::testing::ElementsAre;
using testing::TestPorts;
using testing::TestVault;

class AdapterStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { vault_ = OpenVault(); }

  std::unique_ptr<Vault> OpenVault() {
    auto vault = Vault::Open(world_.ports(), TestVault());
    EXPECT_OK(vault);
    return vault.ok() ? *std::move(vault) : nullptr;
  }
  static AdapterStoreOptions Options(std::string adapter = "default", std::byte base = {}) {
    return {.adapter = std::move(adapter), .base = {base}, .keep = 3};
  }
  static AdapterFiles FilesOf(std::uint64_t generation) {
    return {.config = R"({"r": 8})",
            .weights = std::string(300, static_cast<char>('a' + generation))};
  }
  // Adds the next generation; it serves if `promote`.
  static std::uint64_t Add(AdapterStore& store, bool promote) {
    const std::uint64_t next = store.List().empty() ? 1 : store.List().back().generation + 1;
    const auto added = store.Add(FilesOf(next), {{"steps", "50"}}, {{next, next}});
    EXPECT_OK(added);
    EXPECT_EQ(added.ok() ? *added : 0, next);
    if (promote) EXPECT_OK(store.Promote(next));
    return next;
  }
  static std::vector<std::uint64_t> Numbers(const AdapterStore& store) {
    std::vector<std::uint64_t> numbers;
    for (const AdapterEntry& entry : store.List()) numbers.push_back(entry.generation);
    return numbers;
  }
  // The generation that is loaded to serve, its content checked.
  static std::uint64_t Served(AdapterStore& store) {
    const auto generation = store.LoadServing();
    EXPECT_OK(generation);
    if (!generation.ok()) return ~std::uint64_t{0};
    const std::uint64_t number = generation->entry.generation;
    EXPECT_EQ(generation->files, number == 0 ? AdapterFiles() : FilesOf(number));
    EXPECT_EQ(number, store.serving());
    return number;
  }
  std::string PathOf(std::uint64_t generation) {
    const AdapterEntry* entry = vault_->manifest().FindAdapter("default", generation);
    return entry == nullptr ? "" : vault_->PathOf(Role::kAdapter, entry->file);
  }
  void Taint(std::uint64_t generation) {
    auto transaction = vault_->Begin();
    ASSERT_OK(transaction);
    for (AdapterEntry& entry : (*transaction)->manifest().adapters) {
      if (entry.generation == generation) entry.tainted = true;
    }
    ASSERT_OK((*transaction)->Commit());
  }

  TestPorts world_;
  std::unique_ptr<Vault> vault_;
};

TEST_F(AdapterStoreTest, BeginsWithTheBareBase) {
  AdapterStore store(*vault_, Options());
  EXPECT_EQ(Served(store), 0u);
  EXPECT_TRUE(store.List().empty());
  EXPECT_EQ(store.Promote(1).code(), StatusCode::kNotFound);
  EXPECT_EQ(store.Load(1).status().code(), StatusCode::kNotFound);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t before, store.Rollback());
  EXPECT_EQ(before, 0u);
}

TEST_F(AdapterStoreTest, ServesWhatWasPromotedLast) {
  AdapterStore store(*vault_, Options());
  Add(store, false);
  EXPECT_EQ(Served(store), 0u);
  Add(store, true);
  Add(store, false);
  EXPECT_EQ(Served(store), 2u);
  ASSERT_OK(store.Promote(1));
  EXPECT_EQ(Served(store), 1u);
  ASSERT_OK(store.Promote(0));
  EXPECT_EQ(Served(store), 0u);
  const auto reopened = OpenVault();
  AdapterStore again(*reopened, Options());
  ASSERT_OK(again.Promote(3));
  EXPECT_EQ(Served(store), 3u);  // Another process's promotion is seen.
}

TEST_F(AdapterStoreTest, GivesBackWhatWasAdded) {
  AdapterStore store(*vault_, Options());
  Add(store, false);
  ASSERT_OK_AND_ASSIGN(const AdapterGeneration loaded, store.Load(1));
  EXPECT_EQ(loaded.files, FilesOf(1));
  EXPECT_EQ(loaded.provenance, (Provenance{{"steps", "50"}}));
  EXPECT_EQ(loaded.entry.seen, (std::vector<IdRange>{{1, 1}}));
  EXPECT_EQ(loaded.entry.created, world_.clock.unix_seconds);
}

TEST_F(AdapterStoreTest, KeepsTheOneThatServesAndTheNewest) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  for (int i = 0; i < 6; ++i) Add(store, false);
  EXPECT_THAT(Numbers(store), ElementsAre(1, 5, 6, 7));
  EXPECT_EQ(Served(store), 1u);
  EXPECT_EQ(vault_->manifest().slices.size(), 4u);
}

TEST_F(AdapterStoreTest, DropsTaintedOnesFirst) {
  AdapterStore store(*vault_, Options());
  for (int i = 0; i < 3; ++i) Add(store, true);
  Taint(2);
  Add(store, false);
  EXPECT_THAT(Numbers(store), ElementsAre(1, 3, 4));
}

TEST_F(AdapterStoreTest, RollsBackOnlyToWhatOnceServed) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  Add(store, false);  // Not found good.
  Add(store, true);
  ASSERT_OK_AND_ASSIGN(std::uint64_t before, store.Rollback());
  EXPECT_EQ(before, 1u);
  EXPECT_EQ(Served(store), 1u);
  ASSERT_OK_AND_ASSIGN(before, store.Rollback());
  EXPECT_EQ(before, 0u);
  EXPECT_EQ(Served(store), 0u);
  ASSERT_OK_AND_ASSIGN(before, store.Rollback());
  EXPECT_EQ(before, 0u);
}

TEST_F(AdapterStoreTest, StopsServingWhatIsTainted) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  Add(store, false);
  Add(store, true);
  Taint(3);
  EXPECT_EQ(store.serving(), 1u);
  EXPECT_EQ(Served(store), 1u);
  EXPECT_EQ(store.Promote(3).code(), StatusCode::kFailedPrecondition);
  EXPECT_OK(store.Load(3));  // To be looked at.
  Taint(1);
  EXPECT_EQ(Served(store), 0u);
}

TEST_F(AdapterStoreTest, FallsBackFromADamagedFile) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  Add(store, false);
  Add(store, true);
  world_.files.Put(PathOf(3), "not an adapter");
  EXPECT_EQ(Served(store), 1u);
  EXPECT_THAT(Numbers(store), ElementsAre(1, 2));
  EXPECT_EQ(vault_->manifest().quarantine.size(), 1u);
  // Its number is not given out again.
  ASSERT_OK_AND_ASSIGN(const std::uint64_t next, store.Add(FilesOf(4), {}, {}));
  EXPECT_EQ(next, 4u);
  ASSERT_OK(world_.files.Remove(PathOf(1)));
  EXPECT_EQ(Served(store), 0u);
}

TEST_F(AdapterStoreTest, LoadReportsADamagedFileAndAnotherServes) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  Add(store, true);
  std::string bytes = world_.files.files()[PathOf(2)];
  bytes[bytes.size() / 2] ^= 1;
  world_.files.Put(PathOf(2), bytes);
  EXPECT_EQ(store.Load(2).status().code(), StatusCode::kDataLoss);
  EXPECT_EQ(store.serving(), 1u);
  EXPECT_EQ(store.Load(2).status().code(), StatusCode::kNotFound);
}

// As on a disk that is full: nothing can be moved or noted, yet the base serves.
TEST_F(AdapterStoreTest, FallsBackWhereNothingCanBeWritten) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  Add(store, true);
  world_.files.Put(PathOf(1), "x");
  world_.files.Put(PathOf(2), "x");
  const auto other = OpenVault();
  const auto turn = other->Begin();  // Holds the writers' lock.
  ASSERT_OK(turn);
  ASSERT_OK_AND_ASSIGN(const AdapterGeneration served, store.LoadServing());
  EXPECT_EQ(served.entry.generation, 0u);
  EXPECT_EQ(store.List().size(), 2u);
}

// Lets another process do something just before an adapter is read.
class InterruptedFileSystem final : public testing::ForwardingFileSystem {
 public:
  explicit InterruptedFileSystem(FileSystem& to) : ForwardingFileSystem(to) {}
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    if (interrupt != nullptr && path.ends_with(".adapter")) std::exchange(interrupt, nullptr)();
    return ForwardingFileSystem::Read(path, limit);
  }
  std::function<void()> interrupt;
};

TEST_F(AdapterStoreTest, ServesWhatAnotherProcessPutsInPlaceOfWhatItDrops) {
  AdapterStoreOptions options = Options();
  options.keep = 1;
  AdapterStore store(*vault_, options);
  Add(store, true);
  InterruptedFileSystem files(world_.files);
  VaultPorts ports = world_.ports();
  ports.files = &files;
  auto vault = Vault::Open(ports, TestVault());
  ASSERT_OK(vault);
  AdapterStore reader(**vault, options);
  files.interrupt = [&] {
    Add(store, true);
    Add(store, true);
  };
  EXPECT_EQ(Served(reader), 3u);
  EXPECT_TRUE((*vault)->manifest().quarantine.empty());
}

TEST_F(AdapterStoreTest, ServesNothingOfAnotherBase) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  AdapterStore other(*vault_, Options("default", std::byte{9}));
  EXPECT_EQ(Served(other), 0u);
  EXPECT_EQ(other.Promote(1).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(other.Load(1).status().code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Served(store), 1u);
}

TEST_F(AdapterStoreTest, KeepsAdaptersApart) {
  AdapterStore words(*vault_, Options("words")), voice(*vault_, Options("voice"));
  Add(words, true);
  EXPECT_EQ(Served(voice), 0u);
  for (int i = 0; i < 5; ++i) Add(voice, true);
  EXPECT_THAT(Numbers(voice), ElementsAre(2, 3, 4, 5));
  EXPECT_THAT(Numbers(words), ElementsAre(1));
  EXPECT_EQ(Served(words), 1u);
}

// A run that another one, or forgetting, has overtaken must not leave an adapter.
TEST_F(AdapterStoreTest, RefusesTheGenerationOfARunThatIsOver) {
  AdapterStore store(*vault_, Options());
  auto transaction = vault_->Begin();
  ASSERT_OK(transaction);
  LineOf("default", &(*transaction)->manifest()).run = 5;
  ASSERT_OK((*transaction)->Commit());
  transaction = Unavailable("over");
  EXPECT_EQ(store.Add(FilesOf(1), {}, {}, {.run = 4}).status().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store.List().empty());
  EXPECT_OK(store.Add(FilesOf(1), {}, {}, {.run = 5}));
}

// One commit: killed at any time, there is no run left to judge against its own
// generation.
TEST_F(AdapterStoreTest, AGenerationEndsItsRun) {
  AdapterStore store(*vault_, Options());
  CheckpointStore checkpoints(*vault_, {.adapter = "default"});
  ASSERT_OK(checkpoints.BeginRun(/*resume=*/true));
  ASSERT_OK(checkpoints.Commit({.step = 7, .fields = {}, .sections = {}, .seen = {}}));
  const std::uint64_t before = vault_->manifest().generation;
  ASSERT_OK_AND_ASSIGN(const std::uint64_t generation,
                       store.Add(FilesOf(1), {}, {}, {.run = checkpoints.run(), .promote = true}));
  EXPECT_EQ(vault_->manifest().generation, before + 1);
  EXPECT_EQ(store.serving(), generation);
  EXPECT_TRUE(vault_->manifest().checkpoints.empty());
  // One that is not promoted does not serve.
  ASSERT_OK(checkpoints.BeginRun(/*resume=*/true));
  ASSERT_OK(store.Add(FilesOf(2), {}, {}, {.run = checkpoints.run()}).status());
  EXPECT_EQ(store.serving(), generation);
}

TEST_F(AdapterStoreTest, RefusesANameThatIsNone) {
  AdapterStore store(*vault_, Options("../up"));
  EXPECT_EQ(store.Add(FilesOf(1), {}, {}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Promote(0).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(store.Rollback().status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AdapterStoreTest, PutsAnAuthenticFileThatIsNoAdapterIntoQuarantine) {
  AdapterStore store(*vault_, Options());
  for (const std::string& content : {std::string("ATTC?"), EncodeContainer({}, {})}) {
    auto transaction = vault_->Begin();
    ASSERT_OK(transaction);
    const FileOwner owner = {Role::kAdapter, "default", Options().base};
    const auto stored = StoreContainer(*vault_, transaction->get(), owner, content, {});
    ASSERT_OK(stored);
    AdapterEntry entry{*stored};
    entry.generation = 1;
    (*transaction)->manifest().adapters.push_back(entry);
    ASSERT_OK((*transaction)->Commit());
    transaction = Unavailable("over");
    EXPECT_EQ(store.Load(1).status().code(), StatusCode::kDataLoss);
    EXPECT_TRUE(store.List().empty());
  }
}

// --- What users make of them ---

constexpr auto kNever = [](const AdapterStore::Outcomes&) { return false; };
constexpr auto kAlways = [](const AdapterStore::Outcomes&) { return true; };

TEST_F(AdapterStoreTest, CountsWhatWasShownAndTaken) {
  AdapterStore store(*vault_, Options());
  ASSERT_OK(store.AddOutcome(0, 100, 30, kAlways).status());
  Add(store, true);
  ASSERT_OK_AND_ASSIGN(AdapterStore::Outcomes outcomes, store.AddOutcome(1, 50, 20, kNever));
  EXPECT_EQ(outcomes.now.shown, 50u);
  EXPECT_EQ(outcomes.before_generation, 0u);
  EXPECT_EQ(outcomes.before.shown, 100u);
  EXPECT_EQ(outcomes.before.accepted, 30u);
  const auto reopened = OpenVault();
  AdapterStore again(*reopened, Options());
  ASSERT_OK_AND_ASSIGN(outcomes, again.AddOutcome(1, 5, 1, kNever));
  EXPECT_EQ(outcomes.earlier.shown, 50u);
  EXPECT_EQ(outcomes.now.shown, 55u);
  EXPECT_EQ(outcomes.now.accepted, 21u);
  EXPECT_EQ(outcomes.serving, 1u);
  EXPECT_FALSE(outcomes.rolled_back);
  EXPECT_EQ(Served(again), 1u);
}

TEST_F(AdapterStoreTest, WhatIsFoundWorseMakesWayUntilItIsPromotedAgain) {
  AdapterStore store(*vault_, Options());
  for (int i = 0; i < 3; ++i) Add(store, true);
  ASSERT_OK_AND_ASSIGN(AdapterStore::Outcomes outcomes, store.AddOutcome(3, 100, 1, kAlways));
  EXPECT_TRUE(outcomes.rolled_back);
  EXPECT_EQ(outcomes.serving, 2u);
  EXPECT_EQ(Served(store), 2u);
  Add(store, true);
  EXPECT_EQ(Served(store), 4u);
  ASSERT_OK_AND_ASSIGN(const std::uint64_t before, store.Rollback());
  EXPECT_EQ(before, 2u) << "3 was found worse: not what to fall back to";
  ASSERT_OK(store.Promote(3));
  EXPECT_EQ(Served(store), 3u);
}

TEST_F(AdapterStoreTest, OnlyWhatServesIsRolledBack) {
  AdapterStore store(*vault_, Options());
  for (int i = 0; i < 2; ++i) Add(store, true);
  // Suggested before another process promoted the second.
  ASSERT_OK_AND_ASSIGN(AdapterStore::Outcomes outcomes, store.AddOutcome(1, 100, 1, kAlways));
  EXPECT_FALSE(outcomes.rolled_back);
  EXPECT_EQ(outcomes.serving, 2u);
  EXPECT_EQ(Served(store), 2u);
  ASSERT_OK(store.Promote(0));
  ASSERT_OK_AND_ASSIGN(outcomes, store.AddOutcome(0, 100, 1, kAlways));
  EXPECT_FALSE(outcomes.rolled_back) << "nothing lies below the bare base";
}

TEST_F(AdapterStoreTest, OutcomesGoWithTheirGenerationAndStopAtABound) {
  AdapterStore store(*vault_, Options());
  Add(store, true);
  ASSERT_OK(store.AddOutcome(1, 10, 5, kNever).status());
  ASSERT_OK(store.AddOutcome(77, 10, 5, kNever).status());
  EXPECT_EQ(vault_->manifest().outcomes.size(), 1u) << "there is no generation 77";
  ASSERT_OK_AND_ASSIGN(const AdapterStore::Outcomes most,
                       store.AddOutcome(1, kMaxOutcomes - 9, 0, kNever));
  EXPECT_EQ(most.now.shown, 10u);
  for (int i = 0; i < 5; ++i) Add(store, true);
  EXPECT_TRUE(vault_->manifest().outcomes.empty()) << "generation 1 was dropped";
  EXPECT_EQ(store.AddOutcome(0, 1, 2, kNever).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(AdapterStoreTest, AnotherBaseHasOutcomesOfItsOwn) {
  AdapterStore store(*vault_, Options());
  AdapterStore other(*vault_, Options("default", std::byte{1}));
  ASSERT_OK(store.AddOutcome(0, 100, 50, kNever).status());
  ASSERT_OK_AND_ASSIGN(const AdapterStore::Outcomes outcomes, other.AddOutcome(0, 7, 3, kNever));
  EXPECT_EQ(outcomes.now.shown, 7u);
  EXPECT_EQ(vault_->manifest().outcomes.size(), 2u);
}

TEST_F(AdapterStoreTest, KnowsTheLastExampleThatWasLearned) {
  AdapterStore store(*vault_, Options());
  EXPECT_EQ(store.LastSeen(), 0u);
  ASSERT_OK(store.Add(FilesOf(1), {}, {{1, 7}, {9, 20}}).status());
  ASSERT_OK(store.Add(FilesOf(2), {}, {{1, 30}}).status());
  EXPECT_EQ(store.LastSeen(), 30u);
  Taint(2);
  EXPECT_EQ(store.LastSeen(), 20u) << "what it learned from has to be learned again";
  AdapterStore other(*vault_, Options("other"));
  EXPECT_EQ(other.LastSeen(), 0u);
}

}  // namespace
}  // namespace attune
