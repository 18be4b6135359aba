// Reverse-mode differentiation, once, in graph ops.

#pragma once

#include <span>
#include <vector>

#include "attune/status.h"
#include "graph/graph.h"

namespace attune {

// Appends to `graph` the nodes that compute seed * d loss / d w for each w in
// `wrt`, and returns those gradients in the same order. Only what `wrt` needs
// is built: no weight gradients for other parameters and no input gradients
// below the lowest w. `loss` and `seed` are f32 [1]; the seed carries the loss
// scale.
//
//   kInvalidArgument  the loss is not a scalar, or does not depend on a w
//   kUnsupported      an op on the way has no gradient, or none for the operand
//                     or result in question; named
Result<std::vector<ValueId>> Differentiate(Graph* graph, ValueId loss, ValueId seed,
                                           std::span<const ValueId> wrt);

}  // namespace attune
