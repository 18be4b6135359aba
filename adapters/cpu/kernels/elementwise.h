// Elementwise kernels on f32 and the bias pair (add to rows, sum of columns).
//
// Kernels (this whole folder): every worker calls the function with the same
// arguments and it does that worker's share; see worker.h. They allocate
// nothing, check nothing but what ATTUNE_DCHECK sees, and give the same bits
// for the same worker count. Pointers need the alignment of their element type
// only. Unless said otherwise outputs may alias an input exactly (same
// pointer, same stride) and must not overlap it otherwise.

#pragma once

#include <cstdint>

#include "cpu/kernels/worker.h"

namespace attune::cpu {

struct BinaryArgs {
  const float* x = nullptr;
  const float* y = nullptr;
  float* z = nullptr;
  std::int64_t n = 0;
};
// z[n] = x[n] + y[n].
void Add(const BinaryArgs& args, const Worker& worker);
// z[n] = x[n] * y[n].
void Mul(const BinaryArgs& args, const Worker& worker);

struct ScaleArgs {
  float a = 1.0f;
  // Read at run time and multiplied into `a` when non-null.
  const float* a_pointer = nullptr;
  const float* x = nullptr;
  float* z = nullptr;
  std::int64_t n = 0;
};
// z[n] = a * x[n].
void Scale(const ScaleArgs& args, const Worker& worker);

// z[n] = z[n] + a * x[n].
void Axpy(const ScaleArgs& args, const Worker& worker);

struct CopyArgs {
  const float* x = nullptr;
  float* z = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  // Elements from one row to the next.
  std::int64_t x_stride = 0;
  std::int64_t z_stride = 0;
};
// z[rows, columns] = x[rows, columns]; also slices and concatenates.
void Copy(const CopyArgs& args, const Worker& worker);

struct FillArgs {
  float* z = nullptr;
  std::int64_t n = 0;
  float value = 0.0f;
};
// z[n] = value.
void Fill(const FillArgs& args, const Worker& worker);

struct AddBiasArgs {
  const float* x = nullptr;
  const float* bias = nullptr;
  float* z = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
};
// z[rows, columns] = x[rows, columns] + bias[columns].
void AddBias(const AddBiasArgs& args, const Worker& worker);

struct ColumnSumArgs {
  const float* x = nullptr;
  float* sum = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t x_stride = 0;
  // Adds to `sum` instead of replacing it.
  bool accumulate = false;
};
// sum[columns] (+)= sum over rows of x[rows, columns]. Split by columns: the
// bits do not depend on the worker count.
void ColumnSum(const ColumnSumArgs& args, const Worker& worker);

}  // namespace attune::cpu
