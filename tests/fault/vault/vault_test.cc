// Crashes, kills and failing calls at every operation of a vault: what was
// acknowledged is there, what was not is absent or whole, and the vault goes on.

#include "vault/vault.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/faulty_key_store.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "support/vault_steps.h"
#include "vault/file_names.h"

namespace attune {
namespace {

using testing::AddCheckpoint;
using testing::Contents;
using testing::FaultLoop;
using testing::FaultPlan;
using testing::FaultyFileSystem;
using testing::FaultyKeyStore;
using testing::FileOf;
using testing::FixedClock;
using testing::ForEveryFault;
using testing::TestVault;

class World {
 public:
  explicit World(FaultPlan& plan) : plan_(plan), files(plan), keys(plan, *crypto_) {}

  Result<std::unique_ptr<Vault>> Open() {
    return Vault::Open({.files = &files, .keys = &keys, .crypto = crypto_.get(), .clock = &clock_},
                       TestVault());
  }
  // After a crash; else the disk stays as it is and the fault is over.
  void Recover() {
    if (plan_.crashed()) {
      files.Restart();
    } else {
      plan_.Stop();
    }
  }
  // Data files that the manifest does not name, and files cut short.
  std::string Litter(const Vault& vault) {
    std::set<std::string> named;
    for (const auto& entry : vault.manifest().checkpoints) {
      named.insert(vault.PathOf(Role::kCheckpoint, entry.file));
    }
    for (const auto& entry : vault.manifest().quarantine) {
      named.insert("v/quarantine/" + FormatFileName(entry.role, entry.file));
    }
    std::string litter;
    for (const auto& [path, bytes] : files.files()) {
      const bool ours = path.ends_with(".checkpoint") || path.ends_with(".tmp");
      if (ours && !named.contains(path)) litter += path + ' ';
    }
    return litter;
  }

 private:
  FaultPlan& plan_;
  std::unique_ptr<Crypto> crypto_ = testing::MakeCrypto();
  FixedClock clock_;

 public:
  FaultyFileSystem files;
  FaultyKeyStore keys;
};

// The vault opens, holds one of the two, takes another commit, and keeps it
// through a power failure; nothing else lies about.
void CheckGoesOn(World& world, std::string_view either, std::string_view or_else) {
  auto vault = world.Open();
  ASSERT_OK(vault);
  const std::string found = Contents(**vault);
  EXPECT_TRUE(found == either || found == or_else) << found;
  ASSERT_OK_AND_ASSIGN(const auto damages, (*vault)->Verify());
  EXPECT_EQ(damages.size(), 0u);
  ASSERT_OK(AddCheckpoint(**vault, "next"));
  EXPECT_EQ(world.Litter(**vault), "");
  vault->reset();
  world.files.Restart();
  vault = world.Open();
  ASSERT_OK(vault);
  EXPECT_EQ(Contents(**vault), found.empty() ? "next" : found + ",next");
}

TEST(VaultFaults, CreationIsWholeOrBegunAnew) {
  const std::uint64_t runs = ForEveryFault({}, [](FaultPlan& plan) {
    World world(plan);
    plan.Start();
    bool acknowledged = false;
    {
      auto vault = world.Open();
      acknowledged = vault.ok() && AddCheckpoint(**vault, "a").ok();
    }
    world.Recover();
    CheckGoesOn(world, "a", acknowledged ? "a" : "");
  });
  EXPECT_GT(runs, 100u);
}

TEST(VaultFaults, ACommitIsThereOnceAcknowledged) {
  const std::uint64_t runs = ForEveryFault({}, [](FaultPlan& plan) {
    World world(plan);
    ASSERT_OK_AND_ASSIGN(auto vault, world.Open());
    ASSERT_OK(AddCheckpoint(*vault, "a"));
    ASSERT_OK(AddCheckpoint(*vault, "b"));
    plan.Start();
    // A file comes, another one goes.
    const bool acknowledged = AddCheckpoint(*vault, "c", /*keep=*/2).ok();
    if (!plan.crashed()) {
      // The same object goes on after an error.
      plan.Stop();
      EXPECT_OK(vault->Begin());
      EXPECT_EQ(world.Litter(*vault), "");
      const std::string found = Contents(*vault);
      EXPECT_TRUE(found == "b,c" || (!acknowledged && found == "a,b")) << found;
    }
    vault.reset();
    world.Recover();
    CheckGoesOn(world, "b,c", acknowledged ? "b,c" : "a,b");
  });
  EXPECT_GT(runs, 100u);
}

// The next writer's look comes right after a kill, when what it sees may not be
// durable yet; then the power fails.
void CheckNothingRestsOnWhatIsNotDurable(FaultPlan& plan, bool writer_was_there) {
  World world(plan);
  ASSERT_OK_AND_ASSIGN(auto vault, world.Open());
  ASSERT_OK(AddCheckpoint(*vault, "a"));
  std::unique_ptr<Vault> other;
  if (writer_was_there) {
    ASSERT_OK_AND_ASSIGN(other, world.Open());
    ASSERT_OK(other->Begin());
  }
  plan.Start();
  AddCheckpoint(*vault, "b", /*keep=*/1).status().Ignore();
  vault.reset();
  world.Recover();
  if (!writer_was_there) {
    ASSERT_OK_AND_ASSIGN(other, world.Open());
  }
  ASSERT_OK(other->Begin());
  other.reset();
  world.files.Restart();  // Power failure.
  CheckGoesOn(world, "a", "b");
}

TEST(VaultFaults, NothingRestsOnACommitThatIsNotDurable) {
  FaultLoop loop;
  loop.faults = {testing::Fault::kKill};
  loop.seeds = 20;
  for (const bool writer_was_there : {false, true}) {
    ForEveryFault(loop, [&](FaultPlan& plan) {
      CheckNothingRestsOnWhatIsNotDurable(plan, writer_was_there);
    });
  }
}

TEST(VaultFaults, ARotationIsWholeOrUndone) {
  const std::uint64_t runs = ForEveryFault({}, [](FaultPlan& plan) {
    World world(plan);
    ASSERT_OK_AND_ASSIGN(auto vault, world.Open());
    ASSERT_OK(AddCheckpoint(*vault, "a"));
    plan.Start();
    const bool acknowledged = vault->RotateKey().ok();
    if (!plan.crashed()) {
      plan.Stop();
      EXPECT_OK(vault->Begin());
      EXPECT_EQ(Contents(*vault), "a");
    }
    vault.reset();
    world.Recover();
    CheckGoesOn(world, "a", "a");
    if (HasFailure()) return;
    ASSERT_OK_AND_ASSIGN(const auto again, world.Open());
    EXPECT_TRUE(again->key_generation() == 2 || !acknowledged);
  });
  EXPECT_GT(runs, 100u);
}

TEST(VaultFaults, QuarantineLosesNeitherGoodFilesNorTheReport) {
  const std::uint64_t runs = ForEveryFault({}, [](FaultPlan& plan) {
    World world(plan);
    ASSERT_OK_AND_ASSIGN(auto vault, world.Open());
    ASSERT_OK_AND_ASSIGN(const VaultFile bad, AddCheckpoint(*vault, "bad"));
    ASSERT_OK(AddCheckpoint(*vault, "good"));
    const std::string path = vault->PathOf(bad.role, bad.file);
    std::string bytes = world.files.files()[path];
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    world.files.Put(path, bytes);
    plan.Start();
    EXPECT_FALSE(vault->OpenFile(bad, 100).ok());
    vault.reset();
    const bool power_failed = plan.crashed() && !plan.killed();
    world.Recover();
    {
      ASSERT_OK_AND_ASSIGN(const auto again, world.Open());
      const auto checkpoints = again->manifest().checkpoints;
      for (const auto& entry : checkpoints) {
        EXPECT_EQ(again->OpenFile(FileOf(entry), 100).ok(), entry.file != bad.file);
      }
      EXPECT_EQ(again->manifest().quarantine.size(), 1u);
      // The bytes are kept for who wants to look; a move between directories that the
      // power cut off may have lost them.
      EXPECT_OK(again->Begin());
      EXPECT_TRUE(power_failed ||
                  world.files.Exists("v/quarantine/" + FormatFileName(bad.role, bad.file)));
    }
    CheckGoesOn(world, "good", "good");
  });
  EXPECT_GT(runs, 100u);
}

// The KeyStore fails at any of its operations, reading included.
TEST(VaultFaults, ALockedKeyStoreCostsNothing) {
  FaultLoop loop;
  loop.faults = {testing::Fault::kKeysLocked};
  loop.count_reads = true;
  ForEveryFault(loop, [](FaultPlan& plan) {
    World world(plan);
    {
      ASSERT_OK_AND_ASSIGN(auto vault, world.Open());
      ASSERT_OK(AddCheckpoint(*vault, "a"));
    }
    plan.Start();
    bool acknowledged = false;
    {
      auto vault = world.Open();
      if (!vault.ok()) {
        EXPECT_EQ(vault.status().code(), StatusCode::kUnavailable);
      } else {
        acknowledged = AddCheckpoint(**vault, "b").ok();
        (*vault)->RotateKey().Ignore();
      }
    }
    world.Recover();
    CheckGoesOn(world, "a,b", acknowledged ? "a,b" : "a");
  });
}

}  // namespace
}  // namespace attune
