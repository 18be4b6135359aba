// A machine with a Neural Engine, seen from the framework's side: it compiles,
// loads, evaluates and unloads programs, enforces the limits of its chip and system,
// and answers with their error codes. The simulated device and the stand-in of the
// private framework are both fronts of it.
//
// Threads: any; one call at a time inside.

#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/cost/cost.h"
#include "ane/device/device.h"
#include "ane/device/errors.h"
#include "ane/simulator/numerics.h"
#include "ports/parallel.h"

namespace attune::ane {

struct MachineOptions {
  Target target;
  bool exact = false;                                 // ExactNumerics() instead of the chip's.
  std::int64_t max_programs = 127;                    // Loaded at once, over all processes.
  std::int64_t window_bytes = std::int64_t{4} << 30;  // Weights mapped at once.
  // Compiles after which the in-memory wrapper of old systems fails; 0: never.
  std::int64_t wrapper_compiles = 0;
  // What the simulation itself may take for one program: surfaces' values, constants
  // and results of all its functions.
  std::int64_t memory_bytes = std::int64_t{4} << 30;
};

// What goes wrong on purpose, once each, at the n-th call from now (0: the next).
struct Fault {
  Stage stage = Stage::kEvaluate;
  std::int64_t after = 0;
  std::int64_t times = 1;
  DeviceError error;
};

using ProgramHandle = std::int64_t;

// An input or output of a procedure as modelAttributes tells it, and its place in
// the sorted symbol table.
struct Symbols {
  std::vector<SymbolLayout> inputs, outputs;
};

class Machine {
 public:
  Machine(const MachineOptions& options, Parallel* parallel);
  ~Machine();

  const MachineOptions& options() const { return options_; }

  // The compiler: validates text and weights against the constraints that make a
  // compilation fail. On success the program is kept under `identity`; what breaks a
  // constraint that shows later makes loading or evaluating fail, or corrupts.
  std::optional<DeviceError> Compile(const std::string& identity, std::string_view mil,
                                     const std::map<std::string, std::vector<std::byte>>& weights);
  bool IsCompiled(const std::string& identity) const;
  void Purge(const std::string& identity);

  std::optional<DeviceError> Load(const std::string& identity, ProgramHandle* handle);
  std::optional<DeviceError> Unload(ProgramHandle handle);

  // Of a loaded program. REQUIRES: loaded, procedure < procedures().
  std::int64_t procedures(ProgramHandle handle) const;
  Symbols symbols(ProgramHandle handle, std::int64_t procedure = 0) const;

  // Buffers in symbol order; sizes are checked against the layouts.
  std::optional<DeviceError> Evaluate(ProgramHandle handle, std::int64_t procedure,
                                      std::span<const std::span<std::byte>> inputs,
                                      std::span<const std::span<std::byte>> outputs);

  void Inject(Fault fault);

  // Time passes with nothing to do. Compiling, loading and evaluating take what the
  // cost model says, by the same clock.
  void Idle(double seconds);

  // Programs, compiles, loads, unloads, evaluations and the predicted times; the
  // surfaces are the front's business.
  DeviceCounters counters() const;

  // Of MachineOptions::memory_bytes, for each program that is loaded and for the one
  // compiled last; of others only texts and weight files are kept.
  std::int64_t memory_bytes() const;

 private:
  struct State;
  MachineOptions options_;
  std::unique_ptr<State> state_;
};

}  // namespace attune::ane
