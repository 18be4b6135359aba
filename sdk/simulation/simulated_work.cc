#include "simulation/simulated_work.h"

#include <algorithm>

#include "attune/gate.h"
#include "base/strings.h"

namespace attune {
namespace {

constexpr double kBaseLoss = 4.2;  // Nats per token.
constexpr std::int64_t kStepsPerTest = 25;
constexpr int kTestPieces = 4;
// Below this no file can be written.
constexpr std::int64_t kLeastDisk = std::int64_t{1} << 20;

Status Killed() { return Cancelled("killed"); }

}  // namespace

SimulatedWork::SimulatedWork(std::size_t index, const SimulatedJob& job, std::uint64_t seed,
                             VirtualDevice& device, Referee& referee)
    : index_(index),
      job_(job),
      device_(device),
      referee_(referee),
      random_(seed, index),
      serving_loss_(kBaseLoss) {}

bool SimulatedWork::Spend(double seconds, double* took) {
  const double before = device_.now();
  const bool alive = device_.Work(seconds, seconds * job_.processors);
  const double passed = device_.now() - before;
  referee_.Used(index_, passed);
  if (took != nullptr) *took = passed;
  return alive;
}

double SimulatedWork::Stray() {
  const double heat = device_.facts().thermal >= ThermalState::kFair ? 1.3 : 1.0;
  return heat * (0.9 + 0.2 * static_cast<double>(random_.NextFloat()));
}

WorkProgress SimulatedWork::Progress() const {
  WorkProgress progress;
  progress.run = open_.run;
  progress.step = open_.step;
  progress.steps = job_.steps;
  progress.resumed = resumed_;
  progress.done = open_.step >= job_.steps;
  return progress;
}

Result<WorkNeeds> SimulatedWork::Needs() {
  WorkNeeds needs;
  needs.new_examples = examples_;
  needs.memory_needed = job_.memory_bytes;
  needs.unfinished = saved_.run != 0;
  return needs;
}

Result<WorkProgress> SimulatedWork::Begin(std::int64_t memory_available,
                                          std::int64_t* memory_needed) {
  *memory_needed = job_.memory_bytes;
  if (memory_available >= 0 && memory_available < job_.memory_bytes) {
    return ResourceExhausted(
        StrCat("memory: ", job_.memory_bytes, " bytes needed, ", memory_available, " available"));
  }
  if (!device_.facts().protected_data) return Unavailable("the device is locked");
  if (!device_.Live()) return Killed();
  resumed_ = saved_.run != 0;
  open_ = saved_;
  if (!resumed_) {
    open_.run = ++last_run_;
    open_.learned = examples_;
  }
  referee_.Opened(index_, open_.run, open_.step);
  if (!Spend(job_.open_seconds * Stray())) return Killed();
  return Progress();
}

Result<WorkProgress> SimulatedWork::Step(FunctionRef<bool()> go_on) {
  if (!device_.Live()) return Killed();
  referee_.StepBegins(index_);
  double took = 0;
  if (!Spend(job_.step_seconds * Stray(), &took)) return Killed();
  ++open_.step;
  referee_.StepEnded(index_, open_.step, took);
  if (open_.step % kStepsPerTest == 0) {
    for (int i = 0; i < kTestPieces && go_on(); ++i) {
      if (!Spend(job_.step_seconds / 2)) return Killed();
    }
  }
  return Progress();
}

Status SimulatedWork::Save() {
  if (!device_.Live()) return Killed();
  const double seconds = job_.save_seconds * Stray();
  if (!Spend(seconds / 2)) return Killed();
  if (device_.facts().disk_free >= 0 && device_.facts().disk_free < kLeastDisk) {
    return ResourceExhausted(
        StrCat("disk: ", device_.facts().disk_free, " bytes free, ", kLeastDisk, " needed"));
  }
  // Durable from here on, acknowledged only at the end.
  saved_ = open_;
  if (!Spend(seconds / 2)) return Killed();
  referee_.SaveAcknowledged(index_, open_.step, seconds);
  return OkStatus();
}

WorkVerdict SimulatedWork::MakeVerdict() {
  WorkVerdict verdict;
  verdict.base_loss = kBaseLoss;
  verdict.serving_loss = serving_loss_;
  const double luck = static_cast<double>(random_.NextFloat());
  const double gain = 0.06 * luck - 0.015;
  verdict.candidate_loss = serving_loss_ * (1 - gain);
  verdict.gain_low = gain - 0.01;
  verdict.anchor_change = 0.03 * static_cast<double>(random_.NextFloat()) * luck;
  verdict.generation = ++generation_;
  if (verdict.anchor_change > 0.02) {
    verdict.event = LedgerEvent::kRejected;
    verdict.gate_reason = static_cast<std::uint8_t>(GateReason::kForgets);
  } else if (verdict.gain_low > 0) {
    verdict.event = LedgerEvent::kPromoted;
    verdict.gate_reason = static_cast<std::uint8_t>(GateReason::kBetter);
    // What people write changes: a gain does not last.
    serving_loss_ = std::min(kBaseLoss, verdict.candidate_loss * 1.02);
  } else {
    verdict.event = LedgerEvent::kKept;
    verdict.gate_reason = static_cast<std::uint8_t>(GateReason::kNotBetterThanServing);
  }
  return verdict;
}

Result<WorkVerdict> SimulatedWork::Conclude(FunctionRef<bool()> go_on) {
  constexpr double kPiece = 0.25;
  for (double left = job_.conclude_seconds; left > 0; left -= kPiece) {
    if (!device_.Live()) return Killed();
    if (!go_on()) return Cancelled("asked to stop");
    if (!Spend(std::min(left, kPiece))) return Killed();
  }
  if (!device_.Live()) return Killed();
  examples_ = std::max<std::int64_t>(0, examples_ - open_.learned);
  saved_ = open_ = {};
  referee_.Concluded(index_);
  return MakeVerdict();
}

void SimulatedWork::End() {
  open_ = {};
  if (device_.Live()) referee_.Closed(index_);
}

}  // namespace attune
