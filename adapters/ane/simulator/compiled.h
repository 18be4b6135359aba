// A program as the machine's compiler leaves it: a procedure for every function.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ane/simulator/executor.h"
#include "ane/simulator/layout.h"
#include "ane/simulator/machine.h"

namespace attune::ane {

struct Procedure {
  std::unique_ptr<Executor> executor;
  SurfaceOrder order;
  std::vector<std::vector<float>> inputs, outputs;  // In the order of the text.
  bool reads_zero = false;                          // A width is too small for this chip.
  bool reads_nan = false;                           // Its only result is an identity.
};

struct CompiledProgram {
  std::vector<Procedure> procedures;
  std::int64_t weight_bytes = 0;
  std::int64_t memory_bytes = 0;  // Of the simulation, MachineOptions::memory_bytes.
  Work work;                      // Of all procedures.
  // Rules broken that show only later.
  std::optional<std::string> refused_on_load, refused_on_evaluation;
};

using WeightBytes = std::map<std::string, std::vector<std::byte>>;

// Null, and why in `error`, where the compiler refuses.
std::shared_ptr<CompiledProgram> CompileProgram(std::string_view mil, const WeightBytes& weights,
                                                const MachineOptions& options,
                                                const std::shared_ptr<Workspace>& workspace,
                                                Parallel* parallel, DeviceError* error);

}  // namespace attune::ane
