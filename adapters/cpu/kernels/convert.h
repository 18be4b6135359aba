// Conversion between f32 and the 16-bit float formats, row by row or
// transposed. Rounds to nearest even, like base/half.h. Source and target must
// not overlap. Contract as in cpu/kernels/elementwise.h.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"
#include "tensor/dtype.h"

namespace attune::cpu {

// REQUIRES: float dtypes other than f64, at least one of them f32 (or equal).
struct ConvertArgs {
  const void* source = nullptr;
  DType source_dtype = DType::kF32;
  void* target = nullptr;
  DType target_dtype = DType::kF32;
  // Of the source.
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  // In elements of each side's own type.
  std::int64_t source_stride = 0;
  std::int64_t target_stride = 0;
};
// target[rows, columns] = source[rows, columns].
void Convert(const ConvertArgs& args, const Worker& worker);
// target[columns, rows] = transpose of source[rows, columns].
void TransposeConvert(const ConvertArgs& args, const Worker& worker);

}  // namespace attune::cpu
