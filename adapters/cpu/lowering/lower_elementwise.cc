#include "base/strings.h"
#include "cpu/dropout.h"
#include "cpu/kernels/activation.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/lowering/context.h"

namespace attune::cpu {
namespace {

template <auto kKernel>
Status LowerBinary(Context& ctx, const Node& node) {
  auto* args = ctx.Emit<kKernel>(BinaryArgs{.n = ctx.ShapeOf(node.outputs[0]).elements()});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->y, node.inputs[1]);
  ctx.Point(&args->z, node.outputs[0]);
  return OkStatus();
}

Status LowerScale(Context& ctx, const Node& node) {
  auto* args = ctx.Emit<Scale>(ScaleArgs{.a = node.attrs<ScaleAttrs>().factor,
                                         .n = ctx.ShapeOf(node.outputs[0]).elements()});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->z, node.outputs[0]);
  return OkStatus();
}

Activation KindOf(UnaryFunction function) {
  switch (function) {
    case UnaryFunction::kSilu:
      return Activation::kSilu;
    case UnaryFunction::kGelu:
      return Activation::kGelu;
    case UnaryFunction::kGeluTanh:
      return Activation::kGeluTanh;
    case UnaryFunction::kRelu:
      return Activation::kRelu;
    case UnaryFunction::kTanh:
      return Activation::kTanh;
    case UnaryFunction::kSigmoid:
      return Activation::kSigmoid;
  }
  return Activation::kSilu;
}

Status LowerUnary(Context& ctx, const Node& node) {
  auto* args =
      ctx.Emit<ActivationForward>(ActivationArgs{.kind = KindOf(node.attrs<UnaryAttrs>().function),
                                                 .n = ctx.ShapeOf(node.outputs[0]).elements()});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->y, node.outputs[0]);
  return OkStatus();
}

Status LowerUnaryGrad(Context& ctx, const Node& node) {
  auto* args = ctx.Emit<ActivationBackward>(
      ActivationBackwardArgs{.kind = KindOf(node.attrs<UnaryAttrs>().function),
                             .n = ctx.ShapeOf(node.outputs[0]).elements()});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->dy, node.inputs[1]);
  ctx.Point(&args->dx, node.outputs[0]);
  return OkStatus();
}

Status LowerSwiGlu(Context& ctx, const Node& node) {
  const std::int64_t columns = ctx.ShapeOf(node.outputs[0]).back();
  auto* args = ctx.Emit<SwigluForward>(SwigluArgs{.rows = ctx.ShapeOf(node.outputs[0]).rows(),
                                                  .columns = columns,
                                                  .gate_stride = columns,
                                                  .up_stride = columns,
                                                  .y_stride = columns});
  ctx.Point(&args->gate, node.inputs[0]);
  ctx.Point(&args->up, node.inputs[1]);
  ctx.Point(&args->y, node.outputs[0]);
  return OkStatus();
}

Status LowerSwiGluGrad(Context& ctx, const Node& node) {
  const std::int64_t columns = ctx.ShapeOf(node.outputs[0]).back();
  auto* args =
      ctx.Emit<SwigluBackward>(SwigluBackwardArgs{.rows = ctx.ShapeOf(node.outputs[0]).rows(),
                                                  .columns = columns,
                                                  .gate_stride = columns,
                                                  .up_stride = columns,
                                                  .dy_stride = columns,
                                                  .dgate_stride = columns,
                                                  .dup_stride = columns});
  ctx.Point(&args->gate, node.inputs[0]);
  ctx.Point(&args->up, node.inputs[1]);
  ctx.Point(&args->dy, node.inputs[2]);
  ctx.Point(&args->dgate, node.outputs[0]);
  ctx.Point(&args->dup, node.outputs[1]);
  return OkStatus();
}

Status LowerCast(Context& ctx, const Node& node) {
  const ValueType &from = ctx.graph().value(node.inputs[0]).type,
                  &to = ctx.graph().value(node.outputs[0]).type;
  if (from.dtype == DType::kF64 || to.dtype == DType::kF64 ||
      (from.dtype != DType::kF32 && to.dtype != DType::kF32)) {
    return Unsupported(StrCat("cast from ", DTypeName(from.dtype), " to ", DTypeName(to.dtype)));
  }
  auto* args = ctx.Emit<Convert>(ConvertArgs{.source_dtype = from.dtype,
                                             .target_dtype = to.dtype,
                                             .rows = 1,
                                             .columns = from.shape.elements(),
                                             .source_stride = from.shape.elements(),
                                             .target_stride = from.shape.elements()});
  ctx.Point(&args->source, node.inputs[0]);
  ctx.Point(&args->target, node.outputs[0]);
  return OkStatus();
}

Status LowerDropout(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<DropoutAttrs>();
  auto* args = ctx.Emit<Dropout>(DropoutArgs{.n = ctx.ShapeOf(node.outputs[0]).elements(),
                                             .probability = attrs.probability,
                                             .salt = attrs.salt});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->seed, node.inputs[1]);
  ctx.Point(&args->y, node.outputs[0]);
  return OkStatus();
}

}  // namespace

Status LowerElementwise(Context& ctx, const Node& node) {
  switch (node.op) {
    case OpKind::kAdd:
      return LowerBinary<Add>(ctx, node);
    case OpKind::kMul:
      return LowerBinary<Mul>(ctx, node);
    case OpKind::kScale:
      return LowerScale(ctx, node);
    case OpKind::kUnary:
      return LowerUnary(ctx, node);
    case OpKind::kUnaryGrad:
      return LowerUnaryGrad(ctx, node);
    case OpKind::kSwiGlu:
      return LowerSwiGlu(ctx, node);
    case OpKind::kSwiGluGrad:
      return LowerSwiGluGrad(ctx, node);
    case OpKind::kCast:
      return LowerCast(ctx, node);
    case OpKind::kDropout:
      return LowerDropout(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

}  // namespace attune::cpu
