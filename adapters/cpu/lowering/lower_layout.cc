#include "base/strings.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/elementwise.h"
#include "cpu/kernels/embedding.h"
#include "cpu/lowering/context.h"
#include "graph/op_schema.h"

namespace attune::cpu {
namespace {

// Rows of x into the cache at a position read at run time.
struct CacheAppendArgs {
  const float* x = nullptr;
  float* cache = nullptr;
  const std::int32_t* position = nullptr;
  std::int64_t rows = 0, columns = 0;
};
void RunCacheAppend(const CacheAppendArgs& args, const Worker& worker) {
  Copy({.x = args.x,
        .z = args.cache + args.position[0] * args.columns,
        .rows = args.rows,
        .columns = args.columns,
        .x_stride = args.columns,
        .z_stride = args.columns},
       worker);
}

// Columns [from, from+columns) of x to columns [to, ...) of z.
void EmitColumns(Context& ctx, ValueId x, std::int64_t from, ValueId z, std::int64_t to,
                 std::int64_t columns) {
  auto* args = ctx.Emit<Copy>(CopyArgs{.rows = ctx.ShapeOf(x).rows(),
                                       .columns = columns,
                                       .x_stride = ctx.ShapeOf(x).back(),
                                       .z_stride = ctx.ShapeOf(z).back()});
  ctx.WithAddress(x, [args, from](std::byte* p) { args->x = reinterpret_cast<float*>(p) + from; });
  ctx.WithAddress(z, [args, to](std::byte* p) { args->z = reinterpret_cast<float*>(p) + to; });
}

Status LowerReshape(Context&, const Node&) { return OkStatus(); }  // The same storage.

// Shape rules let any dtype through that only moves; the kernels move f32.
Status CheckMovable(Context& ctx, const Node& node) {
  const DType dtype = ctx.graph().value(node.outputs[0]).type.dtype;
  if (dtype == DType::kF32 || node.op == OpKind::kReshape) return OkStatus();
  return Unsupported(StrCat(DTypeName(dtype), " operand, must be ", DTypeName(DType::kF32)));
}

Status LowerTranspose(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<TransposeConvert>(
      ConvertArgs{.rows = x[0], .columns = x[1], .source_stride = x[1], .target_stride = x[0]});
  ctx.Point(&args->source, node.inputs[0]);
  ctx.Point(&args->target, node.outputs[0]);
  return OkStatus();
}

Status LowerSlice(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<SliceAttrs>();
  EmitColumns(ctx, node.inputs[0], attrs.begin, node.outputs[0], 0, attrs.size);
  return OkStatus();
}

Status LowerPad(Context& ctx, const Node& node) {
  const auto& attrs = node.attrs<SliceAttrs>();
  auto* fill = ctx.Emit<Fill>(FillArgs{.n = ctx.ShapeOf(node.outputs[0]).elements()});
  ctx.Point(&fill->z, node.outputs[0]);
  EmitColumns(ctx, node.inputs[0], 0, node.outputs[0], attrs.begin, attrs.size);
  return OkStatus();
}

Status LowerSplit(Context& ctx, const Node& node) {
  const std::int64_t part = ctx.ShapeOf(node.outputs[0]).back();
  for (std::size_t i = 0; i < node.outputs.size(); ++i) {
    EmitColumns(ctx, node.inputs[0], static_cast<std::int64_t>(i) * part, node.outputs[i], 0, part);
  }
  return OkStatus();
}

Status LowerConcat(Context& ctx, const Node& node) {
  std::int64_t begin = 0;
  for (ValueId piece : node.inputs) {
    EmitColumns(ctx, piece, 0, node.outputs[0], begin, ctx.ShapeOf(piece).back());
    begin += ctx.ShapeOf(piece).back();
  }
  return OkStatus();
}

Status LowerReduceSum(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[0]);
  auto* args = ctx.Emit<ColumnSum>(ColumnSumArgs{.rows = x[0], .columns = x[1], .x_stride = x[1]});
  ctx.Point(&args->x, node.inputs[0]);
  ctx.Point(&args->sum, node.outputs[0]);
  return OkStatus();
}

Status LowerCacheAppend(Context& ctx, const Node& node) {
  const Shape& x = ctx.ShapeOf(node.inputs[1]);
  auto* args = ctx.Emit<RunCacheAppend>(CacheAppendArgs{.rows = x[0], .columns = x[1]});
  ctx.Point(&args->cache, node.inputs[0]);
  ctx.Point(&args->x, node.inputs[1]);
  ctx.Point(&args->position, node.inputs[2]);
  ctx.CheckIndices(node.inputs[2], ctx.ShapeOf(node.inputs[0])[0] - x[0] + 1);
  return OkStatus();
}

}  // namespace

Status LowerLayouts(Context& ctx, const Node& node) {
  ATTUNE_RETURN_IF_ERROR(CheckMovable(ctx, node));
  switch (node.op) {
    case OpKind::kReshape:
      return LowerReshape(ctx, node);
    case OpKind::kTranspose:
      return LowerTranspose(ctx, node);
    case OpKind::kSlice:
      return LowerSlice(ctx, node);
    case OpKind::kPad:
      return LowerPad(ctx, node);
    case OpKind::kSplit:
      return LowerSplit(ctx, node);
    case OpKind::kConcat:
      return LowerConcat(ctx, node);
    case OpKind::kReduceSum:
      return LowerReduceSum(ctx, node);
    case OpKind::kCacheAppend:
      return LowerCacheAppend(ctx, node);
    default:
      return Unsupported("no kernel");
  }
}

void BeginAccumulation(Context& ctx, const Node& node) {
  const ValueId out = node.outputs[0];
  const int accumulator = AccumulateInput(node);
  if (accumulator < 0) {
    auto* fill = ctx.Emit<Fill>(FillArgs{.n = ctx.ShapeOf(out).elements()});
    ctx.Point(&fill->z, out);
    return;
  }
  const ValueId from = node.inputs[static_cast<std::size_t>(accumulator)];
  if (ctx.StorageOf(from) != ctx.StorageOf(out)) {
    EmitColumns(ctx, from, 0, out, 0, ctx.ShapeOf(out).back());
  }
}

}  // namespace attune::cpu
