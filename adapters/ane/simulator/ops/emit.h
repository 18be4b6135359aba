// Steps that several ops are made of.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/simulator/call.h"
#include "ane/simulator/kernels/elementwise.h"
#include "ane/simulator/kernels/reduce.h"

namespace attune::ane {

Rounding RoundingOf(const Numerics& numerics, mil::DataType dtype);

Result<Value> EmitBinary(Call& call, BinaryOp op, const Value& x, const Value& y,
                         mil::DataType dtype);
Result<Value> EmitUnary(Call& call, UnaryArgs args, const Value& x, mil::DataType dtype);

// Matrices in the last two axes, the others broadcast.
Result<Value> EmitMatmul(Call& call, const Value& x, const Value& y, bool transpose_x,
                         bool transpose_y);

Result<Value> EmitSoftmax(Call& call, const Value& x, std::int64_t axis);
// Over axes from 0 on, in ascending order; the result keeps them with extent 1.
Result<Value> EmitReduce(Call& call, ReduceOp op, const Value& x, const Dims& axes,
                         mil::DataType dtype);

// An axis of a result of EmitRearrange: element i comes from stride * i, or, where
// there is a table, from table[i], -1 giving `fill`.
struct SourceAxis {
  std::int64_t extent = 1;
  std::int64_t stride = 0;
  Dims table;
};
Result<Value> EmitRearrange(Call& call, const Value& x, std::int64_t first,
                            const std::vector<SourceAxis>& axes, float fill);
Result<Value> EmitTranspose(Call& call, const Value& x, const Dims& permutation);

// Elements from one to the next along each axis.
Dims StridesOf(const Dims& dims);

}  // namespace attune::ane
