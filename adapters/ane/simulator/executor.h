// Runs one function of a MIL program on data in memory. Knows nothing but the text,
// the weight files and the numerics it is given. Deterministic for any number of
// workers.
//
// Threads: one at a time per executor.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/cost/cost.h"
#include "ane/mil/ast.h"
#include "ane/simulator/numerics.h"
#include "attune/status.h"
#include "ports/parallel.h"

namespace attune::ane {

// Memory for intermediate results. Executors that never run at the same time can
// share it: it is as large as the largest of them needs.
class Workspace;
std::shared_ptr<Workspace> MakeWorkspace();

struct ExecutorOptions {
  // Of constants and of all intermediate results together, before they share memory.
  std::int64_t memory_bytes = std::int64_t{16} << 30;
  // Default: one of its own.
  std::shared_ptr<Workspace> workspace = nullptr;
};

class Executor {
 public:
  virtual ~Executor() = default;

  // Prepares a function: resolves names, shapes and ops, reads constants. `parallel`
  // must outlive the executor, program and weights need not.
  //
  //   kInvalidArgument    line and column; an op, argument, type or shape that is wrong
  //   kUnsupported        an op of the dialect that is not simulated; named
  //   kDataLoss           a weight record that does not hold what the text says
  //   kResourceExhausted  more memory than allowed
  static Result<std::unique_ptr<Executor>> Create(const mil::Program& program,
                                                  std::string_view function,
                                                  const WeightFiles& weights,
                                                  const Numerics& numerics, Parallel* parallel,
                                                  const ExecutorOptions& options = {});

  // Parameters and results in the order of the text.
  virtual const std::vector<mil::Output>& parameters() const = 0;
  virtual const std::vector<mil::Output>& results() const = 0;

  // Nothing is allocated.
  //
  //   kInvalidArgument  the wrong number of elements
  virtual Status Run(std::span<const std::span<const float>> inputs,
                     std::span<const std::span<float>> outputs) = 0;

  // What one run does.
  virtual const Work& work() const = 0;
};

}  // namespace attune::ane
