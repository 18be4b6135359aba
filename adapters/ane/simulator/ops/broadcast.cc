#include "ane/simulator/ops/broadcast.h"

#include <algorithm>

namespace attune::ane {
namespace {

// Extent of `axis` of the result in a shape aligned at the end.
std::int64_t ExtentOf(const Dims& shape, std::size_t axis, std::size_t rank) {
  const std::size_t missing = rank - shape.size();
  return axis < missing ? 1 : shape[axis - missing];
}

}  // namespace

std::optional<Dims> Broadcast(std::span<const Dims> shapes) {
  std::size_t rank = 0;
  for (const Dims& shape : shapes) rank = std::max(rank, shape.size());
  Dims result(rank, 1);
  for (std::size_t axis = 0; axis < rank; ++axis) {
    for (const Dims& shape : shapes) {
      const std::int64_t extent = ExtentOf(shape, axis, rank);
      if (extent == 1) continue;
      if (result[axis] != 1 && result[axis] != extent) return std::nullopt;
      result[axis] = extent;
    }
  }
  return result;
}

BroadcastPlan PlanBroadcast(std::span<const Dims> shapes, const Dims& result) {
  const std::size_t rank = result.size();
  std::vector<BroadcastPlan::Axis> axes;
  std::array<std::int64_t, kMostOperands> length;
  length.fill(1);
  // From the fastest axis: one that continues the axis before in every operand joins it.
  for (std::size_t axis = rank; axis-- > 0;) {
    if (result[axis] == 1) continue;
    BroadcastPlan::Axis next{result[axis], {}};
    bool joins = !axes.empty();
    for (std::size_t o = 0; o < shapes.size(); ++o) {
      const std::int64_t extent = ExtentOf(shapes[o], axis, rank);
      next.strides[o] = extent == 1 ? 0 : length[o];
      length[o] *= extent;
      joins = joins && next.strides[o] == axes.back().strides[o] * axes.back().extent;
    }
    if (joins) {
      axes.back().extent *= next.extent;
    } else {
      axes.push_back(next);
    }
  }
  BroadcastPlan plan;
  if (axes.empty()) return plan;
  plan.inner = axes.front().extent;
  plan.steps = axes.front().strides;
  plan.outer.assign(axes.rbegin(), axes.rend() - 1);
  for (const BroadcastPlan::Axis& axis : plan.outer) plan.rows *= axis.extent;
  return plan;
}

}  // namespace attune::ane
