#include <algorithm>
#include <array>

#include "base/checked_math.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/gemv.h"
#include "cpu/kernels/lora.h"
#include "cpu/lowering/context.h"
#include "cpu/lowering/lower_lora.h"
#include "cpu/product.h"
#include "graph/op_schema.h"

namespace attune::cpu {
namespace {

// Matrix-vector products over one x, in adjacent nodes, are emitted by the last.
constexpr std::size_t kMaxGemvGroup = 4;
struct GemvGroup {
  std::array<GemvMatrix, kMaxGemvGroup> matrices;
  GemvArgs args;
};
void RunGemvGroup(const GemvGroup& group, const Worker& worker) { Gemv(group.args, worker); }

// The address of `x` as a GEMM operand: itself in f32; in bf16 a rounded copy
// at `offset` of the converted region, reused when it is there already.
void PointOperand(Context& ctx, const std::shared_ptr<Product>& product, bool is_a, ValueId x,
                  std::int64_t offset) {
  const auto set = [product, is_a](std::byte* p) {
    if (is_a) {
      product->set_a(p);
    } else {
      product->set_b(p);
    }
  };
  if (!ctx.bf16()) {
    ctx.WithAddress(x, set);
    return;
  }
  ctx.NeedConverted(offset + 2 * ctx.ShapeOf(x).elements());
  if (ctx.converted() != x || offset != 0) {
    auto* args = ctx.Emit<Convert>(ConvertArgs{.target_dtype = DType::kBf16,
                                               .rows = ctx.ShapeOf(x).rows(),
                                               .columns = ctx.ShapeOf(x).back(),
                                               .source_stride = ctx.ShapeOf(x).back(),
                                               .target_stride = ctx.ShapeOf(x).back()});
    ctx.WithAddress(x, [args](std::byte* p) { args->source = p; });
    ctx.program().OnRegion(Region::kConverted, offset, [args](std::byte* p) { args->target = p; });
    if (offset == 0) ctx.set_converted(x);
  }
  ctx.program().OnRegion(Region::kConverted, offset, set);
}

Status EmitProduct(Context& ctx, const std::shared_ptr<Product>& product, ValueId c) {
  ctx.NeedScratch(product->scratch_bytes());
  ctx.WithAddress(c, [product](std::byte* p) { product->set_c(reinterpret_cast<float*>(p)); });
  ctx.Emit<RunProduct>(ProductArgs{product});
  return OkStatus();
}

void EmitBias(Context& ctx, ValueId bias, ValueId y) {
  auto* args =
      ctx.Emit<AddBias>(AddBiasArgs{.rows = ctx.ShapeOf(y)[0], .columns = ctx.ShapeOf(y)[1]});
  ctx.Point(&args->x, y);
  ctx.Point(&args->bias, bias);
  ctx.Point(&args->z, y);
}

// Whether the node may be emitted by a later one of its group. The memory plan
// knows nothing of groups: a weight that dies here, or a result that nobody
// reads, would share its bytes with a later member's result.
bool IsGemv(const Context& ctx, std::int32_t index) {
  if (!ctx.HasNode(index) || ctx.NodeAt(index).op != OpKind::kLinear) return false;
  const Node& node = ctx.NodeAt(index);
  const auto& attrs = node.attrs<LinearAttrs>();
  const bool in_leaves = std::all_of(node.inputs.begin() + 1, node.inputs.end(),
                                     [&](ValueId operand) { return ctx.InLeaf(operand); });
  if (!in_leaves || !ctx.IsRead(node.outputs[0])) return false;
  const std::int64_t in = ctx.ShapeOf(node.inputs[0])[1], out = ctx.ShapeOf(node.outputs[0])[1];
  return ctx.ShapeOf(node.inputs[0])[0] <= kGemvMaxRows && attrs.scale == 1.0f &&
         !attrs.accumulate && std::min(in, out) > kLoraMaxRank;
}

// Where the group that ends or passes through `index` begins.
std::int32_t GemvGroupBegin(const Context& ctx, std::int32_t index) {
  std::int32_t begin = index;
  while (IsGemv(ctx, begin - 1) && ctx.NodeAt(begin - 1).inputs[0] == ctx.NodeAt(index).inputs[0]) {
    --begin;
  }
  // Full groups count from the first node.
  return begin + (index - begin) / static_cast<std::int32_t>(kMaxGemvGroup) *
                     static_cast<std::int32_t>(kMaxGemvGroup);
}

// Whether the next node emits this one too.
bool LowersWithNext(const Context& ctx, const Node& node) {
  if (!IsGemv(ctx, ctx.index()) || !IsGemv(ctx, ctx.index() + 1)) return false;
  return ctx.NodeAt(ctx.index() + 1).inputs[0] == node.inputs[0] &&
         GemvGroupBegin(ctx, ctx.index() + 1) == GemvGroupBegin(ctx, ctx.index());
}

Status LowerGemv(Context& ctx, const Node& node) {
  const bool grouped = IsGemv(ctx, ctx.index());
  const std::int32_t begin = grouped ? GemvGroupBegin(ctx, ctx.index()) : ctx.index();
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  const auto& last = node.attrs<LinearAttrs>();
  if (last.accumulate) BeginAccumulation(ctx, node);
  auto* group = ctx.Emit<RunGemvGroup>(GemvGroup{});
  std::size_t count = 0;
  for (std::int32_t i = begin; i <= ctx.index(); ++i) {
    const Node& member = ctx.NodeAt(i);
    const auto& attrs = member.attrs<LinearAttrs>();
    const Shape& w = ctx.ShapeOf(member.inputs[1]);
    GemvMatrix& matrix = group->matrices[count++];
    matrix.dtype = ctx.graph().value(member.inputs[1]).type.dtype;
    matrix.transposed = attrs.transposed;
    matrix.out = ctx.ShapeOf(member.outputs[0])[1];
    matrix.weight_stride = w[1];
    matrix.y_stride = matrix.out;
    matrix.accumulate = attrs.accumulate;
    ctx.Point(&matrix.weights, member.inputs[1]);
    if (attrs.bias) ctx.Point(&matrix.bias, member.inputs[2]);
    ctx.Point(&matrix.y, member.outputs[0]);
  }
  group->args.x_stride = x[1];
  group->args.m = x[0];
  group->args.in = x[1];
  group->args.matrices = std::span(group->matrices).first(count);
  ctx.Point(&group->args.x, node.inputs[0]);
  return OkStatus();
}

Status LowerLinear(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<LinearAttrs>();
  const ValueId x = node.inputs[0], w = node.inputs[1], y = node.outputs[0];
  const std::int64_t tokens = ctx.ShapeOf(x)[0], in = ctx.ShapeOf(x)[1], out = ctx.ShapeOf(y)[1];
  const DType stored = ctx.graph().value(w).type.dtype;
  if (LowersWithNext(ctx, node)) return OkStatus();
  if (tokens <= kGemvMaxRows && attrs.scale == 1.0f) return LowerGemv(ctx, node);

  if (attrs.accumulate) BeginAccumulation(ctx, node);
  const std::byte* frozen = ctx.FrozenData(w);
  const bool packed = ctx.options().pack_weights && frozen != nullptr;
  ProductSpec spec{.m = tokens,
                   .n = out,
                   .k = in,
                   .transpose_b = !attrs.transposed,
                   .compute = ctx.compute_type(),
                   .b_stored = stored,
                   .scale = attrs.scale,
                   .accumulate = attrs.accumulate,
                   .packed_b = packed};
  ATTUNE_ASSIGN_OR_RETURN(auto product, Product::Create(spec, ctx.workers()));
  PointOperand(ctx, product, true, x, 0);
  if (packed) {
    ctx.UsePacked(frozen, product);
  } else {
    ctx.WithAddress(w, [product](std::byte* p) { product->set_b(p); });
  }
  ATTUNE_RETURN_IF_ERROR(EmitProduct(ctx, product, y));
  if (attrs.bias) EmitBias(ctx, node.inputs[2], y);
  return OkStatus();
}

Status LowerMatMul(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<MatMulAttrs>();
  const ValueId a = node.inputs[0], b = node.inputs[1], c = node.outputs[0];
  if (attrs.accumulate) BeginAccumulation(ctx, node);
  ProductSpec spec{.m = ctx.ShapeOf(c)[0],
                   .n = ctx.ShapeOf(c)[1],
                   .k = ctx.ShapeOf(a)[!attrs.transpose_a],
                   .transpose_a = attrs.transpose_a,
                   .transpose_b = attrs.transpose_b,
                   .compute = ctx.compute_type(),
                   .b_stored = ctx.compute_type(),
                   .scale = attrs.scale,
                   .accumulate = attrs.accumulate};
  ATTUNE_ASSIGN_OR_RETURN(auto product, Product::Create(spec, ctx.workers()));
  PointOperand(ctx, product, true, a, 0);
  PointOperand(ctx, product, false, b, RoundUp(2 * ctx.ShapeOf(a).elements(), 64));
  return EmitProduct(ctx, product, c);
}

}  // namespace

Status LowerProducts(Context& ctx, const Node& node) {
  if (LowerLowRank(ctx, node)) return OkStatus();
  switch (node.op) {
    case OpKind::kLinear:
      return LowerLinear(ctx, node);
    case OpKind::kMatMul:
      return LowerMatMul(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

}  // namespace attune::cpu
