#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

using Inputs = std::span<const ReferenceTensor* const>;
using Outputs = std::span<ReferenceTensor>;

Shape WithLast(const Shape& shape, std::int64_t last) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  for (int axis = 0; axis < shape.rank(); ++axis) extents[axis] = shape[axis];
  extents[shape.rank() - 1] = last;
  return Shape(
      std::span<const std::int64_t>(extents).first(static_cast<std::size_t>(shape.rank())));
}

Inferred InferReshape(const Attributes& attributes, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  const Shape& shape = std::get<ReshapeAttrs>(attributes).shape;
  if (shape.elements() != in[0].shape.elements()) {
    return InvalidArgument(StrCat(in[0].shape.ToString(), " has ", in[0].shape.elements(),
                                  " elements, ", shape.ToString(), " has ", shape.elements()));
  }
  return std::vector{ValueType{in[0].dtype, shape}};
}
void CopyReference(const Attributes&, Inputs in, Outputs out) { out[0].data = in[0]->data; }
void ReshapeGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  context.Set(0, context.builder().Reshape(context.output_gradient(0),
                                           context.builder().graph().shape(context.input(0))));
}

Inferred InferTranspose(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  return std::vector{ValueType{in[0].dtype, {in[0].shape[1], in[0].shape[0]}}};
}
void TransposeReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t rows = in[0]->type.shape[0], width = in[0]->type.shape[1];
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < width; ++j) out[0].data[j * rows + i] = in[0]->data[i * width + j];
  }
}
void TransposeGradient(GradientContext& context) {
  if (context.wants(0)) context.Set(0, context.builder().Transpose(context.output_gradient(0)));
}

Inferred InferSlice(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<SliceAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  const std::int64_t width = in[0].shape.back();
  if (in[0].shape.rank() == 0 || attrs.begin < 0 || attrs.size < 0 || attrs.size > width ||
      attrs.begin > width - attrs.size) {
    return InvalidArgument(StrCat("columns ", attrs.begin, " to ", attrs.begin + attrs.size, " of ",
                                  in[0].shape.ToString()));
  }
  return std::vector{ValueType{in[0].dtype, WithLast(in[0].shape, attrs.size)}};
}
void SliceReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<SliceAttrs>(attributes);
  const std::int64_t width = in[0]->type.shape.back();
  for (std::int64_t n = 0; n < in[0]->type.shape.rows(); ++n) {
    for (std::int64_t c = 0; c < attrs.size; ++c) {
      out[0].data[n * attrs.size + c] = in[0]->data[n * width + attrs.begin + c];
    }
  }
}
void SliceGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  SliceAttrs attrs = context.node().attrs<SliceAttrs>();
  attrs.full = context.builder().graph().shape(context.input(0)).back();
  context.Set(0, context.builder().Emit(OpKind::kPad, attrs, {context.output_gradient(0)})[0]);
}

Inferred InferPad(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<SliceAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  if (in[0].shape.rank() == 0 || in[0].shape.back() != attrs.size || attrs.begin < 0 ||
      attrs.full < attrs.size || attrs.begin > attrs.full - attrs.size) {
    return InvalidArgument(StrCat(in[0].shape.ToString(), " into columns ", attrs.begin, " to ",
                                  attrs.begin + attrs.size, " of ", attrs.full));
  }
  return std::vector{ValueType{in[0].dtype, WithLast(in[0].shape, attrs.full)}};
}
void PadReference(const Attributes& attributes, Inputs in, Outputs out) {
  const auto& attrs = std::get<SliceAttrs>(attributes);
  for (std::int64_t n = 0; n < in[0]->type.shape.rows(); ++n) {
    for (std::int64_t c = 0; c < attrs.size; ++c) {
      out[0].data[n * attrs.full + attrs.begin + c] = in[0]->data[n * attrs.size + c];
    }
  }
}
void PadGradient(GradientContext& context) {
  const auto& attrs = context.node().attrs<SliceAttrs>();
  if (context.wants(0)) {
    context.Set(0, context.builder().Slice(context.output_gradient(0), attrs.begin, attrs.size));
  }
}

Inferred InferSplit(const Attributes& attributes, Types in) {
  const std::int64_t parts = std::get<SplitAttrs>(attributes).parts;
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  if (in[0].shape.rank() == 0 || parts <= 0 || in[0].shape.back() % parts != 0) {
    return InvalidArgument(StrCat(in[0].shape.ToString(), " in ", parts, " equal parts"));
  }
  const ValueType part{in[0].dtype, WithLast(in[0].shape, in[0].shape.back() / parts)};
  return std::vector<ValueType>(static_cast<std::size_t>(parts), part);
}
void SplitReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = in[0]->type.shape.back(), part = out[0].type.shape.back();
  for (std::int64_t n = 0; n < in[0]->type.shape.rows(); ++n) {
    for (std::int64_t c = 0; c < width; ++c) {
      out[static_cast<std::size_t>(c / part)].data[n * part + c % part] =
          in[0]->data[n * width + c];
    }
  }
}
void SplitGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  auto& builder = context.builder();
  std::vector<ValueId> pieces;
  for (std::size_t i = 0; i < context.node().outputs.size(); ++i) {
    ValueId piece = context.output_gradient(i);
    if (piece == kNoValue) piece = builder.Scale(context.output(i), 0.0f);
    pieces.push_back(piece);
  }
  context.Set(0, builder.Concat(pieces));
}

Inferred InferConcat(const Attributes&, Types in) {
  if (in.empty()) return WrongCount(0, 1);
  std::int64_t width = 0;
  for (const ValueType& type : in) {
    if (type.shape.rank() == 0) return InvalidArgument("piece is [], must have a last axis");
    if (type.dtype != in[0].dtype) {
      return InvalidArgument(
          StrCat("piece is ", DTypeName(type.dtype), ", must be ", DTypeName(in[0].dtype)));
    }
    ATTUNE_RETURN_IF_ERROR(ExpectShape("piece", type, WithLast(in[0].shape, type.shape.back())));
    width += type.shape.back();
  }
  return std::vector{ValueType{in[0].dtype, WithLast(in[0].shape, width)}};
}
void ConcatReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = out[0].type.shape.back();
  std::int64_t begin = 0;
  for (const ReferenceTensor* piece : in) {
    const std::int64_t part = piece->type.shape.back();
    for (std::int64_t n = 0; n < piece->type.shape.rows(); ++n) {
      for (std::int64_t c = 0; c < part; ++c) {
        out[0].data[n * width + begin + c] = piece->data[n * part + c];
      }
    }
    begin += part;
  }
}
void ConcatGradient(GradientContext& context) {
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < context.node().inputs.size(); ++i) {
    const std::int64_t part = context.builder().graph().shape(context.input(i)).back();
    if (context.wants(i)) {
      context.Set(i, context.builder().Slice(context.output_gradient(0), begin, part));
    }
    begin += part;
  }
}

// Only rows are reduced: what bias and weight gradients need. Its own gradient
// would be a broadcast, which nothing asks for.
Inferred InferReduceSum(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 1));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("x", in[0], 2));
  return std::vector{F32({in[0].shape[1]})};
}
void ReduceSumReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = in[0]->type.shape[1];
  for (std::size_t i = 0; i < in[0]->data.size(); ++i) {
    out[0].data[i % static_cast<std::size_t>(width)] += in[0]->data[i];
  }
}

Inferred InferCacheAppend(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 3));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("cache", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("cache", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("x", in[1], {in[1].shape[0], in[0].shape[1]}));
  ATTUNE_RETURN_IF_ERROR(ExpectInt("position", in[2], {1}));
  if (in[1].shape[0] > in[0].shape[0]) {
    return InvalidArgument(StrCat(in[1].shape[0], " rows into a cache of ", in[0].shape[0]));
  }
  return std::vector{in[0]};
}
void CacheAppendReference(const Attributes&, Inputs in, Outputs out) {
  const std::int64_t width = in[0]->type.shape[1];
  const auto begin = static_cast<std::int64_t>(in[2]->data[0]) * width;
  out[0].data = in[0]->data;
  for (std::size_t i = 0; i < in[1]->data.size(); ++i) out[0].data[begin + i] = in[1]->data[i];
}

}  // namespace

const OpSchema kReshapeSchema{.name = "reshape",
                              .infer = InferReshape,
                              .reference = CopyReference,
                              .gradient = ReshapeGradient,
                              .aliases_input = true};
const OpSchema kTransposeSchema{"transpose", InferTranspose, TransposeReference, TransposeGradient};
const OpSchema kSliceSchema{"slice", InferSlice, SliceReference, SliceGradient};
const OpSchema kPadSchema{"pad", InferPad, PadReference, PadGradient};
const OpSchema kSplitSchema{"split", InferSplit, SplitReference, SplitGradient};
const OpSchema kConcatSchema{"concat", InferConcat, ConcatReference, ConcatGradient};
const OpSchema kReduceSumSchema{"reduce_sum", InferReduceSum, ReduceSumReference};
const OpSchema kCacheAppendSchema{.name = "cache_append",
                                  .infer = InferCacheAppend,
                                  .reference = CacheAppendReference,
                                  .aliases_input = true};

}  // namespace attune::ops
