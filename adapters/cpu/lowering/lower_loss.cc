#include "cpu/head_loss.h"
#include "cpu/lowering/context.h"

namespace attune::cpu {
namespace {

void PointHeadWeight(Context& ctx, const std::shared_ptr<HeadLoss>& head, ValueId w,
                     const std::byte* frozen, const HeadLossSpec& spec) {
  if (!spec.packed) {
    ctx.WithAddress(w, [head](std::byte* p) { head->set_weight(p); });
    return;
  }
  for (std::size_t i = 0; i < head->sizes(); ++i) {
    ctx.UsePacked(frozen, head->logits_product(i));
    if (spec.gradient) ctx.UsePacked(frozen, head->dx_product(i));
  }
}

}  // namespace

Status LowerLosses(Context& ctx, const Node& node) {
  const bool forward = node.op != OpKind::kLinearCrossEntropyGrad;
  const bool backward = node.op != OpKind::kLinearCrossEntropy;
  const ValueId x = node.inputs[0], w = node.inputs[1];
  const std::byte* frozen = ctx.FrozenData(w);
  HeadLossSpec spec{.rows = ctx.ShapeOf(x)[0],
                    .width = ctx.ShapeOf(x)[1],
                    .vocabulary = ctx.ShapeOf(w)[0],
                    .stored = ctx.graph().value(w).type.dtype,
                    .compute = ctx.compute_type(),
                    .loss = forward,
                    .gradient = backward,
                    .weight_gradient = node.attrs<CrossEntropyAttrs>().weight_gradient,
                    .packed = ctx.options().pack_weights && frozen != nullptr};
  ATTUNE_ASSIGN_OR_RETURN(auto head, HeadLoss::Create(spec, ctx.workers()));
  ctx.NeedScratch(head->scratch_bytes());
  ctx.NeedShared(head->shared_bytes());
  ctx.Emit<RunHeadLoss>(HeadLossArgs{head});
  HeadLoss* at = head.get();
  ctx.Point(&at->x, x);
  ctx.Point(&at->labels, node.inputs[2]);
  ctx.Point(&at->weights, node.inputs[3]);
  ctx.CheckIndices(node.inputs[2], spec.vocabulary);
  ctx.program().OnRegion(Region::kShared, 0, [at](std::byte* p) { at->shared = p; });
  if (backward) ctx.Point(&at->dloss, node.inputs.back());
  if (node.op == OpKind::kLinearCrossEntropyGrad) ctx.Point(&at->lse, node.inputs[4]);
  if (forward) {
    ctx.Point(&at->loss, node.outputs[0]);
    ctx.Point(&at->lse, node.outputs[1]);
  }
  if (backward) ctx.Point(&at->dx, node.outputs[forward ? 2 : 0]);
  if (spec.weight_gradient) ctx.Point(&at->dw, node.outputs[forward ? 3 : 1]);
  PointHeadWeight(ctx, head, w, frozen, spec);
  return OkStatus();
}

}  // namespace attune::cpu
