// A job that does not fit is refused before it takes memory, and the ledger says so
// with both numbers; the other one trains.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>

#include "schedule/ledger.h"
#include "support/night_on_disk.h"
#include "support/temporary_directory.h"

namespace attune {
namespace {

// Bytes of the process's own; -1 where the system does not tell.
std::int64_t PrivateBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssAnon:", 0) == 0) return std::stoll(line.substr(8)) * 1024;
  }
  return -1;
}

TEST(NightRefusal, ComesBeforeTheMemoryIsTaken) {
  constexpr std::int64_t kMiB = 1 << 20;
  testing::TemporaryDirectory folder;
  testing::NightOnDisk disk(folder.path(), {.steps = 10, .concurrent = 1});
  disk.Record();
  disk.monitor.facts.memory_available = 64 * kMiB;
  NightOptions options = disk.Night();
  options.jobs[0].run.training.rank = 4096;
  ASSERT_OK_AND_ASSIGN(const auto night, Night::Open(disk.platform(), options));
  const std::int64_t before = PrivateBytes();
  if (before < 0) GTEST_SKIP() << "no /proc/self/status";

  // Asked when the other job has taken its first step.
  std::int64_t after = 0;
  ASSERT_OK(night->Start(0, [&](const NightEvent& event) {
    EXPECT_EQ(event.job, "notes");
    if (after == 0) after = PrivateBytes();
  }));
  ASSERT_OK_AND_ASSIGN(const NightReport report, night->Wait());
  ASSERT_GE(report.records.size(), 4u);
  const LedgerRecord& refused = report.records[1];
  EXPECT_EQ(refused.job, "keyboard");
  ASSERT_EQ(refused.event, LedgerEvent::kRefused);
  EXPECT_EQ(refused.bytes_available, 64 * kMiB);
  EXPECT_GT(refused.bytes_needed, 96 * kMiB);
  std::printf("predicted %lld MiB, taken %lld MiB\n",
              static_cast<long long>(refused.bytes_needed / kMiB),
              static_cast<long long>((after - before) / kMiB));
  EXPECT_LT(after - before, 32 * kMiB) << refused.bytes_needed << " bytes were predicted";
  EXPECT_EQ(report.records.back().job, "notes");
  EXPECT_EQ(report.records.back().steps_here, 10);
}

}  // namespace
}  // namespace attune
