// Products with a low-rank operand, as LoRA makes them, have kernels of their
// own: a GEMM library reaches a fraction of its speed on them.

#pragma once

#include "cpu/lowering/context.h"

namespace attune::cpu {

// Lowers a linear or matmul that has at most 64 features on its narrow side;
// false, having done nothing, for any other.
bool LowerLowRank(Context& ctx, const Node& node);

}  // namespace attune::cpu
