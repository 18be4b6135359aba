// Crashes, kills and failing calls at every operation of an adapter store.

#include "vault/adapter_store.h"

#include <gtest/gtest.h>

#include <string>

#include "base/strings.h"
#include "support/fault_loop.h"
#include "support/faulty_vault.h"
#include "support/status_matchers.h"

namespace attune {
namespace {

using testing::ExpectAtomic;
using testing::FaultPlan;
using testing::FaultyVault;
using testing::ForEveryFault;

AdapterStore StoreOf(Vault& vault) {
  return AdapterStore(vault, {.adapter = "default", .base = {}, .keep = 1});
}

AdapterFiles FilesOf(std::uint64_t generation) {
  std::string weights;
  while (weights.size() < 20000) weights += StrCat(generation * 7919 + weights.size(), " ");
  return {.config = "{}", .weights = weights};
}

Status Add(AdapterStore& store, std::uint64_t generation) {
  return store.Add(FilesOf(generation), {{"steps", "5"}}, {{1, generation}}).status();
}

// 1 and 2 were promoted in turn.
void ServeTwo(FaultyVault& world) {
  AdapterStore store = StoreOf(world.vault());
  for (std::uint64_t generation = 1; generation <= 2; ++generation) {
    ASSERT_OK(Add(store, generation));
    ASSERT_OK(store.Promote(generation));
  }
}

// "1 2 serving 2": the generations there are, and what is loaded to serve.
std::string Generations(Vault& vault) {
  AdapterStore store = StoreOf(vault);
  std::string text;
  for (const AdapterEntry& entry : store.List()) text += StrCat(entry.generation, " ");
  const auto served = store.LoadServing();
  if (!served.ok()) return text + std::string(StatusCodeName(served.status().code()));
  const std::uint64_t generation = served->entry.generation;
  if (generation != 0 && !(served->files == FilesOf(generation))) text += "garbled ";
  if (!vault.manifest().quarantine.empty()) text += "quarantine ";
  return StrCat(text, "serving ", generation);
}

TEST(AdapterStoreFaults, AGenerationIsThereOnceAcknowledged) {
  const std::uint64_t runs = ExpectAtomic({.prepare = ServeTwo,
                                           .change =
                                               [](FaultyVault& world) {
                                                 AdapterStore store = StoreOf(world.vault());
                                                 return Add(store, 3);  // 1 goes.
                                               },
                                           .describe = Generations});
  EXPECT_GT(runs, 100u);
}

TEST(AdapterStoreFaults, APromotionHoldsOnceAcknowledged) {
  const std::uint64_t runs =
      ExpectAtomic({.prepare =
                        [](FaultyVault& world) {
                          ServeTwo(world);
                          AdapterStore store = StoreOf(world.vault());
                          ASSERT_OK(Add(store, 3));
                        },
                    .change = [](FaultyVault& world) { return StoreOf(world.vault()).Promote(3); },
                    .describe = Generations});
  EXPECT_GT(runs, 50u);
}

// Counts, and a rollback that they bring about, in one.
TEST(AdapterStoreFaults, OutcomesHoldOnceAcknowledged) {
  const std::uint64_t runs = ExpectAtomic(
      {.prepare = ServeTwo,
       .change =
           [](FaultyVault& world) {
             return StoreOf(world.vault())
                 .AddOutcome(2, 300, 3, [](const AdapterStore::Outcomes&) { return true; })
                 .status();
           },
       .describe =
           [](Vault& vault) {
             std::string text = Generations(vault);
             for (const OutcomeEntry& entry : vault.manifest().outcomes) {
               text += StrCat(" ", entry.generation, ": ", entry.accepted, "/", entry.shown);
             }
             return text;
           }});
  EXPECT_GT(runs, 50u);
}

TEST(AdapterStoreFaults, ARollbackHoldsOnceAcknowledged) {
  const std::uint64_t runs = ExpectAtomic(
      {.prepare = ServeTwo,
       .change = [](FaultyVault& world) { return StoreOf(world.vault()).Rollback().status(); },
       .describe = Generations});
  EXPECT_GT(runs, 50u);
}

// The generation that serves is damaged, and the move to quarantine fails: the one
// before serves, then and later.
TEST(AdapterStoreFaults, ServingFallsBackHoweverItsQuarantineFails) {
  for (const bool count_reads : {false, true}) {
    ForEveryFault({.count_reads = count_reads}, [](FaultPlan& plan) {
      FaultyVault world(plan);
      ASSERT_NO_FATAL_FAILURE(ServeTwo(world));
      const std::uint64_t serving = world.vault().manifest().adapters.back().file;
      world.files.Put(world.PathOf(Role::kAdapter, serving), "damaged");
      plan.Start();
      AdapterStore store = StoreOf(world.vault());
      const auto served = store.LoadServing();
      ASSERT_TRUE(!served.ok() || served->entry.generation == 1);
      if (world.Recover()) world.Reopen();
      ASSERT_EQ(Generations(world.vault()).find("garbled"), std::string::npos);
      ASSERT_EQ(Generations(world.vault()), "1 quarantine serving 1");
      AdapterStore again = StoreOf(world.vault());
      ASSERT_OK(Add(again, 3));
      ASSERT_OK(again.Promote(3));
      ASSERT_EQ(Generations(world.vault()), "1 3 quarantine serving 3");
      ASSERT_EQ(world.Litter(), "");
    });
  }
}

}  // namespace
}  // namespace attune
