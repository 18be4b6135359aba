#include "support/fault_plan.h"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/faulty_key_store.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

constexpr Fault kAll[] = {Fault::kCrash,     Fault::kKill,       Fault::kIoError,
                          Fault::kNoSpace,   Fault::kShortWrite, Fault::kFailedSync,
                          Fault::kKeysLocked};

// Secrets are plain memory here; nothing else of it is called.
class NoCrypto final : public Crypto {
 public:
  Status Random(std::span<std::byte>) override { return Internal("unused"); }
  Status Hkdf(ByteSpan, ByteSpan, ByteSpan, std::span<std::byte>) override {
    return Internal("unused");
  }
  Status HkdfExpand(ByteSpan, ByteSpan, std::span<std::byte>) override {
    return Internal("unused");
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan) override { return Internal("unused"); }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan>) override { return Internal("unused"); }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    return {new std::byte[size](), size};
  }
  void ReleaseSecret(std::span<std::byte> secret) override { delete[] secret.data(); }
};

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

TEST(FaultPlan, StrikesTheNthOperationOnceOrFromThereOn) {
  for (const bool forever : {false, true}) {
    FaultPlan plan({.fault = Fault::kIoError, .at = 3, .forever = forever});
    const std::lock_guard guard(plan.mutex());
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(plan.Strike(Operation::kCreate).has_value());
  }
  for (const bool forever : {false, true}) {
    FaultPlan plan({.fault = Fault::kIoError, .at = 3, .forever = forever});
    plan.Start();
    std::vector<bool> struck;
    for (int i = 0; i < 5; ++i) {
      struck.push_back(plan.Strike(Operation::kCreate).has_value());
      EXPECT_EQ(plan.faulted(), i >= 2);
      EXPECT_FALSE(plan.crashed());
    }
    EXPECT_EQ(struck, (std::vector<bool>{false, false, true, forever, forever}));
    EXPECT_EQ(plan.operations(), 5u);
    plan.Stop();
    EXPECT_FALSE(plan.Strike(Operation::kCreate).has_value());
    EXPECT_TRUE(plan.faulted());
    plan.Start({.fault = Fault::kCrash});
    EXPECT_FALSE(plan.faulted());
    EXPECT_EQ(plan.Strike(Operation::kRemove), Fault::kCrash);
    EXPECT_TRUE(plan.crashed());
  }
}

TEST(FaultPlan, CountsWhatTheFaultCanStrike) {
  using enum Operation;
  constexpr Operation kEvery[] = {kRead,   kCreate, kAppend,  kSync,     kSyncDirectory,
                                  kRename, kRemove, kKeyRead, kKeyStore, kKeyRemove};
  const auto struck = [&](Fault fault, bool count_reads) {
    std::set<Operation> operations;
    for (const Operation operation : kEvery) {
      FaultPlan plan({.fault = fault, .count_reads = count_reads});
      plan.Start();
      if (plan.Strike(operation).has_value()) operations.insert(operation);
      EXPECT_EQ(plan.operations(), plan.faulted() ? 1u : 0u);
    }
    return operations;
  };
  const std::set<Operation> every(std::begin(kEvery), std::end(kEvery));
  std::set<Operation> writing = every;
  writing.erase(kRead);
  writing.erase(kKeyRead);
  for (const Fault fault : {Fault::kCrash, Fault::kKill, Fault::kIoError}) {
    EXPECT_EQ(struck(fault, true), every);
    EXPECT_EQ(struck(fault, false), writing);
  }
  const std::set<Operation> growing = {kCreate, kAppend, kSync, kSyncDirectory, kRename, kKeyStore};
  for (const bool count_reads : {false, true}) {
    EXPECT_EQ(struck(Fault::kNoSpace, count_reads), growing);
    EXPECT_EQ(struck(Fault::kShortWrite, count_reads), std::set{kAppend});
    EXPECT_EQ(struck(Fault::kFailedSync, count_reads), (std::set{kSync, kSyncDirectory}));
    EXPECT_EQ(struck(Fault::kKeysLocked, count_reads), (std::set{kKeyRead, kKeyStore, kKeyRemove}));
  }
}

TEST(FaultPlan, DescribesItself) {
  EXPECT_EQ(FaultPlan({.fault = Fault::kCrash, .at = 7, .seed = 3}).Describe(),
            "crash at operation 7, seed 3");
  EXPECT_EQ(FaultPlan({.fault = Fault::kNoSpace, .at = 2, .forever = true}).Describe(),
            "no space from operation 2 on, seed 1");
  std::set<std::string_view> names;
  for (const Fault fault : kAll) names.insert(FaultName(fault));
  EXPECT_EQ(names.size(), std::size(kAll));
}

TEST(FaultyKeyStore, KeepsItems) {
  FaultPlan plan;
  NoCrypto crypto;
  FaultyKeyStore keys(plan, crypto);
  EXPECT_EQ(keys.Load("k").status().code(), StatusCode::kNotFound);
  ASSERT_OK(keys.Store("k", Bytes("one")));
  ASSERT_OK(keys.Store("k", Bytes("two")));
  ASSERT_OK(keys.Store("empty", {}));
  ASSERT_OK_AND_ASSIGN(const Secret item, keys.Load("k"));
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(item.bytes().data()), item.size()), "two");
  EXPECT_EQ(keys.items().size(), 2u);
  ASSERT_OK(keys.Remove("k"));
  ASSERT_OK(keys.Remove("k"));
  EXPECT_EQ(keys.Load("k").status().code(), StatusCode::kNotFound);
  EXPECT_EQ(keys.Store("k", Bytes(std::string(kMaxKeyStoreItemBytes + 1, 'x'))).code(),
            StatusCode::kInvalidArgument);
}

TEST(FaultyKeyStore, AStruckStoreIsOldOrNew) {
  for (const Fault fault : kAll) {
    if (fault == Fault::kShortWrite || fault == Fault::kFailedSync) continue;
    std::set<std::string> outcomes;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
      FaultPlan plan({.fault = fault, .seed = seed});
      NoCrypto crypto;
      FaultyKeyStore keys(plan, crypto);
      keys.items()["k"] = "old";
      plan.Start();
      EXPECT_EQ(keys.Store("k", Bytes("new")).code(), FaultPlan::Error(fault, "k").code());
      outcomes.insert(keys.items()["k"]);
      if (plan.crashed()) {
        EXPECT_EQ(keys.Load("k").status().code(), StatusCode::kIoError);
        EXPECT_EQ(keys.Store("k", Bytes("x")).code(), StatusCode::kIoError);
        EXPECT_EQ(keys.Remove("k").code(), StatusCode::kIoError);
      }
    }
    const bool surely_not = fault == Fault::kNoSpace || fault == Fault::kKeysLocked;
    EXPECT_EQ(outcomes,
              surely_not ? std::set<std::string>{"old"} : (std::set<std::string>{"old", "new"}));
  }
}

TEST(FaultyKeyStore, CountsTogetherWithTheFiles) {
  FaultPlan plan({.fault = Fault::kCrash, .at = 2});
  NoCrypto crypto;
  FaultyKeyStore keys(plan, crypto);
  FaultyFileSystem files(plan);
  plan.Start();
  EXPECT_OK(files.CreateDirectories("d"));
  EXPECT_EQ(keys.Store("k", Bytes("1")).code(), StatusCode::kIoError);
  EXPECT_EQ(files.SyncDirectory("d").code(), StatusCode::kIoError);
  files.Restart();
  EXPECT_OK(keys.Store("k", Bytes("1")));
}

// Three operations, one of them an append and one a sync.
void WriteAFile(FaultPlan& plan) {
  FaultyFileSystem files(plan);
  plan.Start();
  auto file = files.Create("a");
  if (!file.ok()) return;
  if (!(*file)->Append(Bytes("text")).ok()) return;
  (*file)->Sync().Ignore();
}

TEST(FaultLoop, CoversEveryOperationOfEveryFaultAndSeed) {
  std::set<std::string> runs;
  const std::uint64_t faults = ForEveryFault({.seeds = 2}, [&](FaultPlan& plan) {
    WriteAFile(plan);
    if (plan.faulted()) {
      EXPECT_TRUE(runs.insert(plan.Describe()).second);
    }
  });
  // Crash and kill 3 each; once and for ever: error 3, no space 3, short write 1,
  // failed sync 1.
  EXPECT_EQ(faults, 2u * (3 + 3 + 2 * (3 + 3 + 1 + 1)));
  EXPECT_EQ(runs.size(), faults);
}

TEST(FaultLoop, AFaultThatNeverStrikesIsAFailure) {
  EXPECT_NONFATAL_FAILURE(ForEveryFault({.faults = {Fault::kKeysLocked}, .seeds = 1},
                                        [](FaultPlan& plan) { WriteAFile(plan); }),
                          "keys locked never struck");
}

TEST(FaultLoop, AScenarioWithoutEndIsAFailure) {
  const auto endless = [](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    plan.Start();
    while (!plan.faulted()) files.SyncDirectory(".").Ignore();
  };
  EXPECT_NONFATAL_FAILURE(ForEveryOperation({.most_operations = 9}, {}, endless),
                          "still striking at operation 9");
}

}  // namespace
}  // namespace attune::testing
