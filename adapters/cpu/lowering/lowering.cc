#include "cpu/lowering/lowering.h"

#include "base/strings.h"
#include "cpu/lowering/context.h"

namespace attune::cpu {
namespace {

Status LowerNode(Context& ctx, const Node& node) {
  switch (node.op) {
    case OpKind::kEmbedding:
    case OpKind::kEmbeddingGrad:
      return LowerEmbeddings(ctx, node);
    case OpKind::kLinear:
    case OpKind::kMatMul:
      return LowerProducts(ctx, node);
    case OpKind::kAdd:
    case OpKind::kMul:
    case OpKind::kScale:
    case OpKind::kUnary:
    case OpKind::kUnaryGrad:
    case OpKind::kSwiGlu:
    case OpKind::kSwiGluGrad:
    case OpKind::kCast:
    case OpKind::kDropout:
      return LowerElementwise(ctx, node);
    case OpKind::kRmsNorm:
    case OpKind::kRmsNormGrad:
    case OpKind::kRmsNormWeightGrad:
    case OpKind::kLayerNorm:
    case OpKind::kLayerNormGrad:
    case OpKind::kLayerNormWeightGrad:
    case OpKind::kSoftmax:
    case OpKind::kSoftmaxGrad:
      return LowerNorms(ctx, node);
    case OpKind::kRope:
    case OpKind::kAttention:
    case OpKind::kAttentionGrad:
      return LowerAttentions(ctx, node);
    case OpKind::kLinearCrossEntropy:
    case OpKind::kLinearCrossEntropyGrad:
    case OpKind::kLinearCrossEntropyJoint:
      return LowerLosses(ctx, node);
    case OpKind::kReshape:
    case OpKind::kTranspose:
    case OpKind::kSlice:
    case OpKind::kPad:
    case OpKind::kSplit:
    case OpKind::kConcat:
    case OpKind::kReduceSum:
    case OpKind::kCacheAppend:
      return LowerLayouts(ctx, node);
  }
  return Unsupported("no kernel");
}

}  // namespace

Result<LoweredProgram> Lower(const Graph& graph, const FrozenParameters& frozen,
                             const CompileOptions& options, int workers) {
  Context ctx(graph, frozen, options, workers);
  const auto count = static_cast<std::int32_t>(graph.nodes().size());
  for (std::int32_t i = 0; i < count; ++i) {
    const Node& node = ctx.NodeAt(i);
    ctx.set_index(i);
    ATTUNE_RETURN_IF_ERROR(LowerNode(ctx, node).WithContext(
        StrCat(OpName(node.op), " ", graph.value(node.outputs[0]).name)));
  }
  return std::move(ctx).Finish();
}

}  // namespace attune::cpu
