#include "cpu/lowering/lower_lora.h"

#include "cpu/kernels/lora.h"

namespace attune::cpu {
namespace {

// dh = s dy B right before dB = s dy^T h: one kernel, emitted by the latter. So
// that dB may not lie where B or dh is, B is a leaf and dh read by others.
bool IsLoraUpBackward(const Context& ctx, std::int32_t index) {
  if (!ctx.HasNode(index) || !ctx.HasNode(index + 1)) return false;
  const Node &dh = ctx.NodeAt(index), &db = ctx.NodeAt(index + 1);
  if (dh.op != OpKind::kLinear || db.op != OpKind::kMatMul) return false;
  const auto& linear = dh.attrs<LinearAttrs>();
  const auto& matmul = db.attrs<MatMulAttrs>();
  const Shape& b = ctx.ShapeOf(dh.inputs[1]);
  if (!ctx.InLeaf(dh.inputs[1]) || !ctx.IsRead(dh.outputs[0])) return false;
  return db.inputs[1] != dh.outputs[0] && linear.transposed && !linear.bias && !linear.accumulate &&
         b[1] <= kLoraMaxRank && ctx.graph().value(dh.inputs[1]).type.dtype == DType::kF32 &&
         matmul.transpose_a && !matmul.transpose_b && !matmul.accumulate &&
         matmul.scale == linear.scale && dh.inputs[0] == db.inputs[0] &&
         ctx.ShapeOf(db.outputs[0]) == b;
}

// y (+)= scale h B^T, with few features in.
void EmitLoraUp(Context& ctx, const Node& node) {
  const ValueId y = node.outputs[0];
  BeginAccumulation(ctx, node);
  LoraUpArgs up{.y_stride = ctx.ShapeOf(y)[1],
                .scale = node.attrs<LinearAttrs>().scale,
                .tokens = ctx.ShapeOf(y)[0],
                .out = ctx.ShapeOf(y)[1],
                .rank = ctx.ShapeOf(node.inputs[0])[1]};
  ctx.NeedScratch(LoraUpScratchBytes(up));
  auto* args = ctx.Emit<LoraUp>(up);
  ctx.Point(&args->h, node.inputs[0]);
  ctx.Point(&args->b, node.inputs[1]);
  ctx.Point(&args->y, y);
}

// h = x A^T, with few features out.
void EmitLoraDown(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  LoraDownArgs down{
      .x_stride = x[1], .tokens = x[0], .in = x[1], .rank = ctx.ShapeOf(node.outputs[0])[1]};
  ctx.NeedScratch(LoraDownScratchBytes(down));
  auto* args = ctx.Emit<LoraDown>(down);
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->a, node.inputs[1]);
  ctx.Point(&args->h, node.outputs[0]);
}

// dx (+)= dh A, A stored [r,in].
void EmitLoraDownInputGrad(Context& ctx, const Node& node) {
  const ValueId dx = node.outputs[0];
  BeginAccumulation(ctx, node);
  LoraDownBackwardArgs backward{.dx_stride = ctx.ShapeOf(dx)[1],
                                .tokens = ctx.ShapeOf(dx)[0],
                                .in = ctx.ShapeOf(dx)[1],
                                .rank = ctx.ShapeOf(node.inputs[0])[1]};
  ctx.NeedScratch(LoraDownBackwardScratchBytes(backward));
  auto* args = ctx.Emit<LoraDownBackward>(backward);
  ctx.Point(&args->dh, node.inputs[0]);
  ctx.Point(&args->a, node.inputs[1]);
  ctx.Point(&args->dx, dx);
}

void EmitLoraUpBackward(Context& ctx, const Node& db) {
  const Node& dh = ctx.NodeAt(ctx.index() - 1);
  const Shape& b = ctx.ShapeOf(dh.inputs[1]);
  const Shape& dy = ctx.ShapeOf(dh.inputs[0]);
  LoraUpBackwardArgs backward{.dy_stride = dy[1],
                              .scale = dh.attrs<LinearAttrs>().scale,
                              .tokens = dy[0],
                              .out = b[0],
                              .rank = b[1]};
  ctx.NeedScratch(LoraUpBackwardScratchBytes(backward));
  ctx.NeedShared(LoraUpBackwardWorkspaceBytes(dy[0], b[1], ctx.workers()));
  auto* args = ctx.Emit<LoraUpBackward>(backward);
  ctx.Point(&args->dy, dh.inputs[0]);
  ctx.Point(&args->h, db.inputs[1]);
  ctx.Point(&args->b, dh.inputs[1]);
  ctx.Point(&args->db, db.outputs[0]);
  ctx.Point(&args->dh, dh.outputs[0]);
  ctx.program().OnRegion(Region::kShared, 0,
                         [args](std::byte* p) { args->workspace = reinterpret_cast<float*>(p); });
}

// dA = dh^T x with few rows.
bool IsLoraDownWeightGrad(const Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<MatMulAttrs>();
  return attrs.transpose_a && !attrs.transpose_b && !attrs.accumulate && attrs.scale == 1.0f &&
         ctx.ShapeOf(node.inputs[0])[1] <= kLoraMaxRank;
}

void EmitLoraDownWeightGrad(Context& ctx, const Node& node) {
  const Shape &dh = ctx.ShapeOf(node.inputs[0]), &x = ctx.ShapeOf(node.inputs[1]);
  LoraDownBackwardArgs backward{.x_stride = x[1], .tokens = x[0], .in = x[1], .rank = dh[1]};
  ctx.NeedScratch(LoraDownBackwardScratchBytes(backward));
  auto* args = ctx.Emit<LoraDownBackward>(backward);
  ctx.Point(&args->x, node.inputs[1]);
  ctx.Point(&args->dh, node.inputs[0]);
  ctx.Point(&args->da, node.outputs[0]);
}

bool LowerLowRankLinear(Context& ctx, const Node& node) {
  if (IsLoraUpBackward(ctx, ctx.index())) return true;
  const auto& attrs = node.attrs<LinearAttrs>();
  if (attrs.bias || ctx.graph().value(node.inputs[1]).type.dtype != DType::kF32) return false;
  const std::int64_t in = ctx.ShapeOf(node.inputs[0])[1], out = ctx.ShapeOf(node.outputs[0])[1];
  if (!attrs.transposed && in <= kLoraMaxRank) {
    EmitLoraUp(ctx, node);
  } else if (!attrs.transposed && out <= kLoraMaxRank && !attrs.accumulate && attrs.scale == 1.0f) {
    EmitLoraDown(ctx, node);
  } else if (attrs.transposed && in <= kLoraMaxRank && attrs.scale == 1.0f) {
    EmitLoraDownInputGrad(ctx, node);
  } else {
    return false;
  }
  return true;
}

bool LowerLowRankMatMul(Context& ctx, const Node& node) {
  if (IsLoraUpBackward(ctx, ctx.index() - 1)) {
    EmitLoraUpBackward(ctx, node);
  } else if (IsLoraDownWeightGrad(ctx, node)) {
    EmitLoraDownWeightGrad(ctx, node);
  } else {
    return false;
  }
  return true;
}

}  // namespace

bool LowerLowRank(Context& ctx, const Node& node) {
  return node.op == OpKind::kLinear ? LowerLowRankLinear(ctx, node) : LowerLowRankMatMul(ctx, node);
}

}  // namespace attune::cpu
