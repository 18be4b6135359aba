// One schema per op kind; each file of this folder defines a family.

#pragma once

#include "graph/op_schema.h"

namespace attune::ops {

extern const OpSchema kEmbeddingSchema, kEmbeddingGradSchema;
extern const OpSchema kLinearSchema, kMatMulSchema;
extern const OpSchema kAddSchema, kMulSchema, kScaleSchema, kUnarySchema, kUnaryGradSchema,
    kSwiGluSchema, kSwiGluGradSchema, kCastSchema, kDropoutSchema;
extern const OpSchema kRmsNormSchema, kRmsNormGradSchema, kRmsNormWeightGradSchema;
extern const OpSchema kLayerNormSchema, kLayerNormGradSchema, kLayerNormWeightGradSchema;
extern const OpSchema kRopeSchema;
extern const OpSchema kAttentionSchema, kAttentionGradSchema;
extern const OpSchema kSoftmaxSchema, kSoftmaxGradSchema;
extern const OpSchema kLinearCrossEntropySchema, kLinearCrossEntropyGradSchema,
    kLinearCrossEntropyJointSchema;
extern const OpSchema kReshapeSchema, kTransposeSchema, kSliceSchema, kPadSchema, kSplitSchema,
    kConcatSchema, kReduceSumSchema, kCacheAppendSchema;

}  // namespace attune::ops
