// Of a night's life: when a stop counts, which deadlines there are, who may read.

#include <gtest/gtest.h>

#include <cmath>

#include "attune/night.h"
#include "posix/posix_worker_thread.h"
#include "schedule/governor.h"
#include "schedule/ledger.h"
#include "support/adaptation_world.h"
#include "support/steady_monitor.h"

namespace attune {
namespace {

using testing::AdaptationWorld;

class NightLifeTest : public ::testing::Test {
 protected:
  NightLifeTest() {
    platform_.monitor = &monitor_;
    platform_.threads = &threads_;
    options_.vault = "ledger";
    auto governor = std::make_shared<GovernorOptions>();
    governor->lines.clear();
    options_.governor = governor;
    NightJob job;
    job.policy.name = "keys";
    job.policy.min_new_examples = 1;
    job.adaptation = world_.Options();
    job.adaptation.adapter = "keys";
    job.adaptation.vault = "vault";
    job.run = AdaptationWorld::Run(4);
    options_.jobs = {job};
    AdaptationWorld::Record(*world_.Open(job.adaptation), 0, 60);
  }
  std::unique_ptr<Night> Open() {
    auto night = Night::Open(platform_, options_);
    EXPECT_OK(night);
    return night.ok() ? *std::move(night) : nullptr;
  }
  // Steps taken.
  static int Run(Night& night) {
    int steps = 0;
    EXPECT_OK(night.Start(0, [&](const NightEvent&) { ++steps; }));
    EXPECT_OK(night.Wait());
    return steps;
  }

  AdaptationWorld world_;
  testing::SteadyMonitor monitor_;
  PosixWorkerThreads threads_;
  Platform platform_ = world_.platform();
  NightOptions options_;
};

TEST_F(NightLifeTest, AStopBeforeTheStartHoldsUntilItWasWaitedFor) {
  const auto night = Open();
  night->Stop();
  EXPECT_EQ(Run(*night), 0);
  EXPECT_OK(night->Wait());
  night->StopNow();  // Of the next one, then.
  EXPECT_OK(night->Wait());
  EXPECT_EQ(Run(*night), 0);
  EXPECT_EQ(Run(*night), 4) << "a stop outlived its night";
}

TEST_F(NightLifeTest, ADeadlineThatIsPastIsRefused) {
  const auto night = Open();
  for (const double deadline : {-1e-9, -100.0, std::nan("")}) {
    EXPECT_EQ(night->Start(deadline).code(), StatusCode::kInvalidArgument) << deadline;
  }
  EXPECT_EQ(night->Wait().status().code(), StatusCode::kFailedPrecondition) << "it started";
  EXPECT_EQ(Run(*night), 4);
}

TEST_F(NightLifeTest, TheLedgerIsNotReadWhileItRuns) {
  const auto night = Open();
  ASSERT_OK(night->ReadLedger());
  StatusCode code = StatusCode::kOk;
  ASSERT_OK(
      night->Start(0, [&](const NightEvent&) { code = night->ReadLedger().status().code(); }));
  ASSERT_OK_AND_ASSIGN(const NightReport report, night->Wait());
  EXPECT_EQ(code, StatusCode::kFailedPrecondition);
  ASSERT_OK_AND_ASSIGN(const auto records, night->ReadLedger());
  EXPECT_EQ(records, report.records);
}

TEST_F(NightLifeTest, APolicyOutOfRangeIsRefused) {
  options_.jobs[0].policy.backoff.max_seconds = std::nan("");
  EXPECT_EQ(Night::Open(platform_, options_).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune
