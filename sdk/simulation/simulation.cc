#include "simulation/simulation.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "base/strings.h"
#include "schedule/memory_ledger.h"
#include "simulation/referee.h"
#include "simulation/simulated_work.h"
#include "simulation/virtual_device.h"

namespace attune {
namespace {

// On a disk that outlives processes; what a killed one appends never gets there.
class SimulatedLedger : public Ledger {
 public:
  SimulatedLedger(double append_seconds, VirtualDevice& device, Referee& referee)
      : append_seconds_(append_seconds), device_(device), referee_(referee) {}

  Status Append(const LedgerRecord& record) override {
    // Durable at the end of the first half, acknowledged at the end of the second.
    if (!device_.Work(append_seconds_ / 2, 0)) return OkStatus();
    ATTUNE_RETURN_IF_ERROR(disk_.Append(record));
    referee_.Recorded(record);
    device_.Work(append_seconds_ / 2, 0);
    return OkStatus();
  }
  Result<std::vector<LedgerRecord>> Read() override { return disk_.Read(); }

  const std::vector<LedgerRecord>& records() const { return disk_.records(); }

 private:
  double append_seconds_;
  VirtualDevice& device_;
  Referee& referee_;
  MemoryLedger disk_;
};

bool IsTime(double seconds, double max) { return seconds >= 0 && seconds <= max; }

Status Check(const std::vector<SimulatedJob>& jobs, const SimulationOptions& options) {
  if (jobs.empty()) return InvalidArgument("simulation: no job");
  if (!(options.wake_every_seconds >= 1)) {
    return InvalidArgument(StrCat("simulation: a wake-up every ", options.wake_every_seconds,
                                  " s; 1 or more are possible"));
  }
  ATTUNE_RETURN_IF_ERROR(CheckSittingOptions(options.sitting));
  if (options.sitting.wait && options.sitting.deadline_seconds == 0) {
    return InvalidArgument("simulation: a sitting that waits needs a deadline, or it never ends");
  }
  constexpr double kLongest = 86400;
  for (const SimulatedJob& job : jobs) {
    const bool is_twice = std::count_if(jobs.begin(), jobs.end(), [&](const SimulatedJob& other) {
                            return other.policy.name == job.policy.name;
                          }) > 1;
    if (is_twice) return InvalidArgument(StrCat("simulation: two jobs '", job.policy.name, "'"));
    if (job.steps < 1 || !(job.step_seconds > 0) || !IsTime(job.step_seconds, kLongest) ||
        !IsTime(job.save_seconds, kLongest) || !IsTime(job.open_seconds, kLongest) ||
        !IsTime(job.conclude_seconds, kLongest) || !IsTime(job.processors, 1024)) {
      return InvalidArgument(StrCat("simulation: job '", job.policy.name,
                                    "': a cost that is no time from 0 to ", kLongest,
                                    " s, or no step"));
    }
  }
  return OkStatus();
}

class Simulation {
 public:
  Simulation(const Trace& trace, const std::vector<SimulatedJob>& jobs,
             const SimulationOptions& options)
      : options_(options),
        end_(options.days > 0 ? std::min(trace.seconds, options.days * 86400.0) : trace.seconds),
        jobs_(jobs),
        device_(trace, [this](const TracePoint& point) { OnPoint(point); }),
        referee_(device_, jobs_, options_.sitting),
        ledger_(options.append_seconds, device_, referee_) {
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      works_.push_back(std::make_unique<SimulatedWork>(i, jobs_[i], options.sitting.seed + i,
                                                       device_, referee_));
    }
  }

  Result<Simulated> Run() && {
    const double every = options_.wake_every_seconds;
    for (double wake = 0; wake < end_; wake = (std::floor(device_.now() / every) + 1) * every) {
      device_.AdvanceTo(wake);
      if (device_.is_on()) ATTUNE_RETURN_IF_ERROR(WakeUp());
    }
    Simulated out = std::move(referee_).Finish();
    out.records = ledger_.records();
    return out;
  }

 private:
  void OnPoint(const TracePoint& point) {
    referee_.Happened(point);
    if (point.event != TraceEvent::kExamples) return;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      if (point.job.empty() || point.job == jobs_[i].policy.name) {
        works_[i]->AddExamples(point.count);
      }
    }
  }

  Status WakeUp() {
    StopSignal stop;
    device_.StartProcess(&stop);
    referee_.ProcessStarted();
    std::vector<SittingJob> jobs;
    for (std::size_t i = 0; i < jobs_.size(); ++i) {
      jobs.push_back({jobs_[i].policy, works_[i].get()});
    }
    Sitting sitting({&device_, &device_, &ledger_}, options_.sitting, std::move(jobs), stop);
    const auto report = sitting.Run([](const SittingEvent&) {});
    const bool alive = device_.EndProcess();
    referee_.ProcessEnded(alive);
    // What a killed process would have come back with does not matter.
    if (alive && !report.ok()) {
      return Internal(StrCat("simulation: a sitting ended with: ", report.status().message()));
    }
    return OkStatus();
  }

  const SimulationOptions& options_;
  double end_;
  std::vector<SimulatedJob> jobs_;
  std::vector<std::unique_ptr<SimulatedWork>> works_;
  VirtualDevice device_;
  Referee referee_;
  SimulatedLedger ledger_;
};

}  // namespace

Result<Simulated> Simulate(const Trace& trace, const std::vector<SimulatedJob>& jobs,
                           const SimulationOptions& options) {
  ATTUNE_RETURN_IF_ERROR(Check(jobs, options));
  return Simulation(trace, jobs, options).Run();
}

}  // namespace attune
