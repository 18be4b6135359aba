// The reference interpreter: runs a graph with each op's naive kernel, in
// double. Slow, obvious, and what every backend is compared with.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "attune/status.h"
#include "base/function_ref.h"
#include "graph/op_schema.h"

namespace attune {

// Values of the inputs and parameters by name; constants are known.
using ReferenceFeeds = std::map<std::string, std::vector<double>>;

// Every output of the graph by name. kInvalidArgument when a leaf is missing
// or has the wrong number of elements (both numbers are named).
Result<std::map<std::string, ReferenceTensor>> EvaluateReference(const Graph& graph,
                                                                 const ReferenceFeeds& feeds);

// Sees the results of each node as soon as it has run.
using NodeVisitor = FunctionRef<void(const Node&, std::span<const ReferenceTensor> results)>;

// The same, showing every node to `visit`.
Result<std::map<std::string, ReferenceTensor>> EvaluateReference(const Graph& graph,
                                                                 const ReferenceFeeds& feeds,
                                                                 NodeVisitor visit);

// One node on given operands.
std::vector<ReferenceTensor> EvaluateNode(const Graph& graph, const Node& node,
                                          std::span<const ReferenceTensor* const> inputs);

}  // namespace attune
