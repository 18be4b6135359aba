// WriteAtomically at every fault: the old bytes or the new ones, and the new ones
// once it was acknowledged.

#include <gtest/gtest.h>

#include <span>
#include <string>
#include <string_view>

#include "support/fault_loop.h"
#include "support/faulty_file_system.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

constexpr std::string_view kOld = "the old bytes";
constexpr std::string_view kNew = "the new bytes, and more";

Status WriteNew(FileSystem& files, const std::string& path) {
  const std::span<const std::byte> parts[] = {std::as_bytes(std::span(kNew.substr(0, 9))),
                                              std::as_bytes(std::span(kNew.substr(9)))};
  return files.WriteAtomically(path, parts);
}

// Whether there was an old file, and whether the power fails after the fault.
class WriteAtomically : public ::testing::TestWithParam<std::tuple<bool, bool>> {};
INSTANTIATE_TEST_SUITE_P(Every, WriteAtomically,
                         ::testing::Combine(::testing::Bool(), ::testing::Bool()));

TEST_P(WriteAtomically, IsOldOrNewAndNewOnceAcknowledged) {
  const auto [had_old, power_fails] = GetParam();
  int kept_old = 0, became_new = 0;
  const auto scenario = [&](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    ASSERT_OK(files.CreateDirectories("d"));
    if (had_old) files.Put("d/a", std::string(kOld));
    plan.Start();
    const bool acknowledged = WriteNew(files, "d/a").ok();
    const bool crashed = plan.crashed();
    EXPECT_EQ(acknowledged, !plan.faulted());
    if (crashed || power_fails) {
      files.Restart();
    } else {
      plan.Stop();
    }

    const auto now = files.files();
    const auto at = now.find("d/a");
    const bool is_new = at != now.end() && at->second == kNew;
    const bool is_old = had_old ? at != now.end() && at->second == kOld : at == now.end();
    EXPECT_TRUE(is_new || (is_old && !acknowledged));
    ++(is_new ? became_new : kept_old);
    // Nothing but temporaries is left, and they do not get in the way.
    for (const auto& [path, bytes] : now) {
      if (path == "d/a") continue;
      EXPECT_TRUE(path.starts_with("d/.attune-") && path.ends_with(".tmp")) << path;
    }
    ASSERT_OK(WriteNew(files, "d/a"));
    EXPECT_EQ(files.files().at("d/a"), kNew);
  };
  const std::uint64_t faults = ForEveryFault({.seeds = 20}, scenario);
  // Create, two appends, sync, rename, sync of the directory.
  EXPECT_GE(faults, 20u * (6 + 6 + 2 * (6 + 6 + 2 + 2)));
  EXPECT_GT(kept_old, 0);
  EXPECT_GT(became_new, 0);
}

TEST(WriteAtomicallyAfterAnError, RemovesItsTemporaryFile) {
  ForEveryFault(
      {.faults = {Fault::kIoError, Fault::kNoSpace, Fault::kShortWrite, Fault::kFailedSync}},
      [](FaultPlan& plan) {
        FaultyFileSystem files(plan);
        files.Put("d/a", std::string(kOld));
        plan.Start();
        const Status status = WriteNew(files, "d/a");
        const bool can_remove = plan.Describe().find("I/O error from") == std::string::npos;
        plan.Stop();
        if (can_remove) {
          EXPECT_EQ(files.files().size(), 1u) << status.ToString();
        }
        if (!status.ok()) {
          EXPECT_TRUE(status.message().starts_with("a: ") || status.message().starts_with("d: "))
              << status.message();
        }
      });
}

// An error is passed on as what it is: no space is not "the disk is broken".
TEST(WriteAtomicallyAfterAnError, KeepsTheCode) {
  ForEveryFault({.faults = {Fault::kNoSpace}}, [](FaultPlan& plan) {
    FaultyFileSystem files(plan);
    files.Put("d/a", std::string(kOld));
    plan.Start();
    const Status status = WriteNew(files, "d/a");
    if (plan.faulted()) {
      EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
    }
  });
}

}  // namespace
}  // namespace attune::testing
