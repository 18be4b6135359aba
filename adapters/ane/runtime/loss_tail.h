// The end of the loss on the host, in f32: the label's row of the head's weight is
// gathered, what needs the whole vocabulary came from the device.

#pragma once

#include <vector>

#include "ane/compiler/plan.h"
#include "ane/runtime/host_values.h"
#include "ane/runtime/surface_set.h"
#include "attune/status.h"
#include "ports/parallel.h"
#include "tensor/tensor.h"

namespace attune::ane {

class LossTailStep {
 public:
  // Makes the buffer of the loss in `values`.
  LossTailStep(const LossTail& tail, const Graph& graph, HostValues* values);

  // kInvalidArgument: a label outside the vocabulary.
  Status Run(const HostValues& values, const SurfaceSet& surfaces, Parallel& parallel);

  // What the buffers of such a step take, the loss among them.
  static std::int64_t Bytes(const LossTail& tail, const Graph& graph);

 private:
  Status Download(SurfaceId from, const SurfaceSet& surfaces, Parallel& parallel, Tensor* to);
  // weight * (lse - logit) of one row; its gradient in place of what was expected.
  double FinishRow(std::size_t row, float weight, float dloss);

  const Graph& graph_;
  LossTail tail_;
  std::span<float> loss_;
  Tensor x_, gradient_;  // [rows, columns]; the gradient starts as p W.
  Tensor lse_;           // [rows, 1]
  std::vector<float> weight_row_;
};

}  // namespace attune::ane
