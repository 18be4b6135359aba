// A part of the graph that the host backend runs: compiled once, its leaves bound to
// where the plan's values lie, so that nothing is copied between steps.

#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ane/compiler/plan.h"
#include "ane/runtime/host_values.h"
#include "attune/status.h"
#include "compute/backend.h"

namespace attune::ane {

// "v12": what a host step calls the plan's value 12.
std::string HostName(ValueId id);

class HostStep {
 public:
  static Result<std::unique_ptr<HostStep>> Compile(const RunHost& step, Backend& host,
                                                   const FrozenParameters& frozen,
                                                   const CompileOptions& options);

  // A trainable parameter of the plan; nothing happens when the step does not read it.
  Status Bind(std::string_view parameter, std::span<std::byte> storage);

  // Runs. With `link`, first finds the operands in `values`, and afterwards tells it
  // where the results are.
  Status Run(HostValues* values, bool link);
  // Likewise, looking at every value: the first that is not finite.
  Result<std::optional<std::string>> FindNonFinite(HostValues* values, bool link);

  const MemoryReport& memory() const { return executable_->memory(); }

 private:
  // An operand whose address the host backend would not take: copied each run.
  struct Copy {
    std::span<std::byte> to;
    const std::byte* from = nullptr;
  };

  Status LinkInputs(const HostValues& values);
  Status LinkOutputs(HostValues* values);
  void CopyInputs() const;

  Graph graph_;
  std::vector<ValueId> inputs_, outputs_;
  std::unique_ptr<Executable> executable_;
  std::vector<Copy> copies_;
};

}  // namespace attune::ane
