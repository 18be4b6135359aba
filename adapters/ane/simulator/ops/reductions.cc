// Reductions and softmax.

#include <algorithm>
#include <numeric>

#include "ane/simulator/call.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

struct Split {
  std::int64_t outer = 1, n = 1, inner = 1;
};

// Extents before, in and after the axes [first, last].
Split SplitAt(const Dims& dims, std::size_t first, std::size_t last) {
  Split split;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    (i < first ? split.outer : i <= last ? split.n : split.inner) *= dims[i];
  }
  return split;
}

// Whether only axes of extent 1 lie between those of a reduction.
bool AreNeighbours(const Dims& dims, const Dims& axes) {
  for (std::int64_t axis = axes.front(); axis <= axes.back(); ++axis) {
    const bool reduced = std::find(axes.begin(), axes.end(), axis) != axes.end();
    if (!reduced && dims[static_cast<std::size_t>(axis)] != 1) return false;
  }
  return true;
}

Result<Value> MoveToEnd(Call& call, const Value& x, const Dims& axes) {
  Dims permutation;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.type.dims.size()); ++i) {
    if (std::find(axes.begin(), axes.end(), i) == axes.end()) permutation.push_back(i);
  }
  permutation.insert(permutation.end(), axes.begin(), axes.end());
  return EmitTranspose(call, x, permutation);
}

}  // namespace

Result<Value> EmitReduce(Call& call, ReduceOp op, const Value& x, const Dims& axes,
                         mil::DataType dtype) {
  Dims kept = x.type.dims;
  for (const std::int64_t axis : axes) kept[static_cast<std::size_t>(axis)] = 1;
  Value source = x;
  Split split;
  if (axes.empty() || AreNeighbours(x.type.dims, axes)) {
    const auto first = axes.empty() ? x.type.dims.size() : static_cast<std::size_t>(axes.front());
    split = SplitAt(x.type.dims, first, axes.empty() ? 0 : static_cast<std::size_t>(axes.back()));
  } else {
    ATTUNE_ASSIGN_OR_RETURN(source, MoveToEnd(call, x, axes));
    split =
        SplitAt(source.type.dims, source.type.dims.size() - axes.size(), source.type.dims.size());
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(dtype, kept));
  ReduceArgs args = {.op = op, .n = split.n, .inner = split.inner};
  const Numerics& numerics = call.numerics();
  const bool real = mil::IsReal(x.type.dtype);
  args.narrow = real && numerics.half && numerics.narrow_reduce;
  args.ties_up = args.narrow && numerics.reduce_ties_up;
  args.rounding = RoundingOf(numerics, dtype);
  const std::int64_t groups = split.outer * split.inner;
  const Place px = call.At(source), pz = z.place;
  Effect effect = {.reads = {source}, .writes = {z}};
  effect.elementwise_flops = static_cast<double>(groups * split.n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(groups, 16);
    ReduceGroups(args, lane.At(px), lane.At(pz), range.begin, range.end);
  });
  return z;
}

Result<Value> EmitSoftmax(Call& call, const Value& x, std::int64_t axis) {
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(x.type.dtype, x.type.dims));
  const auto at = static_cast<std::size_t>(axis);
  const Split split = SplitAt(x.type.dims, at, at);
  const SoftmaxArgs args = {
      .n = split.n, .inner = split.inner, .rounding = RoundingOf(call.numerics(), x.type.dtype)};
  const std::int64_t groups = split.outer * split.inner;
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}, .in_place = true};
  effect.elementwise_flops = 5.0 * static_cast<double>(groups * split.n);
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(groups, split.inner == 1 ? 1 : 16);
    SoftmaxGroups(args, lane.At(px), lane.At(pz), range.begin, range.end);
  });
  return z;
}

namespace {

// Without the axes of a reduction.
Dims Dropped(const Dims& dims, const Dims& axes) {
  Dims out;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const auto axis = static_cast<std::int64_t>(i);
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) out.push_back(dims[i]);
  }
  return out;
}

Result<Dims> AxesOf(Call& call, std::size_t rank) {
  const auto r = static_cast<std::int64_t>(rank);
  Dims all(rank);
  std::iota(all.begin(), all.end(), 0);
  ATTUNE_ASSIGN_OR_RETURN(Dims axes, call.IntsOr("axes", all));
  for (std::int64_t& axis : axes) {
    if (axis < -r || axis >= r) {
      return call.Fail(StrCat("axes: ", axis, " is not an axis of a tensor of rank ", r));
    }
    if (axis < 0) axis += r;
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end()) {
    return call.Fail("axes: an axis is named twice");
  }
  return axes;
}

template <ReduceOp kOp>
Status BuildReduce(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims axes, AxesOf(call, x.type.dims.size()));
  ATTUNE_ASSIGN_OR_RETURN(const bool keep, call.BoolOr("keep_dims", false));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitReduce(call, kOp, x, axes, x.type.dtype));
  if (keep) return call.Define(z);
  return call.Define(call.View(z, Dropped(x.type.dims, axes)));
}

template <ReduceOp kOp>
Status BuildArg(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t axis, call.AxisOr("axis", x.type.dims.size(), -1));
  ATTUNE_ASSIGN_OR_RETURN(const bool keep, call.BoolOr("keep_dims", false));
  ATTUNE_ASSIGN_OR_RETURN(const std::string name, call.TextOr("output_dtype", "int32"));
  const std::optional<mil::DataType> dtype = mil::ParseDataType(name);
  if (!dtype || mil::IsReal(*dtype) || *dtype == mil::DataType::kString) {
    return call.Fail(StrCat("output_dtype \"", name, "\" is not an integer type"));
  }
  const Dims axes = {axis};
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitReduce(call, kOp, x, axes, *dtype));
  if (keep) return call.Define(z);
  return call.Define(call.View(z, Dropped(x.type.dims, axes)));
}

Status BuildSoftmax(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  if (x.type.dims.empty()) return call.Fail("x: a tensor of rank 1 at least is expected");
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t axis, call.AxisOr("axis", x.type.dims.size(), -1));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitSoftmax(call, x, axis));
  return call.Define(z);
}

constexpr std::string_view kArguments = "x axes keep_dims";
constexpr std::string_view kArgArguments = "x axis keep_dims output_dtype";
constexpr OpEntry kOps[] = {
    {"reduce_sum", kArguments, BuildReduce<ReduceOp::kSum>},
    {"reduce_mean", kArguments, BuildReduce<ReduceOp::kMean>},
    {"reduce_max", kArguments, BuildReduce<ReduceOp::kMax>},
    {"reduce_min", kArguments, BuildReduce<ReduceOp::kMin>},
    {"reduce_prod", kArguments, BuildReduce<ReduceOp::kProduct>},
    {"reduce_sum_square", kArguments, BuildReduce<ReduceOp::kSumSquare>},
    {"reduce_l1_norm", kArguments, BuildReduce<ReduceOp::kL1>},
    {"reduce_l2_norm", kArguments, BuildReduce<ReduceOp::kL2>},
    {"reduce_log_sum", kArguments, BuildReduce<ReduceOp::kLogSum>},
    {"reduce_log_sum_exp", kArguments, BuildReduce<ReduceOp::kLogSumExp>},
    {"reduce_argmax", kArgArguments, BuildArg<ReduceOp::kArgMax>},
    {"reduce_argmin", kArgArguments, BuildArg<ReduceOp::kArgMin>},
    {"softmax", "x axis", BuildSoftmax},
};

}  // namespace

std::span<const OpEntry> ReductionOps() { return kOps; }

}  // namespace attune::ane
