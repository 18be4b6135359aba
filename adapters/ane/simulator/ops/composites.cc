// Ops of several steps: attention and layer normalization.

#include <algorithm>
#include <cmath>

#include "ane/simulator/call.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

Value Scalar(mil::DataType dtype, float number) {
  Value value;
  value.type = TensorType(dtype, {});
  value.constant = std::make_shared<const Constant>(Constant{.numbers = {number}, .text = ""});
  return value;
}

// A mask of truths lets scores through where it is true.
Result<Value> Masked(Call& call, const Value& scores, const Value& mask) {
  const mil::DataType dtype = scores.type.dtype;
  if (mil::IsReal(mask.type.dtype)) {
    return EmitBinary(call, BinaryOp::kAdd, scores, mask, dtype);
  }
  // (mask - 1) * large: 0 where true.
  constexpr float kLarge = 30000;
  ATTUNE_ASSIGN_OR_RETURN(const Value shifted,
                          EmitBinary(call, BinaryOp::kSub, mask, Scalar(dtype, 1), dtype));
  ATTUNE_ASSIGN_OR_RETURN(const Value added,
                          EmitBinary(call, BinaryOp::kMul, shifted, Scalar(dtype, kLarge), dtype));
  return EmitBinary(call, BinaryOp::kAdd, scores, added, dtype);
}

bool IsTooLong(const Numerics& numerics, const Value& query, const Value& key) {
  if (numerics.attention_length == 0) return false;
  const std::size_t tokens = query.type.dims.size() - 2;
  const std::int64_t queries = query.type.dims[tokens], keys = key.type.dims[tokens];
  return std::min(queries, keys) >= numerics.attention_length ||
         std::max(queries, keys) > numerics.attention_most;
}

// softmax(query key^T / sqrt(width) + mask) value
Status BuildAttention(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value query, call.Tensor("query"));
  ATTUNE_ASSIGN_OR_RETURN(const Value key, call.Tensor("key"));
  ATTUNE_ASSIGN_OR_RETURN(const Value value, call.Tensor("value"));
  const std::size_t rank = query.type.dims.size();
  if (rank < 3 || key.type.dims.size() != rank || value.type.dims.size() != rank) {
    return call.Fail("query, key and value of one rank of 3 or more are expected");
  }
  const float scale = 1 / std::sqrt(static_cast<float>(query.type.dims.back()));
  ATTUNE_ASSIGN_OR_RETURN(
      const Value scaled,
      EmitBinary(call, BinaryOp::kMul, query, Scalar(query.type.dtype, scale), query.type.dtype));
  ATTUNE_ASSIGN_OR_RETURN(Value scores, EmitMatmul(call, scaled, key, false, true));
  if (call.Has("attn_mask")) {
    ATTUNE_ASSIGN_OR_RETURN(const Value mask, call.Tensor("attn_mask"));
    if (!call.numerics().mask_ignored) {
      ATTUNE_ASSIGN_OR_RETURN(scores, Masked(call, scores, mask));
    }
  }
  if (IsTooLong(call.numerics(), query, key)) {
    ATTUNE_ASSIGN_OR_RETURN(scores, EmitBinary(call, BinaryOp::kMul, scores,
                                               Scalar(query.type.dtype, 0), query.type.dtype));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value weights,
                          EmitSoftmax(call, scores, static_cast<std::int64_t>(rank) - 1));
  ATTUNE_ASSIGN_OR_RETURN(const Value context, EmitMatmul(call, weights, value, false, false));
  return call.Define(context);
}

// The extents of the axes of a normalization, which must be the last ones or an axis
// followed by others: [outer, n, inner].
struct Groups {
  std::int64_t outer = 1, n = 1, inner = 1;
  Dims shape;  // Of gamma and beta beside x.
};

Result<Groups> GroupsOf(Call& call, const Dims& dims) {
  const auto rank = static_cast<std::int64_t>(dims.size());
  ATTUNE_ASSIGN_OR_RETURN(Dims axes, call.IntsOr("axes", {}));
  Groups groups;
  std::int64_t state = 0;  // Before, in and after the axes.
  for (std::int64_t& axis : axes) axis = axis < 0 ? axis + rank : axis;
  for (std::int64_t i = 0; i < rank; ++i) {
    bool in = call.Has("axes") ? false : true;
    for (const std::int64_t axis : axes) in = in || axis == i;
    const std::int64_t extent = dims[static_cast<std::size_t>(i)];
    groups.shape.push_back(in ? extent : 1);
    if (in && state == 2) return call.Fail("axes: neighbouring axes are expected");
    if (in) state = 1;
    if (!in && state == 1) state = 2;
    (state == 0 ? groups.outer : state == 1 ? groups.n : groups.inner) *= extent;
  }
  return groups;
}

// (x - mean) / sqrt(variance + epsilon), in f32 and rounded once.
void NormalizeGroup(const float* x, float* z, const Groups& groups, float epsilon) {
  double sum = 0, squares = 0;
  const std::int64_t step = groups.inner;
  for (std::int64_t i = 0; i < groups.n; ++i) sum += x[i * step];
  const double mean = sum / static_cast<double>(groups.n);
  for (std::int64_t i = 0; i < groups.n; ++i) {
    squares += (x[i * step] - mean) * (x[i * step] - mean);
  }
  const double scale = 1 / std::sqrt(squares / static_cast<double>(groups.n) + epsilon);
  for (std::int64_t i = 0; i < groups.n; ++i) {
    z[i * step] = static_cast<float>((x[i * step] - mean) * scale);
  }
}

Result<Value> EmitNormalize(Call& call, const Value& x, const Groups& groups, float epsilon) {
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(x.type.dtype, x.type.dims));
  const std::int64_t count = groups.outer * groups.inner;
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}};
  effect.elementwise_flops = 4.0 * static_cast<double>(count * groups.n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(count);
    for (std::int64_t g = range.begin; g < range.end; ++g) {
      const std::int64_t first = g / groups.inner * groups.n * groups.inner + g % groups.inner;
      NormalizeGroup(lane.At(px) + first, lane.At(pz) + first, groups, epsilon);
    }
  });
  return EmitUnary(call, {.op = UnaryOp::kCopy}, z, x.type.dtype);
}

Status BuildLayerNorm(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const float epsilon, call.FloatOr("epsilon", 1e-5f));
  ATTUNE_ASSIGN_OR_RETURN(const Groups groups, GroupsOf(call, x.type.dims));
  ATTUNE_ASSIGN_OR_RETURN(Value z, EmitNormalize(call, x, groups, epsilon));
  for (const auto& [key, op] :
       {std::pair("gamma", BinaryOp::kMul), std::pair("beta", BinaryOp::kAdd)}) {
    if (!call.Has(key)) continue;
    ATTUNE_ASSIGN_OR_RETURN(const Value factor, call.Tensor(key));
    if (*ElementsOf(factor.type.dims) != groups.n) {
      return call.Fail(StrCat(key, ": ", mil::ToString(factor.type), " for groups of ", groups.n));
    }
    ATTUNE_ASSIGN_OR_RETURN(z,
                            EmitBinary(call, op, z, call.View(factor, groups.shape), x.type.dtype));
  }
  return call.Define(z);
}

constexpr OpEntry kOps[] = {
    {"scaled_dot_product_attention", "query key value attn_mask", BuildAttention},
    {"layer_norm", "x axes gamma beta epsilon", BuildLayerNorm},
};

}  // namespace

std::span<const OpEntry> CompositeOps() { return kOps; }

}  // namespace attune::ane
