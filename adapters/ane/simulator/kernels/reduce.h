// Reductions and softmax along one axis of [outer, n, inner].

#pragma once

#include <cstdint>

#include "ane/simulator/kernels/rounding.h"

namespace attune::ane {

enum class ReduceOp : std::uint8_t {
  kSum,
  kMean,
  kMax,
  kMin,
  kProduct,
  kSumSquare,
  kL1,
  kL2,
  kLogSum,
  kLogSumExp,
  kArgMax,
  kArgMin,
};

struct ReduceArgs {
  ReduceOp op = ReduceOp::kSum;
  std::int64_t n = 1;
  std::int64_t inner = 1;
  bool narrow = false;   // Sums are kept in fp16 from term to term.
  bool ties_up = false;  // With ties away from zero.
  Rounding rounding = {};
};

// z[g] of the groups [begin, end) of outer * inner, in order of the terms.
void ReduceGroups(const ReduceArgs& args, const float* x, float* z, std::int64_t begin,
                  std::int64_t end);

struct SoftmaxArgs {
  std::int64_t n = 1;
  std::int64_t inner = 1;
  Rounding rounding = {};
};

// The groups [begin, end) of outer * inner; z may be x.
void SoftmaxGroups(const SoftmaxArgs& args, const float* x, float* z, std::int64_t begin,
                   std::int64_t end);

}  // namespace attune::ane
