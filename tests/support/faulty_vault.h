// A vault over ports that crash and fail on demand, and the promise that every
// store on it makes: what was acknowledged is there, what was not is absent or
// whole, nothing is left lying about, and it goes on.

#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/faulty_key_store.h"
#include "support/status_matchers.h"
#include "support/test_ports.h"
#include "vault/file_names.h"

namespace attune::testing {

class FaultyVault {
 public:
  explicit FaultyVault(FaultPlan& plan) : plan_(plan), files(plan), keys(plan, *crypto_) {
    Reopen();
  }

  Vault& vault() { return *vault_; }

  // As another start of the program.
  void Reopen() {
    vault_.reset();
    auto vault = Vault::Open(
        {.files = &files, .keys = &keys, .crypto = crypto_.get(), .clock = &clock_}, TestVault());
    ASSERT_OK(vault);
    vault_ = *std::move(vault);
  }
  void PowerFailure() {
    vault_.reset();
    files.Restart();
    Reopen();
  }
  // Makes faults stop. Returns whether the same vault object can go on.
  bool Recover() {
    if (plan_.crashed()) {
      PowerFailure();  // Of a killed process nothing is lost.
      return false;
    }
    plan_.Stop();
    return true;
  }

  // Files that nothing names: garbage that no next transaction has removed.
  std::string Litter() {
    std::set<std::string> named;
    const Manifest& manifest = vault_->manifest();
    for (const auto& e : manifest.checkpoints) named.insert(PathOf(Role::kCheckpoint, e.file));
    for (const auto& e : manifest.adapters) named.insert(PathOf(Role::kAdapter, e.file));
    for (const auto& e : manifest.quarantine) {
      named.insert("v/quarantine/" + FormatFileName(e.role, e.file));
    }
    for (const char* name : {"v/manifest", "v/manifest.copy", "v/lock"}) named.insert(name);
    std::string litter;
    for (const auto& [path, bytes] : files.files()) {
      if (!named.contains(path)) litter += path + ' ';
    }
    return litter;
  }
  std::string PathOf(Role role, std::uint64_t file) { return vault_->PathOf(role, file); }

 private:
  FaultPlan& plan_;
  std::unique_ptr<OpensslCrypto> crypto_ = MakeCrypto();
  FixedClock clock_;

 public:
  FaultyFileSystem files;
  FaultyKeyStore keys;

 private:
  std::unique_ptr<Vault> vault_;
};

// A change of a vault that takes place whole or not at all.
struct AtomicChange {
  std::function<void(FaultyVault&)> prepare;
  std::function<Status(FaultyVault&)> change;
  // What there is, all of it read; differs before and after the change.
  std::function<std::string(Vault&)> describe;
};

// In a run without faults.
inline std::string Outcome(const AtomicChange& change, bool changed) {
  FaultPlan plan;
  FaultyVault world(plan);
  change.prepare(world);
  if (changed) EXPECT_OK(change.change(world));
  return change.describe(world.vault());
}

// Makes the change with every fault at every operation of it, `loop.seeds` times.
// Returns in how many runs a fault struck.
inline std::uint64_t ExpectAtomic(const AtomicChange& change, const FaultLoop& loop = {}) {
  const std::string before = Outcome(change, false);
  const std::string after = Outcome(change, true);
  return ForEveryFault(loop, [&](FaultPlan& plan) {
    FaultyVault world(plan);
    change.prepare(world);
    ASSERT_FALSE(::testing::Test::HasFailure());
    plan.Start();
    const bool acknowledged = change.change(world).ok();
    std::string found;
    const auto look = [&] {
      found = change.describe(world.vault());
      ASSERT_TRUE(found == after || (!acknowledged && found == before)) << found;
    };
    if (world.Recover()) {
      ASSERT_OK(world.vault().Refresh());
      ASSERT_NO_FATAL_FAILURE(look());  // The same process.
      world.Reopen();
    }
    ASSERT_NO_FATAL_FAILURE(look());
    const std::string first_found = found;
    ASSERT_OK_AND_ASSIGN(const auto damages, world.vault().Verify());
    ASSERT_EQ(damages.size(), 0u);
    {
      auto transaction = world.vault().Begin();  // Clears away what was left.
      ASSERT_OK(transaction);
      ++(*transaction)->manifest().next_slice;
      ASSERT_OK((*transaction)->Commit());
    }
    ASSERT_EQ(world.Litter(), "");
    world.PowerFailure();
    ASSERT_NO_FATAL_FAILURE(look());
    ASSERT_EQ(found, first_found);
  });
}

}  // namespace attune::testing
