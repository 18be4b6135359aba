// slice_by_size, slice_by_index, split.

#include <algorithm>
#include <vector>

#include "ane/simulator/call.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

using Axes = std::vector<SourceAxis>;

// The old datapaths scale what a slice of the width axis reads from inside a row.
Result<Value> EmitSlice(Call& call, const Value& x, std::int64_t first, const Axes& axes,
                        bool inside_width) {
  ATTUNE_ASSIGN_OR_RETURN(Value z, EmitRearrange(call, x, first, axes, 0));
  const float clamp = call.numerics().width_slice_clamp;
  if (!inside_width || !call.numerics().half || clamp == 0 || !mil::IsReal(x.type.dtype)) return z;
  const UnaryArgs args = {.op = UnaryOp::kClip, .alpha = -clamp, .beta = clamp};
  return EmitUnary(call, args, z, z.type.dtype);
}

Status BuildSliceBySize(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims begin, call.Ints("begin"));
  ATTUNE_ASSIGN_OR_RETURN(Dims size, call.Ints("size"));
  const std::size_t rank = x.type.dims.size();
  if (begin.size() != rank || size.size() != rank) {
    return call.Fail(StrCat("begin has ", begin.size(), " and size ", size.size(),
                            " numbers, x has rank ", rank));
  }
  const Dims strides = StridesOf(x.type.dims);
  Axes axes;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t extent = x.type.dims[i];
    const std::int64_t from = begin[i] < 0 ? begin[i] + extent : begin[i];
    if (size[i] == -1) size[i] = extent - from;
    if (from < 0 || size[i] <= 0 || from > extent || size[i] > extent - from) {
      return call.Fail(
          StrCat("axis ", i, ": ", size[i], " elements from ", begin[i], ", x has ", extent));
    }
    first += from * strides[i];
    axes.push_back({size[i], strides[i], {}});
  }
  const bool inside_width = rank > 0 && begin[rank - 1] != 0;
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitSlice(call, x, first, axes, inside_width));
  return call.Define(z);
}

struct Interval {
  std::int64_t from = 0, count = 0, stride = 1;
};

// What begin:end:stride selects of `extent` elements, as NumPy reads it.
Interval Selected(std::int64_t extent, std::int64_t begin, std::int64_t end, std::int64_t stride,
                  bool open_begin, bool open_end) {
  if (begin < 0) begin += extent;
  if (end < 0) end += extent;
  if (stride > 0) {
    begin = open_begin ? 0 : std::clamp<std::int64_t>(begin, 0, extent);
    end = open_end ? extent : std::clamp<std::int64_t>(end, 0, extent);
    return {begin, std::max<std::int64_t>(0, (end - begin + stride - 1) / stride), stride};
  }
  begin = open_begin ? extent - 1 : std::clamp<std::int64_t>(begin, -1, extent - 1);
  end = open_end ? -1 : std::clamp<std::int64_t>(end, -1, extent - 1);
  return {begin, std::max<std::int64_t>(0, (begin - end - stride - 1) / -stride), stride};
}

// What the op selects along every axis.
Result<std::vector<Interval>> IntervalsOf(Call& call, const Dims& dims, const Dims& squeeze) {
  const std::size_t rank = dims.size();
  ATTUNE_ASSIGN_OR_RETURN(const Dims begin, call.Ints("begin"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims end, call.Ints("end"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims stride, call.IntsOr("stride", Dims(rank, 1)));
  ATTUNE_ASSIGN_OR_RETURN(const Dims begin_mask, call.IntsOr("begin_mask", Dims(rank, 0)));
  ATTUNE_ASSIGN_OR_RETURN(const Dims end_mask, call.IntsOr("end_mask", Dims(rank, 0)));
  for (const Dims* list : {&begin, &end, &stride, &begin_mask, &end_mask, &squeeze}) {
    if (list->size() != rank) {
      return call.Fail(StrCat("a list of ", list->size(), " numbers, x has rank ", rank));
    }
  }
  std::vector<Interval> intervals;
  for (std::size_t i = 0; i < rank; ++i) {
    if (stride[i] == 0) return call.Fail(StrCat("axis ", i, ": a stride of 0"));
    Interval part =
        Selected(dims[i], begin[i], end[i], stride[i], begin_mask[i] != 0, end_mask[i] != 0);
    if (squeeze[i] != 0) {
      part = {begin_mask[i] != 0 ? 0 : begin[i] + (begin[i] < 0 ? dims[i] : 0), 1, 1};
    }
    if (part.count <= 0 || part.from < 0 || part.from >= dims[i]) {
      return call.Fail(StrCat("axis ", i, ": ", begin[i], " to ", end[i], " of ", dims[i],
                              " elements selects none"));
    }
    intervals.push_back(part);
  }
  return intervals;
}

Status BuildSliceByIndex(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  const Dims& in = x.type.dims;
  ATTUNE_ASSIGN_OR_RETURN(const Dims squeeze, call.IntsOr("squeeze_mask", Dims(in.size(), 0)));
  ATTUNE_ASSIGN_OR_RETURN(const std::vector<Interval> parts, IntervalsOf(call, in, squeeze));
  const Dims strides = StridesOf(in);
  Axes axes;
  Dims dims;
  std::int64_t first = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    first += parts[i].from * strides[i];
    axes.push_back({parts[i].count, strides[i] * parts[i].stride, {}});
    if (squeeze[i] == 0) dims.push_back(parts[i].count);
  }
  const bool inside_width = !parts.empty() && parts.back().from != 0;
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitSlice(call, x, first, axes, inside_width));
  return call.Define(call.View(z, dims));
}

Status BuildSplit(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  const Dims& dims = x.type.dims;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t axis, call.AxisOr("axis", dims.size(), 0));
  const auto at = static_cast<std::size_t>(axis);
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t parts, call.IntOr("num_splits", 0));
  ATTUNE_ASSIGN_OR_RETURN(Dims sizes, call.IntsOr("split_sizes", {}));
  if (sizes.empty()) {
    if (parts <= 0 || dims[at] % parts != 0) {
      return call.Fail(StrCat("num_splits: ", dims[at], " elements in ", parts, " parts"));
    }
    sizes.assign(static_cast<std::size_t>(parts), dims[at] / parts);
  }
  const Dims strides = StridesOf(dims);
  std::vector<Value> values;
  std::int64_t begin = 0;
  for (const std::int64_t size : sizes) {
    if (size <= 0 || size > dims[at] - begin) break;
    Axes axes;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      axes.push_back({i == at ? size : dims[i], strides[i], {}});
    }
    const bool inside_width = at + 1 == dims.size() && begin > 0;
    ATTUNE_ASSIGN_OR_RETURN(Value part,
                            EmitSlice(call, x, begin * strides[at], axes, inside_width));
    values.push_back(std::move(part));
    begin += size;
  }
  if (begin != dims[at] || values.size() != sizes.size()) {
    return call.Fail(StrCat("split_sizes: [", StrJoin(sizes, ","), "] of ", dims[at]));
  }
  return call.Define(values);
}

constexpr OpEntry kOps[] = {
    {"slice_by_size", "x begin size", BuildSliceBySize},
    {"slice_by_index", "x begin end stride begin_mask end_mask squeeze_mask", BuildSliceByIndex},
    {"split", "x num_splits split_sizes axis", BuildSplit},
};

}  // namespace

std::span<const OpEntry> SliceOps() { return kOps; }

}  // namespace attune::ane
