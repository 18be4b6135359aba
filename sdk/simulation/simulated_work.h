// Work that costs the time of a virtual device and computes nothing, and the disk on
// which it saves: what was durable at a kill is what the next process finds.
//
// Threads: one at a time.

#pragma once

#include <cstdint>

#include "base/philox.h"
#include "session/night_work.h"
#include "simulation/referee.h"
#include "simulation/simulation.h"
#include "simulation/virtual_device.h"

namespace attune {

class SimulatedWork : public NightWork {
 public:
  // None is owned.
  SimulatedWork(std::size_t index, const SimulatedJob& job, std::uint64_t seed,
                VirtualDevice& device, Referee& referee);

  void AddExamples(std::int64_t count) { examples_ += count; }

  Result<WorkNeeds> Needs() override;
  Result<WorkProgress> Begin(std::int64_t memory_available, std::int64_t* memory_needed) override;
  Result<WorkProgress> Step(FunctionRef<bool()> go_on) override;
  Status Save() override;
  Result<WorkVerdict> Conclude(FunctionRef<bool()> go_on) override;
  void End() override;

 private:
  // What lies on the disk: outlives processes.
  struct Saved {
    std::uint64_t run = 0;  // 0: nothing unfinished.
    std::int64_t step = 0;
    std::int64_t learned = 0;  // Examples of the run.
  };

  // Passes time at work; false: killed. `*took`: how much of it had passed by then.
  bool Spend(double seconds, double* took = nullptr);
  double Stray();  // About 1; more in heat.
  WorkProgress Progress() const;
  WorkVerdict MakeVerdict();

  std::size_t index_;
  const SimulatedJob& job_;
  VirtualDevice& device_;
  Referee& referee_;
  Philox random_;

  Saved saved_;
  std::int64_t examples_ = 0;  // New ones.
  std::uint64_t last_run_ = 0, generation_ = 0;
  double serving_loss_;

  Saved open_;  // In memory.
  bool resumed_ = false;
};

}  // namespace attune
