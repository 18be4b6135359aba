// Rewrites that keep the meaning of a graph. Each leaves a graph that verifies.

#pragma once

#include <cstdint>

#include "attune/status.h"
#include "graph/graph.h"

namespace attune {

// Removes nodes whose results nobody reads.
void RemoveDeadCode(Graph* graph);

// Computes nodes over constants now, with the reference kernels.
void FoldConstants(Graph* graph);

// Removes scale by 1, casts to the same type, reshapes to the same shape,
// transposes of transposes; joins chains of reshapes and of scales.
void EliminateIdentities(Graph* graph);

// Computes equal expressions once.
void EliminateCommonSubexpressions(Graph* graph);

// add(a, linear(x, W)) -> linear(x, W, accumulate=a): a GEMM with beta = 1; also
// for matmul and embedding_grad, and through chains of accumulators.
void FuseAccumulate(Graph* graph);

// A loss and its gradient over the same logits become one op that computes the
// logits once.
void FuseLoss(Graph* graph);

// All of the above in the order that pays.
void Optimize(Graph* graph);

struct RecomputePlan {
  std::int64_t peak_bytes = 0;  // Of the arena, after the rewrite.
  std::int64_t values = 0;      // Forward values computed again.
  std::int64_t candidates = 0;  // Of so many that could be.
};

// Activation checkpointing: computes forward values again just before the
// backward pass needs them instead of keeping them, cheapest first, until the
// memory plan fits `budget_bytes` or no candidate is left. The norm inputs (the
// residual stream) are always kept. `loss` is the output that ends the forward
// pass. Results are bit-identical.
RecomputePlan Recompute(Graph* graph, std::string_view loss, std::int64_t budget_bytes);

}  // namespace attune
