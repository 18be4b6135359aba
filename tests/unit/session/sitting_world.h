// A device on a virtual clock for tests of sittings: facts by the hour, work that
// takes time and computes nothing, a ledger in memory, and kills.

#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "schedule/memory_ledger.h"
#include "session/sitting.h"
#include "support/status_matchers.h"

namespace attune::testing {

inline constexpr double kNever = std::numeric_limits<double>::infinity();
inline constexpr std::int64_t kEvening = 1767304800;  // 2026-01-01 22:00 UTC.

// A kill ends the process: from then on no time passes, nothing is written, and
// the sitting is only asked to get out of the way.
class Device final : public Clock, public DeviceMonitor {
 public:
  double MonotonicSeconds() override { return now_; }
  std::int64_t UnixSeconds() override { return kEvening + static_cast<std::int64_t>(now_); }
  std::int32_t UtcOffsetSeconds(std::int64_t) override { return 0; }
  double ProcessCpuSeconds() override { return cpu_; }
  void Sleep(double seconds) override {
    longest_sleep = std::max(longest_sleep, seconds);
    Pass(seconds);
  }
  DeviceFacts Read() override { return facts(now_); }

  // False: killed on the way.
  bool Work(double seconds) {
    const double from = now_;
    const bool alive = Pass(seconds);
    cpu_ += now_ - from;
    return alive;
  }
  bool alive() const { return now_ < kill_at; }
  // Another process, some time later.
  void Restart(double later = 60) {
    now_ += later;
    kill_at = stop_at = insist_at = kNever;
    stop = std::make_unique<StopSignal>();
  }

  std::function<DeviceFacts(double)> facts = [](double) {
    return DeviceFacts{.power = PowerSource::kExternal};
  };
  std::unique_ptr<StopSignal> stop = std::make_unique<StopSignal>();
  double stop_at = kNever, insist_at = kNever, kill_at = kNever;
  double longest_sleep = 0;

 private:
  bool Pass(double seconds) {
    if (!alive()) return false;
    now_ = std::min(now_ + seconds, kill_at);
    if (now_ >= stop_at) stop->Ask();
    if (now_ >= insist_at || !alive()) stop->Insist();
    return alive();
  }

  double now_ = 1000, cpu_ = 0;
};

class FakeLedger final : public Ledger {
 public:
  explicit FakeLedger(Device& device) : device_(device) {}
  Status Append(const LedgerRecord& record) override {
    if (fails) return IoError("no ledger");
    if (unavailable > 0) {
      --unavailable;
      return Unavailable("another process has it");
    }
    return device_.alive() ? disk_.Append(record) : OkStatus();
  }
  Result<std::vector<LedgerRecord>> Read() override { return disk_.Read(); }
  const std::vector<LedgerRecord>& records() const { return disk_.records(); }
  bool fails = false;
  int unavailable = 0;  // So often.

 private:
  Device& device_;
  MemoryLedger disk_;
};

// Counts what happens to it.
class FakeWork final : public NightWork {
 public:
  explicit FakeWork(Device& device) : device_(device) {}

  Result<WorkNeeds> Needs() override { return WorkNeeds{new_examples, 0, saved_ > 0, saved_}; }
  Result<WorkProgress> Begin(std::int64_t memory_available, std::int64_t* needed) override {
    ++begin_tries;
    if (!begin_status.ok()) return begin_status;
    if (memory_available >= 0 && memory_available < memory) {
      *needed = memory;
      return ResourceExhausted("too big");
    }
    device_.Work(open_seconds);
    EXPECT_FALSE(open_);
    open_ = true;
    step_ = begun_ = saved_;
    ++begins;
    return Progress();
  }
  Result<WorkProgress> Step(FunctionRef<bool()> go_on) override {
    EXPECT_TRUE(open_);
    if (!step_status.ok() && step_ == fails_at) return step_status;
    if (step_ < steps && !test_due_) {
      const double before = device_.MonotonicSeconds();
      if (!device_.Work(step_seconds(step_))) return Progress();
      unsaved_seconds += device_.MonotonicSeconds() - before;
      ++step_;
      ++steps_done;
      test_due_ = test_every > 0 && step_ % test_every == 0;
    }
    for (int batch = 0; test_due_ && batch < test_batches; ++batch) {
      if (!go_on()) return Progress();
      device_.Work(batch_seconds);
    }
    test_due_ = false;
    return Progress();
  }
  Status Save() override {
    EXPECT_TRUE(open_);
    if (!save_status.ok()) return save_status;
    if (saves_in_vain > 0) {
      --saves_in_vain;
      return Unavailable("another process has it");
    }
    if (!device_.Work(save_seconds)) return OkStatus();
    saved_ = step_;
    unsaved_seconds = 0;
    ++saves;
    return OkStatus();
  }
  Result<WorkVerdict> Conclude(FunctionRef<bool()> go_on) override {
    EXPECT_EQ(saved_, steps);
    for (int batch = 0; batch < conclude_batches; ++batch) {
      if (!go_on()) return Cancelled("cut off");
      device_.Work(batch_seconds);
    }
    if (!device_.alive()) return Cancelled("killed");
    saved_ = 0;
    new_examples = 0;
    ++generations;
    return WorkVerdict{.event = LedgerEvent::kPromoted, .generation = generations};
  }
  void End() override {
    EXPECT_TRUE(open_ || !begin_status.ok() || memory > 0);
    open_ = test_due_ = false;
  }
  // What a kill leaves of it.
  void Restart() {
    open_ = test_due_ = false;
    unsaved_seconds = 0;
  }

  std::int64_t saved() const { return saved_; }

  std::int64_t steps = 20, new_examples = 100, memory = 0;
  std::function<double(std::int64_t)> step_seconds = [](std::int64_t) { return 1.0; };
  double open_seconds = 0.5, save_seconds = 0.1, batch_seconds = 0.2;
  std::int64_t test_every = 0, fails_at = -1;
  int test_batches = 0, conclude_batches = 5;
  Status begin_status, step_status, save_status;

  double unsaved_seconds = 0;
  std::int64_t steps_done = 0;
  int begin_tries = 0, begins = 0, saves = 0, saves_in_vain = 0;
  std::uint64_t generations = 0;

 private:
  WorkProgress Progress() const {
    return {1, step_, steps, begun_ > 0, step_ == steps && !test_due_};
  }

  Device& device_;
  bool open_ = false, test_due_ = false;
  std::int64_t step_ = 0, begun_ = 0, saved_ = 0;
};

// Jobs "a", "b", … on one device.
class SittingTest : public ::testing::Test {
 protected:
  SittingTest() {
    options.governor.lines.clear();
    options.max_loss_seconds = 5;
  }

  FakeWork& AddJob(JobPolicy policy = {}) {
    policy.name = std::string(1, static_cast<char>('a' + jobs.size()));
    policy.min_new_examples = 1;
    policy.windows = {};
    works.push_back(std::make_unique<FakeWork>(device));
    jobs.push_back({policy, works.back().get()});
    return *works.back();
  }
  SittingReport Run() {
    Sitting sitting({&device, &device, &ledger}, options, jobs, *device.stop);
    auto report = sitting.Run([&](const SittingEvent& event) {
      turns += *event.job;
      if (on_step) on_step(event);
    });
    EXPECT_OK(report);
    return report.ok() ? *std::move(report) : SittingReport{};
  }
  void Restart(double later = 60) {
    device.Restart(later);
    for (auto& work : works) work->Restart();
  }
  // "a:started a:finished a:promoted", of the whole ledger.
  std::string Told() const {
    std::string told;
    for (const LedgerRecord& record : ledger.records()) {
      if (!told.empty()) told += ' ';
      told += record.job + ':' + std::string(LedgerEventName(record.event));
      if (record.reason != Reason::kNone) {
        told += '(' + std::string(ReasonName(record.reason)) + ')';
      }
    }
    return told;
  }
  const LedgerRecord& Last() const { return ledger.records().back(); }

  Device device;
  FakeLedger ledger{device};
  SittingOptions options;
  std::vector<SittingJob> jobs;
  std::vector<std::unique_ptr<FakeWork>> works;
  std::string turns;
  std::function<void(const SittingEvent&)> on_step;
};

}  // namespace attune::testing
