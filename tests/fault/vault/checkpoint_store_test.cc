// Crashes, kills and failing calls at every operation of a checkpoint store.

#include "vault/checkpoint_store.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "base/strings.h"
#include "support/fault_loop.h"
#include "support/faulty_vault.h"
#include "support/status_matchers.h"
#include "vault/bytes.h"

namespace attune {
namespace {

using testing::AtomicChange;
using testing::ExpectAtomic;
using testing::Fault;
using testing::FaultPlan;
using testing::FaultyVault;
using testing::ForEveryFault;

constexpr const char* kAdapter = "default";

CheckpointStore StoreOf(Vault& vault) {
  return CheckpointStore(vault, {.adapter = kAdapter, .base = {}, .keep = 2});
}

// More than a chunk, and not the same for two steps.
std::string WeightsAt(std::uint64_t step) {
  std::string weights;
  while (weights.size() < 20000) weights += StrCat(step * 7919 + weights.size(), " ");
  return weights;
}

Status CommitStep(CheckpointStore& store, std::uint64_t step) {
  const std::string weights = WeightsAt(step);
  const ContainerSection sections[] = {{"weights", 1, AsBytes(weights)}};
  return store.Commit({.step = step, .fields = {}, .sections = sections, .seen = {{1, step}}});
}

// "1 2": the steps there are, the newest one read.
std::string Steps(Vault& vault) {
  CheckpointStore store = StoreOf(vault);
  CheckpointNews news;
  const auto latest = store.Latest(&news);
  std::string steps;
  for (const CheckpointEntry& entry : vault.manifest().checkpoints) {
    steps += StrCat(entry.step, " ");
  }
  if (news.quarantined != 0) return steps + "and damaged ones";
  if (!latest.ok()) return steps + std::string(StatusCodeName(latest.status().code()));
  const bool whole = latest->content.Find("weights")->bytes == WeightsAt(latest->entry.step);
  return StrCat(steps, whole ? "latest " : "garbled ", latest->entry.step);
}

// A run with two checkpoints, which goes on in `*store`.
void BeginWithTwo(FaultyVault& world, std::unique_ptr<CheckpointStore>* store) {
  *store = std::make_unique<CheckpointStore>(StoreOf(world.vault()));
  ASSERT_OK((*store)->BeginRun(true));
  ASSERT_OK(CommitStep(**store, 1));
  ASSERT_OK(CommitStep(**store, 2));
}

TEST(CheckpointStoreFaults, ACommitIsThereOnceAcknowledged) {
  std::unique_ptr<CheckpointStore> store;
  const std::uint64_t runs =
      ExpectAtomic({.prepare = [&](FaultyVault& world) { BeginWithTwo(world, &store); },
                    .change = [&](FaultyVault&) { return CommitStep(*store, 3); },
                    .describe = Steps});
  EXPECT_GT(runs, 100u);
}

TEST(CheckpointStoreFaults, ACommitNeedsNoKeysButToBeAnchored) {
  std::unique_ptr<CheckpointStore> store;
  ExpectAtomic({.prepare = [&](FaultyVault& world) { BeginWithTwo(world, &store); },
                .change = [&](FaultyVault&) { return CommitStep(*store, 3); },
                .describe = Steps},
               {.faults = {Fault::kKeysLocked}});
}

TEST(CheckpointStoreFaults, ARunThatStartsAnewDropsAllOrNone) {
  const std::uint64_t runs = ExpectAtomic({.prepare =
                                               [](FaultyVault& world) {
                                                 std::unique_ptr<CheckpointStore> store;
                                                 BeginWithTwo(world, &store);
                                               },
                                           .change =
                                               [](FaultyVault& world) {
                                                 CheckpointStore store = StoreOf(world.vault());
                                                 return store.BeginRun(false);
                                               },
                                           .describe = Steps});
  EXPECT_GT(runs, 50u);
}

TEST(CheckpointStoreFaults, ClearDropsAllOrNone) {
  const std::uint64_t runs =
      ExpectAtomic({.prepare =
                        [](FaultyVault& world) {
                          std::unique_ptr<CheckpointStore> store;
                          BeginWithTwo(world, &store);
                        },
                    .change = [](FaultyVault& world) { return StoreOf(world.vault()).Clear(); },
                    .describe = Steps});
  EXPECT_GT(runs, 50u);
}

// The newest is damaged, and the move to quarantine fails: whatever happens, the
// one before is used and nothing else, then and later.
TEST(CheckpointStoreFaults, LatestFallsBackHoweverItsQuarantineFails) {
  for (const bool count_reads : {false, true}) {
    ForEveryFault({.count_reads = count_reads}, [](FaultPlan& plan) {
      FaultyVault world(plan);
      std::unique_ptr<CheckpointStore> store;
      ASSERT_NO_FATAL_FAILURE(BeginWithTwo(world, &store));
      const std::uint64_t newest = world.vault().manifest().checkpoints.back().file;
      world.files.Put(world.PathOf(Role::kCheckpoint, newest), "damaged");
      plan.Start();
      const auto latest = store->Latest();
      ASSERT_TRUE(!latest.ok() || latest->entry.step == 1);
      ASSERT_NE(latest.status().code(), StatusCode::kNotFound);
      if (world.Recover()) world.Reopen();
      CheckpointStore again = StoreOf(world.vault());
      ASSERT_OK_AND_ASSIGN(const Checkpoint found, again.Latest());
      ASSERT_EQ(found.entry.step, 1u);
      ASSERT_EQ(world.vault().manifest().checkpoints.size(), 1u);
      ASSERT_EQ(world.vault().manifest().quarantine.size(), 1u);
      ASSERT_OK(again.BeginRun(true));
      ASSERT_OK(CommitStep(again, 3));
      ASSERT_EQ(Steps(world.vault()), "1 3 latest 3");
      ASSERT_EQ(world.Litter(), "");
    });
  }
}

// A read that fails is no damage: nothing is moved, and it works the next time.
TEST(CheckpointStoreFaults, AFailingReadLosesNothing) {
  ForEveryFault({.faults = {Fault::kIoError}, .count_reads = true}, [](FaultPlan& plan) {
    FaultyVault world(plan);
    std::unique_ptr<CheckpointStore> store;
    ASSERT_NO_FATAL_FAILURE(BeginWithTwo(world, &store));
    plan.Start();
    const auto latest = store->Latest();
    ASSERT_TRUE(!latest.ok() || latest->entry.step == 2);
    plan.Stop();
    ASSERT_EQ(Steps(world.vault()), "1 2 latest 2");
  });
}

// As a night on a bad disk: every commit is tried, some fail, the acknowledged
// ones count.
TEST(CheckpointStoreFaults, ARunGoesOnAfterACommitThatFailed) {
  ForEveryFault({}, [](FaultPlan& plan) {
    FaultyVault world(plan);
    std::unique_ptr<CheckpointStore> store;
    ASSERT_NO_FATAL_FAILURE(BeginWithTwo(world, &store));
    plan.Start();
    std::uint64_t acknowledged = 2;
    if (CommitStep(*store, 3).ok()) acknowledged = 3;
    if (!plan.crashed()) {
      plan.Stop();
      ASSERT_OK(CommitStep(*store, 4));
      acknowledged = 4;
    }
    world.PowerFailure();
    CheckpointStore again = StoreOf(world.vault());
    ASSERT_OK_AND_ASSIGN(const Checkpoint latest, again.Latest());
    ASSERT_GE(latest.entry.step, acknowledged);
    ASSERT_EQ(latest.content.Find("weights")->bytes, WeightsAt(latest.entry.step));
  });
}

}  // namespace
}  // namespace attune
