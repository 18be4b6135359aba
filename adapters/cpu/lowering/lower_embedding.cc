#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/embedding.h"
#include "cpu/lowering/context.h"
#include "graph/op_schema.h"

namespace attune::cpu {
namespace {

Status LowerEmbedding(Context& ctx, const Node& node) {
  const Shape& table = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<EmbeddingForward>(
      EmbeddingArgs{.dtype = ctx.graph().value(node.inputs[0]).type.dtype,
                    .tokens = ctx.ShapeOf(node.inputs[1])[0],
                    .dim = table[1]});
  ctx.Point(&args->table, node.inputs[0]);
  ctx.Point(&args->ids, node.inputs[1]);
  ctx.Point(&args->y, node.outputs[0]);
  ctx.CheckIndices(node.inputs[1], table[0]);
  return OkStatus();
}

Status LowerEmbeddingGrad(Context& ctx, const Node& node) {
  const Shape& out = ctx.ShapeOf(node.outputs[0]);
  BeginAccumulation(ctx, node);
  auto* args = ctx.Emit<EmbeddingBackward>(
      EmbeddingBackwardArgs{.tokens = ctx.ShapeOf(node.inputs[0])[0], .dim = out[1]});
  ctx.Point(&args->ids, node.inputs[0]);
  ctx.Point(&args->dy, node.inputs[1]);
  ctx.Point(&args->dtable, node.outputs[0]);
  ctx.CheckIndices(node.inputs[0], out[0]);
  return OkStatus();
}

}  // namespace

Status LowerEmbeddings(Context& ctx, const Node& node) {
  switch (node.op) {
    case OpKind::kEmbedding:
      return LowerEmbedding(ctx, node);
    case OpKind::kEmbeddingGrad:
      return LowerEmbeddingGrad(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

}  // namespace attune::cpu
