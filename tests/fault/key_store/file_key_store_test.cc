// A FileKeyStore at every fault: an acknowledged change is never lost, one that was
// not is whole or absent, the other items stay, and no secret is left in a temporary
// file once the store was changed again.

#include "openssl/file_key_store.h"

#include <gtest/gtest.h>

#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/sealed_message.h"

namespace attune::testing {
namespace {

class FileKeyStoreFaults : public ::testing::TestWithParam<const char*> {
 protected:
  std::unique_ptr<FileKeyStore> Open(FileSystem& files) const {
    auto keys = FileKeyStore::Open(files, TestCrypto(),
                                   {.directory = "keys",
                                    .passphrase = AsBytes(std::string_view(GetParam())),
                                    .cost = {.log2_n = 1, .r = 1, .p = 1}});
    EXPECT_OK(keys);
    return std::move(*keys);
  }
  // The item, or the name of the error.
  std::string Loaded(FileSystem& files, const std::string& name) const {
    const auto secret = Open(files)->Load(name);
    if (!secret.ok()) return std::string(StatusCodeName(secret.status().code()));
    return {reinterpret_cast<const char*>(secret->bytes().data()), secret->size()};
  }
  void ExpectUsable(FaultyFileSystem& files) const {
    EXPECT_EQ(Loaded(files, "other"), "another secret");
    EXPECT_OK(Open(files)->Store("root", AsBytes("newest")));
    EXPECT_EQ(Loaded(files, "root"), "newest");
    for (const auto& [path, bytes] : files.files()) {
      EXPECT_EQ(path.find(".tmp"), std::string::npos) << path;
    }
  }
};
INSTANTIATE_TEST_SUITE_P(Both, FileKeyStoreFaults, ::testing::Values("", "open, sesame"));

TEST_P(FileKeyStoreFaults, AStoredItemIsOldOrNewAndNewOnceAcknowledged) {
  int stayed = 0, changed = 0;
  ForEveryFault({}, [&](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    {
      const auto keys = Open(files);
      ASSERT_OK(keys->Store("other", AsBytes("another secret")));
      ASSERT_OK(keys->Store("root", AsBytes("old")));
      plan.Start();
      const bool acknowledged = keys->Store("root", AsBytes("new")).ok();
      files.Restart();
      const std::string now = Loaded(files, "root");
      EXPECT_TRUE(now == "new" || (!acknowledged && now == "old")) << now;
      ++(now == "new" ? changed : stayed);
    }
    ExpectUsable(files);
  });
  EXPECT_GT(stayed, 0);
  EXPECT_GT(changed, 0);
}

TEST_P(FileKeyStoreFaults, TheFirstItemIsAbsentOrWhole) {
  ForEveryFault({}, [&](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    plan.Start();
    const bool acknowledged = Open(files)->Store("root", AsBytes("new")).ok();
    files.Restart();
    const std::string now = Loaded(files, "root");
    EXPECT_TRUE(now == "new" || (!acknowledged && now == "not found")) << now;
    ASSERT_OK(Open(files)->Store("other", AsBytes("another secret")));
    ExpectUsable(files);
  });
}

TEST_P(FileKeyStoreFaults, ARemovedItemIsGoneOnceAcknowledged) {
  const FaultLoop loop{
      .faults = {Fault::kCrash, Fault::kKill, Fault::kIoError, Fault::kFailedSync}};
  ForEveryFault(loop, [&](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    {
      const auto keys = Open(files);
      ASSERT_OK(keys->Store("other", AsBytes("another secret")));
      ASSERT_OK(keys->Store("root", AsBytes("old")));
      plan.Start();
      const bool acknowledged = keys->Remove("root").ok();
      files.Restart();
      const std::string now = Loaded(files, "root");
      EXPECT_TRUE(now == "not found" || (!acknowledged && now == "old")) << now;
    }
    ExpectUsable(files);
  });
}

// What cannot be read now is not taken for absent: a new key would orphan all that
// the old one protects.
TEST_P(FileKeyStoreFaults, AnUnreadableItemIsNeverAbsent) {
  const FaultLoop loop{.faults = {Fault::kIoError}, .count_reads = true};
  ForEveryFault(loop, [&](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    ASSERT_OK(Open(files)->Store("root", AsBytes("old")));
    plan.Start();
    const std::string now = Loaded(files, "root");
    EXPECT_EQ(now, plan.faulted() ? "I/O error" : "old");
    plan.Stop();
    EXPECT_EQ(Loaded(files, "root"), "old");
  });
}

}  // namespace
}  // namespace attune::testing
