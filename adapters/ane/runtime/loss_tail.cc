#include "ane/runtime/loss_tail.h"

#include <cstring>

#include "ane/runtime/step_surfaces.h"
#include "base/strings.h"
#include "cpu/kernels/convert.h"

namespace attune::ane {
namespace {

Shape RowsOf(const LossTail& tail, const Graph& graph) {
  return {graph.shape(tail.labels).elements(), graph.shape(tail.weight)[1]};
}

void ConvertRow(const TensorView& weight, std::int64_t row, std::vector<float>* to) {
  const auto columns = static_cast<std::int64_t>(to->size());
  cpu::ConvertArgs args;
  args.source = weight.data + row * columns * SizeOf(weight.dtype);
  args.source_dtype = weight.dtype;
  args.target = to->data();
  args.rows = 1;
  args.columns = args.source_stride = args.target_stride = columns;
  cpu::Convert(args, cpu::Worker{});
}

}  // namespace

LossTailStep::LossTailStep(const LossTail& tail, const Graph& graph, HostValues* values)
    : graph_(graph),
      tail_(tail),
      loss_(values->AddBuffer(tail.loss)),
      x_(DType::kF32, RowsOf(tail, graph)),
      lse_(DType::kF32, {graph.shape(tail.labels).elements(), 1}),
      weight_row_(static_cast<std::size_t>(graph.shape(tail.weight)[1])) {
  if (tail.expected != kNone) gradient_ = Tensor(DType::kF32, RowsOf(tail, graph));
}

std::int64_t LossTailStep::Bytes(const LossTail& tail, const Graph& graph) {
  const Shape rows = RowsOf(tail, graph);
  const std::int64_t matrices = tail.expected != kNone ? 2 : 1;
  return (rows.elements() * matrices + rows[0]) * SizeOf(DType::kF32) +
         graph.value(tail.loss).type.bytes();
}

Status LossTailStep::Download(SurfaceId from, const SurfaceSet& surfaces, Parallel& parallel,
                              Tensor* to) {
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface surface, surfaces.Lock(from, /*read_only=*/true));
  DownloadMatrix(surface.data(), surfaces.layout(from), {to->shape()[0], to->shape()[1]},
                 to->f32().data(), parallel);
  return OkStatus();
}

Status LossTailStep::Run(const HostValues& values, const SurfaceSet& surfaces, Parallel& parallel) {
  const auto labels = values.i32(tail_.labels);
  const auto weights = values.f32(tail_.weights);
  const TensorView weight = values.view(tail_.weight);
  const bool gradient = tail_.expected != kNone;
  ATTUNE_RETURN_IF_ERROR(CheckIndices(graph_.value(tail_.labels).name, labels, weight.shape[0]));
  ATTUNE_RETURN_IF_ERROR(Download(tail_.x, surfaces, parallel, &x_));
  ATTUNE_RETURN_IF_ERROR(Download(tail_.lse, surfaces, parallel, &lse_));
  if (gradient) ATTUNE_RETURN_IF_ERROR(Download(tail_.expected, surfaces, parallel, &gradient_));
  const float dloss = gradient ? values.f32(tail_.dloss)[0] : 0.0f;
  double loss = 0;
  for (std::size_t row = 0; row < labels.size(); ++row) {
    // Nothing is learned from a row of weight 0, whatever it holds.
    if (weights[row] != 0) ConvertRow(weight, labels[row], &weight_row_);
    loss += FinishRow(row, weights[row], dloss);
  }
  loss_[0] = static_cast<float>(loss);
  if (!gradient) return OkStatus();
  ATTUNE_ASSIGN_OR_RETURN(const LockedSurface dx, surfaces.Lock(tail_.dx, /*read_only=*/false));
  UploadMatrix(gradient_.f32().data(), {gradient_.shape()[0], gradient_.shape()[1]},
               surfaces.layout(tail_.dx), dx.data(), parallel);
  return OkStatus();
}

double LossTailStep::FinishRow(std::size_t row, float weight, float dloss) {
  const std::size_t columns = weight_row_.size();
  float* const dx = tail_.expected != kNone ? gradient_.f32().data() + row * columns : nullptr;
  if (weight == 0) {
    if (dx != nullptr) std::memset(dx, 0, columns * sizeof(float));
    return 0;
  }
  const float* const x = x_.f32().data() + row * columns;
  double logit = 0;
  for (std::size_t c = 0; c < columns; ++c) logit += double{x[c]} * double{weight_row_[c]};
  const float factor = dloss * weight;
  for (std::size_t c = 0; dx != nullptr && c < columns; ++c) {
    dx[c] = factor * (dx[c] - weight_row_[c]);
  }
  return double{weight} * (double{lse_.f32()[row]} - logit);
}

}  // namespace attune::ane
