// Lowering turns a graph and its memory plan into a Program: one or a few
// instructions a node, adjacent nodes joined where one kernel does both.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "compute/backend.h"
#include "cpu/head_loss.h"
#include "cpu/product.h"
#include "cpu/program.h"
#include "graph/memory_plan.h"

namespace attune::cpu {

// A frozen weight that a product reads in packed form.
struct PackedUse {
  const std::byte* weight = nullptr;
  std::shared_ptr<Product> product;
};

// An input whose elements index a table: checked against `limit` every run.
struct IndexUse {
  ValueId leaf = kNoValue;
  std::int64_t limit = 0;
};

struct LoweredProgram {
  Program program;
  MemoryPlan plan;
  std::vector<std::int64_t> slots;  // Per value: offset of an input's slot, or -1.
  std::int64_t slot_bytes = 0;
  std::int64_t converted_bytes = 0;
  std::int64_t shared_bytes = 0;
  std::int64_t scratch_bytes = 0;  // Of one worker.
  std::vector<PackedUse> packed;
  std::vector<IndexUse> indices;
};

// Allocates nothing the size of a tensor. Errors: an op or dtype that this
// backend has no kernel for (kUnsupported).
Result<LoweredProgram> Lower(const Graph& graph, const FrozenParameters& frozen,
                             const CompileOptions& options, int workers);

}  // namespace attune::cpu
