#include "ane/simulator/machine.h"

#include <algorithm>
#include <limits>
#include <mutex>

#include "ane/simulator/compiled.h"
#include "ane/simulator/refusals.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

struct LoadedProgram {
  std::shared_ptr<CompiledProgram> program;
  std::int64_t evaluations = 0;
};

// What a compiler leaves on disk; loading makes a program of it again.
struct KeptProgram {
  std::string mil;
  WeightBytes weights;
  std::weak_ptr<CompiledProgram> program;
};

// The error of a fault that is due at a stage.
std::optional<DeviceError> TakeFault(std::vector<Fault>* faults, Stage stage) {
  std::optional<DeviceError> due;
  for (Fault& fault : *faults) {
    if (fault.stage != stage) continue;
    if (fault.after > 0) {
      --fault.after;
    } else if (fault.times > 0 && !due) {
      --fault.times;
      due = fault.error;
      due->stage = stage;
    }
  }
  std::erase_if(*faults, [](const Fault& fault) { return fault.times <= 0; });
  return due;
}

std::int64_t RowsOf(const SymbolLayout& layout) { return layout.channels * layout.height; }

}  // namespace

struct Machine::State {
  explicit State(Parallel* workers) : parallel(*workers) {}

  std::mutex mutex;
  Parallel& parallel;
  std::shared_ptr<Workspace> workspace = MakeWorkspace();
  std::map<std::string, KeptProgram> compiled;
  std::shared_ptr<CompiledProgram> fresh;  // Compiled last and not loaded yet.
  std::map<ProgramHandle, LoadedProgram> loaded;
  ProgramHandle next_handle = 1;
  std::int64_t window_bytes = 0;  // Of all that is loaded.
  std::int64_t wrapper_compiles = 0;
  std::vector<Fault> faults;
  DeviceCounters counters;
  double now = 0, last_evaluation = 0;  // Seconds.

  std::optional<DeviceError> CheckSurfaces(const CompiledProgram& program,
                                           const Procedure& procedure, const Target& target,
                                           std::span<const std::span<std::byte>> inputs,
                                           std::span<const std::span<std::byte>> outputs) const;
  std::shared_ptr<CompiledProgram> Build(const KeptProgram& kept, const MachineOptions& options,
                                         DeviceError* error);
  void Execute(Procedure* procedure, std::span<const std::span<std::byte>> inputs,
               std::span<const std::span<std::byte>> outputs);
  void Account(const ChipCost& chip, const Procedure& procedure, LoadedProgram* loaded_program);
};

Machine::Machine(const MachineOptions& options, Parallel* parallel)
    : options_(options), state_(std::make_unique<State>(parallel)) {}

Machine::~Machine() = default;

std::shared_ptr<CompiledProgram> Machine::State::Build(const KeptProgram& kept,
                                                       const MachineOptions& options,
                                                       DeviceError* error) {
  return CompileProgram(kept.mil, kept.weights, options, workspace, &parallel, error);
}

std::optional<DeviceError> Machine::Compile(const std::string& identity, std::string_view mil,
                                            const WeightBytes& weights) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (auto fault = TakeFault(&state.faults, Stage::kCompile)) return fault;
  if (options_.wrapper_compiles > 0 && state.wrapper_compiles >= options_.wrapper_compiles) {
    return WrapperIsExhausted(state.wrapper_compiles);
  }
  ++state.wrapper_compiles;
  DeviceError error;
  KeptProgram kept = {.mil = std::string(mil), .weights = weights, .program = {}};
  state.fresh.reset();
  const std::shared_ptr<CompiledProgram> program = state.Build(kept, options_, &error);
  if (program == nullptr) return error;
  kept.program = state.fresh = program;
  const double seconds = PredictCompile(CostOf(options_.target.chip), program->work);
  state.compiled[identity] = std::move(kept);
  ++state.counters.compiles;
  state.counters.predicted_load_seconds += seconds;
  state.now += seconds;
  return std::nullopt;
}

bool Machine::IsCompiled(const std::string& identity) const {
  const std::lock_guard lock(state_->mutex);
  return state_->compiled.count(identity) > 0;
}

void Machine::Purge(const std::string& identity) {
  const std::lock_guard lock(state_->mutex);
  state_->compiled.erase(identity);
}

std::optional<DeviceError> Machine::Load(const std::string& identity, ProgramHandle* handle) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (auto fault = TakeFault(&state.faults, Stage::kLoad)) return fault;
  const auto found = state.compiled.find(identity);
  if (found == state.compiled.end()) return NotCompiled();
  const auto count = static_cast<std::int64_t>(state.loaded.size());
  if (count >= options_.max_programs) {
    return TooManyPrograms(options_.target.os, count, options_.max_programs);
  }
  KeptProgram& kept = found->second;
  DeviceError error;
  std::shared_ptr<CompiledProgram> program = kept.program.lock();
  if (program == nullptr) program = state.Build(kept, options_, &error);
  if (program == nullptr) return error;
  kept.program = program;
  const std::int64_t window = state.window_bytes + program->weight_bytes;
  if (window > options_.window_bytes || program->refused_on_load) {
    return WindowIsFull(window, options_.window_bytes);
  }
  state.window_bytes = window;
  *handle = state.next_handle++;
  if (state.fresh == program) state.fresh.reset();
  state.loaded[*handle] = {std::move(program), 0};
  ++state.counters.loads;
  const double seconds = CostOf(options_.target.chip).load_seconds;
  state.counters.predicted_load_seconds += seconds;
  state.now += seconds;
  return std::nullopt;
}

std::optional<DeviceError> Machine::Unload(ProgramHandle handle) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (auto fault = TakeFault(&state.faults, Stage::kUnload)) return fault;
  const auto found = state.loaded.find(handle);
  if (found == state.loaded.end()) return NotLoaded(Stage::kUnload);
  state.window_bytes -= found->second.program->weight_bytes;
  state.loaded.erase(found);
  // The next program may need less.
  if (state.loaded.empty() && state.fresh == nullptr) state.workspace = MakeWorkspace();
  ++state.counters.unloads;
  return std::nullopt;
}

std::int64_t Machine::procedures(ProgramHandle handle) const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<std::int64_t>(state_->loaded.at(handle).program->procedures.size());
}

Symbols Machine::symbols(ProgramHandle handle, std::int64_t procedure) const {
  const std::lock_guard lock(state_->mutex);
  const CompiledProgram& program = *state_->loaded.at(handle).program;
  return program.procedures.at(static_cast<std::size_t>(procedure)).order.symbols;
}

std::optional<DeviceError> Machine::State::CheckSurfaces(
    const CompiledProgram& program, const Procedure& procedure, const Target& target,
    std::span<const std::span<std::byte>> inputs,
    std::span<const std::span<std::byte>> outputs) const {
  const Symbols& symbols = procedure.order.symbols;
  if (inputs.size() != symbols.inputs.size() || outputs.size() != symbols.outputs.size()) {
    return SurfacesDoNotFit(StrCat(inputs.size(), " inputs and ", outputs.size(), " outputs for ",
                                   symbols.inputs.size(), " and ", symbols.outputs.size(),
                                   " symbols"));
  }
  for (const auto& [surfaces, layouts] :
       {std::pair(inputs, &symbols.inputs), std::pair(outputs, &symbols.outputs)}) {
    for (std::size_t i = 0; i < surfaces.size(); ++i) {
      const SymbolLayout& layout = (*layouts)[i];
      const auto bytes = static_cast<std::int64_t>(surfaces[i].size());
      if (bytes < layout.bytes()) {
        return SurfaceIsSmall(target.os, layout.name, bytes, layout.bytes());
      }
    }
  }
  if (program.refused_on_evaluation) return SurfacesDoNotFit(*program.refused_on_evaluation);
  return std::nullopt;
}

void Machine::State::Execute(Procedure* procedure, std::span<const std::span<std::byte>> inputs,
                             std::span<const std::span<std::byte>> outputs) {
  const SurfaceOrder& order = procedure->order;
  const int workers = parallel.workers();
  parallel.Run([&](int worker) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const SymbolLayout& layout = order.symbols.inputs[i];
      ReadSurface(layout, inputs[i], procedure->inputs[order.inputs[i]],
                  RangeOf(worker, workers, RowsOf(layout)));
    }
  });
  const std::vector<std::span<const float>> in(procedure->inputs.begin(), procedure->inputs.end());
  const std::vector<std::span<float>> out(procedure->outputs.begin(), procedure->outputs.end());
  // Sizes are those of the executor itself.
  procedure->executor->Run(in, out).Ignore();
  for (std::vector<float>& values : procedure->outputs) {
    if (procedure->reads_nan) {
      std::fill(values.begin(), values.end(), std::numeric_limits<float>::quiet_NaN());
    }
    if (procedure->reads_zero) std::fill(values.begin(), values.end(), 0.0f);
  }
  parallel.Run([&](int worker) {
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const SymbolLayout& layout = order.symbols.outputs[i];
      WriteSurface(layout, procedure->outputs[order.outputs[i]], outputs[i],
                   RangeOf(worker, workers, RowsOf(layout)));
    }
  });
}

void Machine::State::Account(const ChipCost& chip, const Procedure& procedure,
                             LoadedProgram* loaded_program) {
  const Prediction prediction = PredictEvaluation(
      chip, procedure.executor->work(), loaded_program->evaluations, now - last_evaluation);
  ++loaded_program->evaluations;
  ++counters.evaluations;
  counters.predicted_seconds += prediction.seconds;
  counters.predicted_joules += prediction.joules;
  now += prediction.seconds;
  last_evaluation = now;
}

std::optional<DeviceError> Machine::Evaluate(ProgramHandle handle, std::int64_t procedure,
                                             std::span<const std::span<std::byte>> inputs,
                                             std::span<const std::span<std::byte>> outputs) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (auto fault = TakeFault(&state.faults, Stage::kEvaluate)) return fault;
  const auto found = state.loaded.find(handle);
  if (found == state.loaded.end()) return NotLoaded(Stage::kEvaluate);
  CompiledProgram& program = *found->second.program;
  const auto count = static_cast<std::int64_t>(program.procedures.size());
  if (procedure < 0 || procedure >= count) return NoSuchProcedure(procedure, count);
  Procedure& chosen = program.procedures[static_cast<std::size_t>(procedure)];
  if (auto error = state.CheckSurfaces(program, chosen, options_.target, inputs, outputs)) {
    return error;
  }
  state.Execute(&chosen, inputs, outputs);
  state.Account(CostOf(options_.target.chip), chosen, &found->second);
  return std::nullopt;
}

void Machine::Inject(Fault fault) {
  const std::lock_guard lock(state_->mutex);
  state_->faults.push_back(std::move(fault));
}

void Machine::Idle(double seconds) {
  const std::lock_guard lock(state_->mutex);
  state_->now += std::max(0.0, seconds);
}

std::int64_t Machine::memory_bytes() const {
  const std::lock_guard lock(state_->mutex);
  std::int64_t bytes = 0;
  for (const auto& [identity, kept] : state_->compiled) {
    if (const auto program = kept.program.lock()) bytes += program->memory_bytes;
  }
  return bytes;
}

DeviceCounters Machine::counters() const {
  const std::lock_guard lock(state_->mutex);
  DeviceCounters counters = state_->counters;
  counters.programs = static_cast<std::int64_t>(state_->loaded.size());
  return counters;
}

}  // namespace attune::ane
