// The operators of the graph and their attributes. Names are the field's.
//
// Activations are row-major matrices [tokens, channels]; the tokens of a batch
// follow each other, so a batch of B sequences of T tokens has B*T rows.
// Inputs in [brackets] are optional and announced by an attribute.

#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace attune {

enum class OpKind : std::uint8_t {
  // table [V,C], ids i32[N] -> [N,C]
  kEmbedding,
  // ids i32[N], dy [N,C], [accumulate [V,C]] -> [V,C]: rows of dy summed by id
  kEmbeddingGrad,
  // x [N,in], W [out,in] ([in,out] when transposed), [bias [out]],
  // [accumulate [N,out]] -> scale * x W^T + bias + accumulate
  kLinear,
  // a, b, [accumulate] -> scale * op(a) op(b) + accumulate, op = transpose or not
  kMatMul,
  kAdd,    // x, y of one shape -> x + y
  kMul,    // x, y of one shape -> x * y
  kScale,  // x -> factor * x
  // x -> f(x), f one of UnaryFunction
  kUnary,
  // x, dy -> dy * f'(x)
  kUnaryGrad,
  // gate, up -> silu(gate) * up
  kSwiGlu,
  // gate, up, dy -> dgate, dup
  kSwiGluGrad,
  // x [N,C], w [C] -> y = x * rstd * w, rstd [N] = (mean(x^2) + epsilon)^-1/2
  kRmsNorm,
  // x, w, rstd, dy -> dx
  kRmsNormGrad,
  // x, rstd, dy -> dw [C]
  kRmsNormWeightGrad,
  // x [N,C], w [C], b [C] -> y, mean [N], rstd [N]
  kLayerNorm,
  // x, w, mean, rstd, dy -> dx
  kLayerNormGrad,
  // x, mean, rstd, dy -> dw [C], db [C]
  kLayerNormWeightGrad,
  // x [N,heads*D], positions i32[N], table [P,D] (cos then sin, D/2 each) -> x
  // rotated by its position; the inverse rotates back
  kRope,
  // q [B*Tq,H*D], k, v [B*Tk,Hkv*D], [lo i32[B*Tq], hi i32[B*Tq]] ->
  // out [B*Tq,H*D], lse [B*Tq,H]: log of the sum of exponentials of the scores
  kAttention,
  // q, k, v, out, lse, dout, [lo, hi] -> dq, dk, dv
  kAttentionGrad,
  // x [..,C] -> softmax over the last axis
  kSoftmax,
  // y, dy -> dx of softmax, y its output
  kSoftmaxGrad,
  // x [N,C], W [V,C], labels i32[N], weights [N] -> loss [1], lse [N]
  // loss = sum_i weights_i * (lse_i - logit_i[label_i]); rows of weight 0 cost
  // nothing; the logits are never stored as a whole
  kLinearCrossEntropy,
  // x, W, labels, weights, lse, dloss [1] -> dx, or dx, dW with weight_gradient
  kLinearCrossEntropyGrad,
  // x, W, labels, weights, dloss -> loss, lse, dx[, dW]: both of the above in
  // one pass over the logits
  kLinearCrossEntropyJoint,
  kReshape,    // same elements, other extents; no data moves
  kTranspose,  // [M,N] -> [N,M]
  kSlice,      // columns [begin, begin+size) of the last axis
  kPad,        // the gradient of slice: zeros outside [begin, begin+size)
  kSplit,      // the last axis in `parts` equal pieces, one output each
  kConcat,     // along the last axis
  kReduceSum,  // [N,C] -> [C], over the rows
  kCast,       // to another float dtype
  // x, seed i32[2] -> x * mask / (1-p), mask a function of seed, salt and index
  kDropout,
  // cache [P,C], x [N,C], position i32[1] -> cache with rows position.. replaced;
  // the output is the cache's own storage
  kCacheAppend,
};

enum class UnaryFunction : std::uint8_t { kSilu, kGelu, kGeluTanh, kRelu, kTanh, kSigmoid };
enum class AttentionMask : std::uint8_t {
  kCausal,   // query t sees keys 0 .. t + Tk - Tq
  kFull,     // every key
  kBounded,  // keys [lo[t], hi[t]) of its own sequence
};
enum class RopeLayout : std::uint8_t { kRotateHalf, kInterleaved };

struct EmbeddingGradAttrs {
  std::int64_t vocabulary = 0;
  bool accumulate = false;
  bool operator==(const EmbeddingGradAttrs&) const = default;
};
struct LinearAttrs {
  bool transposed = false;  // The weight is stored [in, out].
  float scale = 1.0f;
  bool bias = false;
  bool accumulate = false;
  bool operator==(const LinearAttrs&) const = default;
};
struct MatMulAttrs {
  bool transpose_a = false;
  bool transpose_b = false;
  float scale = 1.0f;
  bool accumulate = false;
  bool operator==(const MatMulAttrs&) const = default;
};
struct ScaleAttrs {
  float factor = 1.0f;
  bool operator==(const ScaleAttrs&) const = default;
};
struct UnaryAttrs {
  UnaryFunction function = UnaryFunction::kSilu;
  bool operator==(const UnaryAttrs&) const = default;
};
struct NormAttrs {
  float epsilon = 1e-5f;
  bool operator==(const NormAttrs&) const = default;
};
struct RopeAttrs {
  std::int64_t head_dim = 0;
  RopeLayout layout = RopeLayout::kRotateHalf;
  bool inverse = false;
  bool operator==(const RopeAttrs&) const = default;
};
struct AttentionAttrs {
  std::int64_t batch = 1;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  std::int64_t head_dim = 0;
  float scale = 1.0f;
  AttentionMask mask = AttentionMask::kCausal;
  bool operator==(const AttentionAttrs&) const = default;
};
struct CrossEntropyAttrs {
  bool weight_gradient = false;
  bool operator==(const CrossEntropyAttrs&) const = default;
};
struct ReshapeAttrs {
  Shape shape;
  bool operator==(const ReshapeAttrs&) const = default;
};
struct SliceAttrs {
  std::int64_t begin = 0;
  std::int64_t size = 0;
  std::int64_t full = 0;  // Pad only: the extent to restore.
  bool operator==(const SliceAttrs&) const = default;
};
struct SplitAttrs {
  std::int64_t parts = 1;
  bool operator==(const SplitAttrs&) const = default;
};
struct CastAttrs {
  DType dtype = DType::kF32;
  bool operator==(const CastAttrs&) const = default;
};
struct DropoutAttrs {
  float probability = 0;
  std::uint32_t salt = 0;  // Tells the dropouts of one graph apart.
  bool operator==(const DropoutAttrs&) const = default;
};

using Attributes =
    std::variant<std::monostate, EmbeddingGradAttrs, LinearAttrs, MatMulAttrs, ScaleAttrs,
                 UnaryAttrs, NormAttrs, RopeAttrs, AttentionAttrs, CrossEntropyAttrs, ReshapeAttrs,
                 SliceAttrs, SplitAttrs, CastAttrs, DropoutAttrs>;

// "linear", "rms_norm", ...; a unary op is called by its kind, "unary".
std::string_view OpName(OpKind op);
// "silu", "gelu", "gelu_tanh", ...
std::string_view UnaryName(UnaryFunction function);

}  // namespace attune
