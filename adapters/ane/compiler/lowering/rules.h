// How each op becomes primitives. REQUIRES of all: a node that MayRunOnDevice()
// (placement.h), inside a region, its operands written or on the host.

#pragma once

#include "ane/compiler/lowering/lowering.h"

namespace attune::ane {

void LowerLinear(Lowering& in, const Node& node);
void LowerMatMul(Lowering& in, const Node& node);
void LowerReduceSum(Lowering& in, const Node& node);

void LowerElementwise(Lowering& in, const Node& node);  // add, mul, scale, dropout.
void LowerUnary(Lowering& in, const Node& node);
void LowerUnaryGrad(Lowering& in, const Node& node);
void LowerSwiGlu(Lowering& in, const Node& node);
void LowerSwiGluGrad(Lowering& in, const Node& node);

void LowerNorm(Lowering& in, const Node& node);
void LowerNormGrad(Lowering& in, const Node& node);
void LowerNormWeightGrad(Lowering& in, const Node& node);

void LowerRope(Lowering& in, const Node& node);
void LowerAttention(Lowering& in, const Node& node);
void LowerAttentionGrad(Lowering& in, const Node& node);

void LowerLayout(Lowering& in, const Node& node);  // reshape, slice, pad, split, concat.

// The device's part of a loss; what the host does after it.
LossTail LowerHead(Lowering& in, const Node& node);

// Any of the above but the head.
void LowerNode(Lowering& in, const Node& node);

// --- Shared by rules ---

// What ones are multiplied by where they sum numbers that may be small, and the sum is
// divided by: products below 2^-14 are lost, sums from 2^15 overflow.
inline constexpr float kSumLift = 32.0f;

// W x of a baked W [out, in] and x [1, in, 1, S], in the form that is faster on the
// chip.
TensorId BakedProduct(Lowering& in, const std::string& name, WeightPiece piece, TensorId x);

// x [1, C, 1, W] summed over its first `rows` columns: [1, C, 1, 32], in the first
// column, zeros beside it. The sum is a matrix product because the device's reductions
// accumulate in fp16. What is in the padding is multiplied by 0: it is finite.
TensorId SumOverRows(Lowering& in, TensorId x, std::int64_t rows);

}  // namespace attune::ane
