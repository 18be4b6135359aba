#include "cpu/kernels/attention.h"
#include "cpu/kernels/rope.h"
#include "cpu/lowering/context.h"

namespace attune::cpu {
namespace {

Status LowerRope(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<RopeAttrs>();
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<Rope>(RopeArgs{.x_stride = x[1],
                                       .y_stride = x[1],
                                       .tokens = x[0],
                                       .heads = x[1] / attrs.head_dim,
                                       .head_dim = attrs.head_dim,
                                       .mode = attrs.layout == RopeLayout::kInterleaved
                                                   ? RopeMode::kInterleaved
                                                   : RopeMode::kRotateHalf,
                                       .inverse = attrs.inverse});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->positions, node.inputs[1]);
  ctx.Point(&args->table, node.inputs[2]);
  ctx.Point(&args->y, node.outputs[0]);
  ctx.CheckIndices(node.inputs[1], ctx.ShapeOf(node.inputs[2])[0]);
  return OkStatus();
}

AttentionShape AttentionShapeOf(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<AttentionAttrs>();
  AttentionShape shape;
  shape.batch = attrs.batch;
  shape.queries = ctx.ShapeOf(node.inputs[0])[0] / attrs.batch;
  shape.keys = ctx.ShapeOf(node.inputs[1])[0] / attrs.batch;
  shape.query_heads = attrs.heads;
  shape.key_heads = attrs.kv_heads;
  shape.head_dim = attrs.head_dim;
  shape.scale = attrs.scale;
  shape.mask = attrs.mask == attune::AttentionMask::kCausal ? AttentionMask::kCausal
               : attrs.mask == attune::AttentionMask::kFull ? AttentionMask::kFull
                                                            : AttentionMask::kBounded;
  return shape;
}

template <typename Operand>
void PointMatrix(Context& ctx, Operand* operand, ValueId id) {
  operand->row_stride = ctx.ShapeOf(id)[1];
  ctx.Point(&operand->data, id);
}

template <typename Args>
void PointBounds(Context& ctx, Args* args, const Node& node, std::size_t first) {
  if (node.attrs<AttentionAttrs>().mask != attune::AttentionMask::kBounded) return;
  const std::int64_t keys = args->shape.keys;
  ctx.Point(&args->lo, node.inputs[first]);
  ctx.Point(&args->hi, node.inputs[first + 1]);
  ctx.CheckIndices(node.inputs[first], keys + 1);
  ctx.CheckIndices(node.inputs[first + 1], keys + 1);
}

Status LowerAttention(Context& ctx, const Node& node) {
  auto* args = ctx.Emit<AttentionForward>(AttentionArgs{});
  args->shape = AttentionShapeOf(ctx, node);
  ctx.NeedScratch(AttentionForwardScratchBytes(args->shape));
  PointMatrix(ctx, &args->q, node.inputs[0]);
  PointMatrix(ctx, &args->k, node.inputs[1]);
  PointMatrix(ctx, &args->v, node.inputs[2]);
  PointBounds(ctx, args, node, 3);
  PointMatrix(ctx, &args->out, node.outputs[0]);
  ctx.Point(&args->lse, node.outputs[1]);
  return OkStatus();
}

Status LowerAttentionGrad(Context& ctx, const Node& node) {
  auto* args = ctx.Emit<AttentionBackward>(AttentionBackwardArgs{});
  args->shape = AttentionShapeOf(ctx, node);
  ctx.NeedScratch(AttentionBackwardScratchBytes(args->shape));
  PointMatrix(ctx, &args->q, node.inputs[0]);
  PointMatrix(ctx, &args->k, node.inputs[1]);
  PointMatrix(ctx, &args->v, node.inputs[2]);
  PointMatrix(ctx, &args->out, node.inputs[3]);
  ctx.Point(&args->lse, node.inputs[4]);
  PointMatrix(ctx, &args->dout, node.inputs[5]);
  PointBounds(ctx, args, node, 6);
  PointMatrix(ctx, &args->dq, node.outputs[0]);
  PointMatrix(ctx, &args->dk, node.outputs[1]);
  PointMatrix(ctx, &args->dv, node.outputs[2]);
  return OkStatus();
}

}  // namespace

Status LowerAttentions(Context& ctx, const Node& node) {
  switch (node.op) {
    case OpKind::kRope:
      return LowerRope(ctx, node);
    case OpKind::kAttention:
      return LowerAttention(ctx, node);
    case OpKind::kAttentionGrad:
      return LowerAttentionGrad(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

}  // namespace attune::cpu
