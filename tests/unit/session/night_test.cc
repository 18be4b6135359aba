// Nights of real runs, in memory: two adapters, stops, refusals, and what resumes.

#include "attune/night.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/strings.h"
#include "posix/posix_worker_thread.h"
#include "schedule/governor.h"
#include "schedule/ledger.h"
#include "session/adaptation_work.h"
#include "support/adaptation_world.h"
#include "support/steady_monitor.h"

namespace attune {
namespace {

using testing::AdaptationWorld;
using ::testing::HasSubstr;

class NightTest : public ::testing::Test {
 protected:
  NightTest() {
    platform_.monitor = &monitor_;
    platform_.threads = &threads_;
    options_.vault = "ledger";
    auto governor = std::make_shared<GovernorOptions>();
    governor->lines.clear();
    options_.governor = governor;
    for (const char* name : {"keys", "notes"}) {
      options_.jobs.push_back(JobOf(name));
      const int first = options_.jobs.size() == 1 ? 0 : 100;
      AdaptationWorld::Record(*world_.Open(options_.jobs.back().adaptation), first, first + 60);
    }
  }

  NightJob JobOf(const std::string& name) {
    NightJob job;
    job.policy.name = job.adaptation.adapter = name;
    job.policy.min_new_examples = 1;
    job.adaptation = world_.Options();
    job.adaptation.adapter = name;
    job.adaptation.vault = "vault-" + name;
    job.run = AdaptationWorld::Run(20);
    return job;
  }
  std::unique_ptr<Night> Open() {
    auto night = Night::Open(platform_, options_);
    EXPECT_OK(night);
    return night.ok() ? *std::move(night) : nullptr;
  }
  NightReport Run(Night& night, const NightCallback& on_step = nullptr) {
    EXPECT_OK(night.Start(0, on_step));
    auto report = night.Wait();
    EXPECT_OK(report);
    return report.ok() ? *std::move(report) : NightReport{};
  }
  // Adapter and loss curve of what serves.
  std::string Served(const NightJob& job) {
    auto adaptation = world_.Open(job.adaptation);
    EXPECT_OK(adaptation->Refresh());
    const std::uint64_t serving = adaptation->serving();
    EXPECT_NE(serving, 0u);
    const std::string directory = StrCat("served", ++exports_);
    EXPECT_OK(adaptation->ExportAdapter(serving, directory));
    return world_.ReadAll(directory + "/adapter_model.safetensors") +
           world_.ReadAll(directory + "/loss_curve.csv");
  }
  // What Adaptation::Run() makes of it, leaving all as it was.
  std::string Straight(const NightJob& job) {
    const AdaptationWorld::Disk now = world_.Copy();
    EXPECT_OK(world_.Open(job.adaptation)->Run(job.run));
    std::string served = Served(job);
    world_.Put(now);
    return served;
  }
  static std::string Told(const NightReport& report) {
    std::string told;
    for (const LedgerRecord& record : report.records) {
      told += StrCat(told.empty() ? "" : " ", record.job, ":", LedgerEventName(record.event));
    }
    return told;
  }

  AdaptationWorld world_;
  testing::SteadyMonitor monitor_;
  PosixWorkerThreads threads_;
  Platform platform_ = world_.platform();
  NightOptions options_;
  int exports_ = 0;
};

TEST_F(NightTest, TrainsTwoAdaptersAsIfEachWereAlone) {
  const std::string keys = Straight(options_.jobs[0]), notes = Straight(options_.jobs[1]);
  for (const int concurrent : {1, 2}) {
    SCOPED_TRACE(concurrent);
    const AdaptationWorld::Disk now = world_.Copy();
    options_.concurrent = concurrent;
    auto night = Open();
    std::string turns;
    const NightReport report = Run(*night, [&](const NightEvent& event) {
      turns += event.job[0];
      EXPECT_EQ(event.training.steps, 20);
    });
    EXPECT_EQ(std::count(turns.begin(), turns.end(), 'k'), 20);
    EXPECT_EQ(turns.find("kn") < 19, concurrent == 2) << turns;
    EXPECT_TRUE(Served(options_.jobs[0]) == keys);
    EXPECT_TRUE(Served(options_.jobs[1]) == notes);
    EXPECT_THAT(Told(report), HasSubstr("keys:promoted"));
    EXPECT_THAT(Told(report), HasSubstr("notes:promoted"));
    ASSERT_OK_AND_ASSIGN(const auto records, night->ReadLedger());
    EXPECT_EQ(records, report.records);
    night.reset();
    world_.Put(now);
  }
}

TEST_F(NightTest, StoppedAtAnyStepItGoesOnAsIfItWasNot) {
  options_.jobs.resize(1);
  const std::string straight = Straight(options_.jobs[0]);
  for (const int step : {1, 2, 10, 19, 20}) {
    SCOPED_TRACE(step);
    const AdaptationWorld::Disk now = world_.Copy();
    auto night = Open();
    const NightReport stopped = Run(*night, [&](const NightEvent& event) {
      if (event.training.step == step) night->Stop();
    });
    EXPECT_EQ(stopped.records.back().event, LedgerEvent::kPaused);
    EXPECT_EQ(stopped.records.back().step, step);
    int steps = 0;
    const NightReport finished = Run(*night, [&](const NightEvent&) { ++steps; });
    EXPECT_EQ(steps, 20 - step);
    EXPECT_EQ(finished.records.front().event, LedgerEvent::kResumed);
    EXPECT_EQ(finished.records.back().event, LedgerEvent::kPromoted);
    EXPECT_TRUE(Served(options_.jobs[0]) == straight);
    night.reset();
    world_.Put(now);
  }
}

// Wherever a test is cut off, and whether the process lives on or not.
TEST_F(NightTest, ATestThatIsCutOffIsMadeAgain) {
  options_.jobs.resize(1);
  const NightJob& job = options_.jobs[0];
  const std::string straight = Straight(job);
  int cut_off = 0;
  for (const int patience : {0, 1, 2, 3, 5}) {
    SCOPED_TRACE(patience);
    const AdaptationWorld::Disk now = world_.Copy();
    ASSERT_OK_AND_ASSIGN(auto work, AdaptationWork::Open(platform_, job.adaptation, job.run));
    std::int64_t needed = 0;
    ASSERT_OK_AND_ASSIGN(WorkProgress progress, work->Begin(-1, &needed));
    for (int asked = 0, allowed = patience; !progress.done;) {
      bool refused = false;
      const auto go_on = [&] {
        refused = asked++ >= allowed;
        return !refused;
      };
      ASSERT_OK_AND_ASSIGN(progress, work->Step(go_on));
      if (!refused) continue;
      ++cut_off;
      allowed += patience + 10;
      if (cut_off % 2 == 0) continue;
      ASSERT_OK(work->Save());
      work->End();
      ASSERT_OK_AND_ASSIGN(progress, work->Begin(-1, &needed));
    }
    // So is the gate's check.
    EXPECT_EQ(work->Conclude([] { return false; }).status().code(), StatusCode::kCancelled);
    work->End();
    ASSERT_OK_AND_ASSIGN(progress, work->Begin(-1, &needed));
    EXPECT_TRUE(progress.done);
    EXPECT_TRUE(progress.resumed);
    ASSERT_OK_AND_ASSIGN(const WorkVerdict verdict, work->Conclude([] { return true; }));
    EXPECT_EQ(verdict.event, LedgerEvent::kPromoted);
    work->End();
    EXPECT_TRUE(Served(job) == straight);
    world_.Put(now);
  }
  EXPECT_GT(cut_off, 5);
}

TEST_F(NightTest, AHardStopLosesWhatWasNotSaved) {
  options_.jobs.resize(1);
  auto night = Open();
  const NightReport stopped = Run(*night, [&](const NightEvent& event) {
    if (event.training.step == 7) night->StopNow();
  });
  EXPECT_EQ(stopped.records.back().steps_here, 0);
  EXPECT_THAT(Told(Run(*night)), HasSubstr("keys:resumed keys:finished keys:promoted"));
}

TEST_F(NightTest, AJobThatDoesNotFitIsRefusedAndTheOtherTrains) {
  options_.jobs[0].run.training.rank = 4096;
  monitor_.facts.memory_available = std::int64_t{30} << 20;
  const NightReport report = Run(*Open());
  EXPECT_THAT(Told(report), HasSubstr("keys:started keys:refused notes:started"));
  EXPECT_THAT(Told(report), HasSubstr("notes:promoted"));
  const LedgerRecord& refused = report.records[1];
  EXPECT_GT(refused.bytes_needed, monitor_.facts.memory_available);
  EXPECT_EQ(refused.bytes_available, monitor_.facts.memory_available);
}

TEST_F(NightTest, WhatIsConfiguredMayRefuseToo) {
  options_.jobs[0].run.training.memory_budget_bytes = 1 << 20;
  const NightReport report = Run(*Open());
  EXPECT_EQ(report.records[1].event, LedgerEvent::kRefused);
  EXPECT_EQ(report.records[1].bytes_available, 1 << 20);
  EXPECT_GT(report.records[1].bytes_needed, 1 << 20);
}

TEST_F(NightTest, OnlyOneNightAtATime) {
  auto night = Open();
  {
    ASSERT_OK_AND_ASSIGN(const auto lock, world_.files().Lock("ledger/night.lock", 0));
    ASSERT_OK(night->Start(0));
    EXPECT_EQ(night->Wait().status().code(), StatusCode::kUnavailable);
  }
  Status again;
  Run(*night, [&](const NightEvent&) { again = night->Start(0); });
  EXPECT_EQ(again.code(), StatusCode::kFailedPrecondition);
}

TEST_F(NightTest, AForgottenExampleEndsTheRunAndTheNextOneBeginsAnew) {
  options_.jobs.resize(1);
  auto night = Open();
  const NightReport report = Run(*night, [&](const NightEvent& event) {
    if (event.training.step == 3) {
      EXPECT_OK(world_.Open(options_.jobs[0].adaptation)->Forget({.ids = {2}}));
    }
  });
  EXPECT_EQ(report.records.back().event, LedgerEvent::kFailed);
  EXPECT_EQ(report.records.back().code, StatusCode::kFailedPrecondition);
  EXPECT_GT(report.next_attempt, report.records.back().when);
}

TEST_F(NightTest, OptionsThatMakeNoSenseAreRefused) {
  const auto refused = [&] { return Night::Open(platform_, options_).status(); };
  const NightOptions good = options_;
  options_.jobs[1].policy.name = "keys";
  EXPECT_THAT(refused().message(), HasSubstr("two jobs 'keys'"));
  options_ = good;
  options_.jobs[1].adaptation = options_.jobs[0].adaptation;
  EXPECT_THAT(refused().message(), HasSubstr("one adapter"));
  options_ = good;
  options_.jobs[1].policy.after = {"photos"};
  EXPECT_THAT(refused().message(), HasSubstr("'photos'"));
  options_.jobs[1].policy.after = {"notes"};
  EXPECT_THAT(refused().message(), HasSubstr("no other job"));
  options_ = good;
  options_.jobs[0].policy.name = "Keys!";
  EXPECT_THAT(refused().message(), HasSubstr("a-z0-9"));
  options_ = good;
  options_.concurrent = 0;
  EXPECT_EQ(refused().code(), StatusCode::kInvalidArgument);
  options_.jobs.clear();
  EXPECT_EQ(refused().code(), StatusCode::kInvalidArgument);
  options_ = good;
  platform_.monitor = nullptr;
  EXPECT_EQ(refused().code(), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace attune
