// The Referee watches a simulation from outside of what is simulated: true facts,
// true times, what was saved and what was lost. It shares no code with the policy,
// the history or the runner that it judges.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/simulation.h"
#include "simulation/virtual_device.h"

namespace attune {

class Referee {
 public:
  // None is owned.
  Referee(const VirtualDevice& device, const std::vector<SimulatedJob>& jobs,
          const SittingOptions& options);

  // --- Of the device ---

  // A point of the trace is in force.
  void Happened(const TracePoint& point);
  void ProcessStarted();
  void ProcessEnded(bool alive);

  // --- Of the work; `job` is an index ---

  void Opened(std::size_t job, std::uint64_t run, std::int64_t step);
  void StepBegins(std::size_t job);
  void StepEnded(std::size_t job, std::int64_t step, double seconds);
  void SaveAcknowledged(std::size_t job, std::int64_t step, double seconds);
  void Concluded(std::size_t job);
  void Closed(std::size_t job);
  // Time at work, up to now, whatever for.
  void Used(std::size_t job, double seconds);

  // --- Of the ledger ---

  void Recorded(const LedgerRecord& record);

  // So far; budgets are counted at the end.
  const Simulated& counts() const { return counts_; }
  Simulated Finish() &&;

 private:
  struct Job {
    std::uint64_t run = 0;
    bool open = false;
    std::int64_t furthest = 0;   // Step ever reached in this run.
    std::int64_t promised = 0;   // Step said to be saved.
    double unsaved_seconds = 0;  // Of training.
    double longest_step = 0, longest_save = 0;
    double broken_since = 0;  // Conditions; kHold: they hold.
    double observed = 0;
    // Seconds at work. While the clock has never been set, by local day and by run and
    // night; from then on by run and night, and by true hour.
    std::map<std::int64_t, double> by_day, by_hour;
    std::map<std::pair<std::uint64_t, std::int64_t>, double> by_run_and_night, later_by_run;
  };

  void Observe(std::size_t job, bool at_change);
  void Violated(std::int64_t Simulated::*counter, std::size_t job, const std::string& what,
                std::int64_t count = 1);
  // `times`: how often the limit may be used.
  void CheckBudget(std::size_t job, const Budget& limit, double times, double used,
                   const std::string& of);
  void CheckHours(std::size_t job, int days);

  const VirtualDevice& device_;
  const std::vector<SimulatedJob>& jobs_;
  const SittingOptions& options_;
  std::vector<Job> states_;
  bool clock_was_set_ = false;
  std::vector<double> jumps_ahead_;  // When, true seconds.
  Simulated counts_;
};

}  // namespace attune
