// Parallel runs a fixed number of workers, the caller being worker 0.
//
// Determinism: which worker gets which part of the work is a pure function of
// the worker count, so results are identical for a fixed count.
// Threads: Run() from one thread at a time; not reentrant.

#pragma once

#include <algorithm>
#include <cstdint>

#include "base/function_ref.h"

namespace attune {

class Parallel {
 public:
  virtual ~Parallel() = default;

  // How many workers Run() uses; constant over the object's life, at least 1.
  virtual int workers() const = 0;

  // Calls body(worker) once for every worker in [0, workers()), concurrently,
  // and returns when all are done.
  virtual void Run(FunctionRef<void(int worker)> body) = 0;

  // Inside Run(): waits until every worker has called it as often. A worker
  // sees all that the others wrote before.
  virtual void Barrier() = 0;
};

// The half-open range of [0, count) that `worker` of `workers` gets, in units
// of `grain` items: contiguous, balanced, and the same every time.
struct WorkRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};
inline WorkRange RangeOf(int worker, int workers, std::int64_t count, std::int64_t grain = 1) {
  const std::int64_t units = (count + grain - 1) / grain;
  const std::int64_t begin = units * worker / workers * grain;
  const std::int64_t end = units * (worker + 1) / workers * grain;
  return {std::min(begin, count), std::min(end, count)};
}

// Everything on the calling thread.
class SerialParallel final : public Parallel {
 public:
  int workers() const override { return 1; }
  void Run(FunctionRef<void(int)> body) override { body(0); }
  void Barrier() override {}
};

}  // namespace attune
