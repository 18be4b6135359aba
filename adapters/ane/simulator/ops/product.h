// A batch of matrix products as one step: operands are packed once where they are
// constant, else in every run.

#pragma once

#include <cstdint>
#include <vector>

#include "ane/simulator/call.h"
#include "ane/simulator/kernels/product.h"

namespace attune::ane {

MacRules MacRulesOf(const Numerics& numerics);

// The matrices of one side: matrix i begins at element offsets[i] of the value, or of
// scratch that an earlier phase of the step fills.
struct ProductSide {
  Value value;
  std::vector<std::int64_t> offsets;
  std::int64_t row_stride = 0, column_stride = 1;
};

struct ProductPair {
  std::int64_t left = 0, right = 0;  // Which matrix of each side.
  std::int64_t result = 0;           // Element of the result where it begins.
};

struct ProductPlan {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t result_stride = 0;  // Between rows.
  std::vector<ProductPair> pairs;
};

// Memory for the lists of a plan and its sides, before they are made.
Status ReserveLists(Call& call, std::int64_t pairs, std::int64_t matrices);

// Writes into z.
Status EmitProduct(Call& call, const ProductPlan& plan, const ProductSide& left,
                   const ProductSide& right, const Value& z);

}  // namespace attune::ane
