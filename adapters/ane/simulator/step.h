// What the executor runs: steps over buffers of f32, all workers at once.
//
// Determinism: every element of a result is computed by one worker, in an order
// that does not depend on how many there are.

#pragma once

#include <cstdint>
#include <span>

#include "ports/parallel.h"

namespace attune::ane {

// Where a value begins: a buffer and how many elements into it.
struct Place {
  std::int32_t buffer = -1;
  std::int64_t offset = 0;
  bool operator==(const Place&) const = default;
};

// A step as one worker sees it.
struct Lane {
  int index = 0;
  int count = 1;
  Parallel* parallel = nullptr;
  std::span<float* const> buffers;
  // Of all workers together; as large as the step asked for.
  float* scratch = nullptr;

  float* At(const Place& place) const {
    return buffers[static_cast<std::size_t>(place.buffer)] + place.offset;
  }
  WorkRange Range(std::int64_t items, std::int64_t grain = 1) const {
    return RangeOf(index, count, items, grain);
  }
  // Between two phases of one step.
  void Barrier() const {
    if (count > 1) parallel->Barrier();
  }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void Run(const Lane& lane) const = 0;
};

}  // namespace attune::ane
