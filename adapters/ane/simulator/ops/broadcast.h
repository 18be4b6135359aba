// Loops over operands of unequal shapes, axes of equal pattern merged.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ane/simulator/builder.h"

namespace attune::ane {

inline constexpr std::size_t kMostOperands = 3;

// The shape that NumPy's rule gives; nullopt when extents do not agree.
std::optional<Dims> Broadcast(std::span<const Dims> shapes);

// Rows of the result, each with `inner` neighbouring elements; operand o advances in
// a row by steps[o] (0 or 1).
struct BroadcastPlan {
  struct Axis {
    std::int64_t extent = 1;
    std::array<std::int64_t, kMostOperands> strides{};
  };
  std::vector<Axis> outer;  // From the slowest.
  std::int64_t rows = 1;
  std::int64_t inner = 1;
  std::array<std::int64_t, kMostOperands> steps{};

  // Where row `row` begins in each operand.
  std::array<std::int64_t, kMostOperands> Offsets(std::int64_t row) const {
    std::array<std::int64_t, kMostOperands> offsets{};
    for (std::size_t a = outer.size(); a-- > 0;) {
      const std::int64_t at = row % outer[a].extent;
      row /= outer[a].extent;
      for (std::size_t o = 0; o < kMostOperands; ++o) offsets[o] += at * outer[a].strides[o];
    }
    return offsets;
  }
};

// REQUIRES: shapes broadcast to `result`; at most kMostOperands of them.
BroadcastPlan PlanBroadcast(std::span<const Dims> shapes, const Dims& result);

// body(row, begin, end) with a part of a row each time; every element goes to one
// worker.
template <typename Body>
void ForParts(const BroadcastPlan& plan, const Lane& lane, const Body& body) {
  constexpr std::int64_t kGrain = 64;
  if (plan.rows >= 4 * lane.count) {
    const WorkRange rows = lane.Range(plan.rows);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) body(row, 0, plan.inner);
    return;
  }
  const WorkRange part = lane.Range(plan.inner, kGrain);
  if (part.begin == part.end) return;
  for (std::int64_t row = 0; row < plan.rows; ++row) body(row, part.begin, part.end);
}

}  // namespace attune::ane
