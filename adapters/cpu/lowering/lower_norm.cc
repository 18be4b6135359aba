#include "cpu/kernels/norm.h"
#include "cpu/kernels/softmax.h"
#include "cpu/lowering/context.h"

namespace attune::cpu {
namespace {

Status LowerRmsNorm(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<RmsNormForward>(
      RmsNormArgs{.rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->weight, node.inputs[1]);
  ctx.Point(&args->y, node.outputs[0]);
  ctx.Point(&args->rstd, node.outputs[1]);
  return OkStatus();
}

Status LowerRmsNormGrad(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<RmsNormBackward>(RmsNormBackwardArgs{
      .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->weight, node.inputs[1]);
  ctx.Point(&args->rstd, node.inputs[2]);
  ctx.Point(&args->dy, node.inputs[3]);
  ctx.Point(&args->dx, node.outputs[0]);
  return OkStatus();
}

Status LowerRmsNormWeightGrad(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  RmsNormBackwardArgs backward{
      .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon};
  auto* args = ctx.Emit<RmsNormBackward>(backward);
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->rstd, node.inputs[1]);
  ctx.Point(&args->dy, node.inputs[2]);
  ctx.Point(&args->dweight, node.outputs[0]);
  return OkStatus();
}

Status LowerLayerNorm(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<LayerNormForward>(
      LayerNormArgs{.rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->weight, node.inputs[1]);
  ctx.Point(&args->bias, node.inputs[2]);
  ctx.Point(&args->y, node.outputs[0]);
  ctx.Point(&args->mean, node.outputs[1]);
  ctx.Point(&args->rstd, node.outputs[2]);
  return OkStatus();
}

Status LowerLayerNormGrad(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<LayerNormBackward>(LayerNormBackwardArgs{
      .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->weight, node.inputs[1]);
  ctx.Point(&args->mean, node.inputs[2]);
  ctx.Point(&args->rstd, node.inputs[3]);
  ctx.Point(&args->dy, node.inputs[4]);
  ctx.Point(&args->dx, node.outputs[0]);
  return OkStatus();
}

Status LowerLayerNormWeightGrad(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<LayerNormBackward>(LayerNormBackwardArgs{
      .rows = x[0], .columns = x[1], .epsilon = node.attrs<NormAttrs>().epsilon});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->mean, node.inputs[1]);
  ctx.Point(&args->rstd, node.inputs[2]);
  ctx.Point(&args->dy, node.inputs[3]);
  ctx.Point(&args->dweight, node.outputs[0]);
  ctx.Point(&args->dbias, node.outputs[1]);
  return OkStatus();
}

Status LowerSoftmax(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<Softmax>(SoftmaxArgs{
      .rows = x.rows(), .columns = x.back(), .x_stride = x.back(), .y_stride = x.back()});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->y, node.outputs[0]);
  return OkStatus();
}

Status LowerSoftmaxGrad(Context& ctx, const Node& node) {
  const Shape& y = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<SoftmaxBackward>(SoftmaxBackwardArgs{.rows = y.rows(),
                                                             .columns = y.back(),
                                                             .y_stride = y.back(),
                                                             .dy_stride = y.back(),
                                                             .dx_stride = y.back()});
  ctx.Point(&args->y, node.inputs[0]);
  ctx.Point(&args->dy, node.inputs[1]);
  ctx.Point(&args->dx, node.outputs[0]);
  return OkStatus();
}

}  // namespace

Status LowerNorms(Context& ctx, const Node& node) {
  switch (node.op) {
    case OpKind::kRmsNorm:
      return LowerRmsNorm(ctx, node);
    case OpKind::kRmsNormGrad:
      return LowerRmsNormGrad(ctx, node);
    case OpKind::kRmsNormWeightGrad:
      return LowerRmsNormWeightGrad(ctx, node);
    case OpKind::kLayerNorm:
      return LowerLayerNorm(ctx, node);
    case OpKind::kLayerNormGrad:
      return LowerLayerNormGrad(ctx, node);
    case OpKind::kLayerNormWeightGrad:
      return LowerLayerNormWeightGrad(ctx, node);
    case OpKind::kSoftmax:
      return LowerSoftmax(ctx, node);
    case OpKind::kSoftmaxGrad:
      return LowerSoftmaxGrad(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

}  // namespace attune::cpu
