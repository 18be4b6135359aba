// A plan that is ready to run: its programs loaded, its surfaces allocated, its host
// steps compiled. A run goes through the steps in order; what passes between programs
// stays on the device.
//
// Threads: an executable from one at a time; those of one backend take turns.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ane/compiler/plan.h"
#include "ane/runtime/host_step.h"
#include "ane/runtime/host_values.h"
#include "ane/runtime/loss_tail.h"
#include "ane/runtime/parity.h"
#include "ane/runtime/program_cache.h"
#include "ane/runtime/surface_set.h"
#include "compute/backend.h"
#include "ports/parallel.h"

namespace attune::ane {

// What the executables of one backend share, and what outlives the backend with them.
// Device, host and `workers` are borrowed.
struct Shared {
  Device& device;
  Backend& host;
  Parallel* workers = nullptr;  // Null: the calling thread.
  ProgramCache cache;
  std::int64_t check_every = 0;
  double tolerance = 0;
  std::int64_t runs = 0, checks = 0;
  double worst_difference = 0;
  // How a program is written down; Emit() but for tests.
  std::function<Result<ProgramImage>(const Region&, std::span<const SurfaceSpec>, ElementType)>
      emit;
  SerialParallel serial{};
  // Held while one of them uses the device, the host backend or what is counted here.
  std::mutex mutex{};

  // Of executables that the host runs instead, and why, the last time.
  std::int64_t fallbacks = 0;
  std::string fallback_reason{};

  // REQUIRES: the mutex is held.
  void CountFallback(std::string reason) {
    ++fallbacks;
    fallback_reason = std::move(reason);
  }
  Parallel& parallel() { return workers != nullptr ? *workers : serial; }
};

class HybridExecutable final : public Executable {
 public:
  // `frozen` must outlive it. `graph`, which the plan was made of, is what
  // runs are compared with.
  static Result<std::unique_ptr<HybridExecutable>> Create(std::shared_ptr<Shared> shared,
                                                          const Graph& graph, Plan plan,
                                                          const FrozenParameters& frozen,
                                                          const CompileOptions& options);
  // What Create() would take.
  static Result<MemoryReport> PredictMemory(const Shared& shared, const Graph& graph,
                                            const Plan& plan, const FrozenParameters& frozen,
                                            const CompileOptions& options);
  ~HybridExecutable() override;

  Result<std::span<std::byte>> Input(std::string_view name) override { return values_.Input(name); }
  Status Bind(std::string_view name, std::span<std::byte> storage) override;
  Result<TensorView> Output(std::string_view name) override { return values_.Output(name); }
  Status Run() override;
  Result<std::optional<std::string>> FindNonFinite() override;
  const MemoryReport& memory() const override { return memory_; }

  // A program failed for good: what Run() or FindNonFinite() returned is the device's.
  bool device_failed() const { return device_failed_; }
  // Gives back what it has of the device and the host backend; only Input() and memory()
  // are of use from then on.
  void ReleaseDevice();

 private:
  HybridExecutable(std::shared_ptr<Shared> shared, Plan plan, const FrozenParameters& frozen);

  // --- Made once: hybrid_setup.cc ---
  Status PrepareSteps(const FrozenParameters& frozen, const CompileOptions& options);
  Status PrepareProgram(std::size_t index);
  Result<std::vector<Surface*>> SurfacesOf(const std::vector<SymbolLayout>& symbols,
                                           const std::map<std::string, SurfaceId>& known);
  Status UploadConstants();

  // --- A run ---
  // Looks at what each step made when `found` is given, and stops at the first
  // that is not finite.
  Status RunSteps(std::optional<std::string>* found);
  Status Execute(std::size_t step, std::optional<std::string>* found);
  Status Do(const Upload& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const Download& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const RunPrograms& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const RunHost& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const MakeMask& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const MakeRotation& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const LossTail& step, std::size_t index, std::optional<std::string>* found);
  Status Do(const MakeDropoutMask& step, std::size_t index, std::optional<std::string>* found);
  Status UploadValue(const Upload& step);

  // --- Names of what is not finite: non_finite.cc ---
  Status LookAtSurface(SurfaceId surface, const std::string& what,
                       std::optional<std::string>* found) const;
  Status LookAtProgram(std::size_t index, std::optional<std::string>* found) const;
  std::string ValueText(ValueId id) const;

  std::shared_ptr<Shared> shared_;
  Plan plan_;  // Its graph has the caller's values, and those computed again after them.
  HostValues values_;
  MemoryReport memory_;
  std::shared_ptr<SurfaceSet> surfaces_;
  std::vector<ProgramUse> programs_;                  // By the plan's programs.
  std::vector<std::unique_ptr<HostStep>> hosts_;      // By step; null elsewhere.
  std::vector<std::unique_ptr<LossTailStep>> tails_;  // Likewise.
  std::unique_ptr<ParityCheck> parity_;
  std::int64_t runs_ = 0;
  bool device_failed_ = false;
  bool linked_ = false;  // Host steps know where their operands are.
};

// "backward 2 (model.layers.3.mlp.down_proj to model.layers.2.mlp.up_proj)".
std::string ProgramText(const Region& region);

}  // namespace attune::ane
