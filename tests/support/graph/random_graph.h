// Small random programs that mix the operators, for property tests of passes,
// memory plans and backends.

#pragma once

#include <cstdint>

#include "support/graph/op_cases.h"

namespace attune::testing {

struct RandomGraphOptions {
  int operators = 14;
  bool gradients = true;   // Ends in a loss and its gradients.
  bool constants = false;  // Some operands are constants.
};

// A graph that verifies, its feeds, and as outputs "loss" and "d_<leaf>" with
// gradients, and some intermediate results. Values stay below about 100, scale
// factors are powers of two. A pure function of its arguments.
OpProgram RandomProgram(std::uint64_t seed, const RandomGraphOptions& options = {});

}  // namespace attune::testing
