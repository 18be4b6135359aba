#include "graph/ops/schemas.h"
#include "graph/ops/shape_rules.h"

namespace attune::ops {
namespace {

Inferred InferEmbedding(const Attributes&, Types in) {
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, 2));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("table", in[0], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectFloat("table", in[0]));
  ATTUNE_RETURN_IF_ERROR(ExpectInt("ids", in[1], {in[1].shape.elements()}));
  return std::vector{F32({in[1].shape[0], in[0].shape[1]})};
}

void EmbeddingReference(const Attributes&, std::span<const ReferenceTensor* const> in,
                        std::span<ReferenceTensor> out) {
  const std::int64_t width = in[0]->type.shape[1];
  for (std::int64_t i = 0; i < in[1]->type.shape[0]; ++i) {
    const auto row = static_cast<std::int64_t>(in[1]->data[i]);
    for (std::int64_t c = 0; c < width; ++c)
      out[0].data[i * width + c] = in[0]->data[row * width + c];
  }
}

void EmbeddingGradient(GradientContext& context) {
  if (!context.wants(0)) return;
  const auto& graph = context.builder().graph();
  const EmbeddingGradAttrs attrs{.vocabulary = graph.shape(context.input(0))[0]};
  context.Set(0, context.builder().Emit(OpKind::kEmbeddingGrad, attrs,
                                        {context.input(1), context.output_gradient(0)})[0]);
}

Inferred InferEmbeddingGrad(const Attributes& attributes, Types in) {
  const auto& attrs = std::get<EmbeddingGradAttrs>(attributes);
  ATTUNE_RETURN_IF_ERROR(ExpectCount(in, attrs.accumulate ? 3 : 2));
  ATTUNE_RETURN_IF_ERROR(ExpectF32("dy", in[1]));
  ATTUNE_RETURN_IF_ERROR(ExpectRank("dy", in[1], 2));
  ATTUNE_RETURN_IF_ERROR(ExpectInt("ids", in[0], {in[1].shape[0]}));
  const Shape out{attrs.vocabulary, in[1].shape[1]};
  if (attrs.accumulate) ATTUNE_RETURN_IF_ERROR(ExpectF32("accumulator", in[2], out));
  return std::vector{F32(out)};
}

void EmbeddingGradReference(const Attributes& attributes,
                            std::span<const ReferenceTensor* const> in,
                            std::span<ReferenceTensor> out) {
  const std::int64_t width = in[1]->type.shape[1];
  if (std::get<EmbeddingGradAttrs>(attributes).accumulate) out[0].data = in[2]->data;
  for (std::int64_t i = 0; i < in[0]->type.shape[0]; ++i) {
    const auto row = static_cast<std::int64_t>(in[0]->data[i]);
    for (std::int64_t c = 0; c < width; ++c)
      out[0].data[row * width + c] += in[1]->data[i * width + c];
  }
}

}  // namespace

const OpSchema kEmbeddingSchema{"embedding", InferEmbedding, EmbeddingReference, EmbeddingGradient};
const OpSchema kEmbeddingGradSchema{.name = "embedding_grad",
                                    .infer = InferEmbeddingGrad,
                                    .reference = EmbeddingGradReference,
                                    .in_place_input = 2};

}  // namespace attune::ops
