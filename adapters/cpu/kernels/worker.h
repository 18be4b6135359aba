// What a CPU kernel knows of the thread it runs on. Every kernel is called by
// all workers at once, does its own share, and returns; the executable places
// a barrier after it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ports/parallel.h"

namespace attune::cpu {

struct Worker {
  int index = 0;
  int count = 1;
  // Private to this worker, 64-byte aligned, contents undefined at entry.
  std::span<std::byte> scratch;
  Parallel* parallel = nullptr;

  // This worker's share of [0, items), in units of `grain`.
  WorkRange Range(std::int64_t items, std::int64_t grain = 1) const {
    return RangeOf(index, count, items, grain);
  }
  // Between two phases of one kernel.
  void Barrier() const {
    if (parallel != nullptr) parallel->Barrier();
  }
};

}  // namespace attune::cpu
