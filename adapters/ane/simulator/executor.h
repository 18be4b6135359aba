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

// What a simulated program may take unless something else is asked for.
inline constexpr std::int64_t kProgramMemoryBytes = std::int64_t{4} << 30;

struct ExecutorOptions {
  // Of parameters, constants and all intermediate results together, before they share
  // memory, and of scratch and the steps' own lists.
  std::int64_t memory_bytes = kProgramMemoryBytes;
  // Default: one of its own.
  std::shared_ptr<Workspace> workspace = nullptr;
};

// Of f32 arrays for parameters or results.
//
//   kResourceExhausted  more than `most`
Result<std::int64_t> ArrayBytes(std::span<const mil::Output> symbols, std::int64_t most);

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

  // Of ExecutorOptions::memory_bytes.
  virtual std::int64_t memory_bytes() const = 0;

  // What one run does.
  virtual const Work& work() const = 0;
};

}  // namespace attune::ane
