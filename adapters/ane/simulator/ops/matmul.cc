// matmul and conv.

#include <algorithm>
#include <array>

#include "ane/simulator/ops/broadcast.h"
#include "ane/simulator/ops/emit.h"
#include "ane/simulator/ops/patches.h"
#include "ane/simulator/ops/product.h"
#include "base/checked_math.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// The extents before the last two.
Dims BatchOf(const Dims& dims) { return Dims(dims.begin(), dims.end() - 2); }

Status CheckMatrices(Call& call, const Value& x, const Value& y) {
  for (const Value* value : {&x, &y}) {
    const std::size_t rank = value->type.dims.size();
    if (rank < 2 || rank > 5)
      return call.Fail(StrCat("an operand of rank ", rank, ", 2 to 5 are possible"));
    if (!mil::IsReal(value->type.dtype)) {
      return call.Fail(StrCat("an operand of type ", mil::ToString(value->type)));
    }
  }
  if (x.type.dtype != y.type.dtype) return call.Fail("x and y differ in their element type");
  return OkStatus();
}

// Offsets of the different matrices of an operand, and which one each of the result's
// batch takes.
struct Batches {
  std::vector<std::int64_t> offsets;
  std::vector<std::int64_t> of;
};

Batches BatchesOf(const Dims& batch, const Dims& result, std::int64_t matrix) {
  const std::array<Dims, 1> shapes = {batch};
  const BroadcastPlan plan = PlanBroadcast(shapes, result);
  Batches batches;
  const std::int64_t count = *ElementsOf(batch);
  batches.offsets.reserve(static_cast<std::size_t>(count));
  batches.of.reserve(static_cast<std::size_t>(plan.rows * plan.inner));
  for (std::int64_t i = 0; i < count; ++i) batches.offsets.push_back(i * matrix);
  for (std::int64_t row = 0; row < plan.rows; ++row) {
    for (std::int64_t i = 0; i < plan.inner; ++i) {
      batches.of.push_back(plan.Offsets(row)[0] + i * plan.steps[0]);
    }
  }
  return batches;
}

}  // namespace

Result<Value> EmitMatmul(Call& call, const Value& x, const Value& y, bool transpose_x,
                         bool transpose_y) {
  ATTUNE_RETURN_IF_ERROR(CheckMatrices(call, x, y));
  const Dims& xd = x.type.dims;
  const Dims& yd = y.type.dims;
  const std::int64_t x_rows = xd[xd.size() - 2], x_columns = xd[xd.size() - 1];
  const std::int64_t y_rows = yd[yd.size() - 2], y_columns = yd[yd.size() - 1];
  ProductPlan plan;
  plan.m = transpose_x ? x_columns : x_rows;
  plan.k = transpose_x ? x_rows : x_columns;
  plan.n = transpose_y ? y_rows : y_columns;
  if (const std::int64_t other = transpose_y ? y_columns : y_rows; other != plan.k) {
    return call.Fail(StrCat("x gives ", plan.k, " terms, y ", other));
  }
  const std::array<Dims, 2> batches = {BatchOf(xd), BatchOf(yd)};
  const std::optional<Dims> batch = Broadcast(batches);
  const std::optional<std::int64_t> count = batch ? ElementsOf(*batch) : std::nullopt;
  if (!count) return call.Fail("the batch extents of x and y do not broadcast");
  ATTUNE_RETURN_IF_ERROR(
      ReserveLists(call, *count, *ElementsOf(batches[0]) + *ElementsOf(batches[1])));
  Dims dims = *batch;
  dims.push_back(plan.m);
  dims.push_back(plan.n);
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(x.type.dtype, dims));
  const Batches left = BatchesOf(batches[0], *batch, x_rows * x_columns);
  const Batches right = BatchesOf(batches[1], *batch, y_rows * y_columns);
  plan.result_stride = plan.n;
  plan.pairs.reserve(static_cast<std::size_t>(*count));
  for (std::int64_t i = 0; i < *count; ++i) {
    const auto at = static_cast<std::size_t>(i);
    plan.pairs.push_back({left.of[at], right.of[at], i * plan.m * plan.n});
  }
  const auto stride = [](bool transposed, std::int64_t columns) {
    return transposed ? std::pair<std::int64_t, std::int64_t>(1, columns)
                      : std::pair<std::int64_t, std::int64_t>(columns, 1);
  };
  const auto [xr, xc] = stride(transpose_x, x_columns);
  const auto [yr, yc] = stride(transpose_y, y_columns);
  ATTUNE_RETURN_IF_ERROR(
      EmitProduct(call, plan, {x, left.offsets, xr, xc}, {y, right.offsets, yr, yc}, z));
  return z;
}

namespace {

Status BuildMatmul(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Value y, call.Tensor("y"));
  ATTUNE_ASSIGN_OR_RETURN(const bool transpose_x, call.BoolOr("transpose_x", false));
  ATTUNE_ASSIGN_OR_RETURN(const bool transpose_y, call.BoolOr("transpose_y", false));
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitMatmul(call, x, y, transpose_x, transpose_y));
  return call.Define(z);
}

// --- Convolution ---

// Spatial arguments with their axes in front, so that every kind has three.
std::array<std::int64_t, 3> Three(const Dims& list, std::int64_t fill) {
  std::array<std::int64_t, 3> out = {fill, fill, fill};
  std::copy(list.begin(), list.end(), out.end() - static_cast<std::ptrdiff_t>(list.size()));
  return out;
}

struct Padding {
  Dims before, after;
};

Result<Padding> PaddingOf(Call& call, const Dims& extents, const Dims& kernel, const Dims& strides,
                          const Dims& dilations) {
  const std::size_t spatial = extents.size();
  ATTUNE_ASSIGN_OR_RETURN(const std::string type, call.TextOr("pad_type", "valid"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims pad, call.IntsOr("pad", Dims(2 * spatial, 0)));
  Padding padding = {Dims(spatial, 0), Dims(spatial, 0)};
  if (type == "valid") return padding;
  if (type == "custom") {
    if (pad.size() != 2 * spatial) {
      return call.Fail(StrCat("pad: ", pad.size(), " numbers, ", 2 * spatial, " are needed"));
    }
    for (std::size_t i = 0; i < spatial; ++i) {
      padding.before[i] = pad[2 * i];
      padding.after[i] = pad[2 * i + 1];
    }
    return padding;
  }
  if (type != "same" && type != "same_lower") {
    return call.Fail(StrCat("pad_type \"", type, "\" is none of valid, custom, same, same_lower"));
  }
  for (std::size_t i = 0; i < spatial; ++i) {
    const std::int64_t out = (extents[i] + strides[i] - 1) / strides[i];
    const std::int64_t covered = (out - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1;
    const std::int64_t all = std::max<std::int64_t>(0, covered - extents[i]);
    padding.before[i] = type == "same" ? all / 2 : all - all / 2;
    padding.after[i] = all - padding.before[i];
  }
  return padding;
}

struct ConvShape {
  std::int64_t batch = 1, channels = 1, groups = 1, results = 1;  // Per image, not per group.
  PatchShape patch;
  std::int64_t taps = 1;       // Kernel positions.
  std::int64_t positions = 1;  // Of the result.
  Dims dims;                   // Of the result.
};

Status CheckLists(Call& call, std::span<const Dims* const> lists, std::size_t spatial) {
  constexpr std::int64_t kMost = 1 << 16;
  for (const Dims* list : lists) {
    if (list->size() != spatial) {
      return call.Fail(
          StrCat("a list of ", list->size(), " numbers for ", spatial, " spatial axes"));
    }
    for (const std::int64_t number : *list) {
      if (number < 1 || number > kMost)
        return call.Fail(StrCat("a stride or dilation of ", number));
    }
  }
  return OkStatus();
}

// Everything about the spatial axes.
Status AddSpatial(Call& call, const Value& x, const Value& weight, const Dims& strides,
                  const Dims& dilations, ConvShape* shape) {
  const Dims extents(x.type.dims.begin() + 2, x.type.dims.end());
  const Dims kernel(weight.type.dims.begin() + 2, weight.type.dims.end());
  ATTUNE_ASSIGN_OR_RETURN(const Padding padding,
                          PaddingOf(call, extents, kernel, strides, dilations));
  Dims results;
  for (std::size_t i = 0; i < extents.size(); ++i) {
    constexpr std::int64_t kMost = 1 << 24;
    const std::int64_t before = padding.before[i], after = padding.after[i];
    if (before < 0 || after < 0 || before > kMost || after > kMost) {
      return call.Fail(StrCat("pad: ", before, " before and ", after, " after"));
    }
    const std::int64_t reach = (kernel[i] - 1) * dilations[i] + 1;
    const std::int64_t room = extents[i] + before + after - reach;
    if (room < 0) {
      return call.Fail(StrCat("a kernel over ", reach, " elements, x has ",
                              extents[i] + before + after, " with its padding"));
    }
    results.push_back(room / strides[i] + 1);
    const auto positions = CheckedMul(shape->positions, results.back());
    if (!positions) {
      return call.Fail(StrCat("pad: a result of ", StrJoin(results, " by "), " positions"));
    }
    shape->positions = *positions;
    shape->taps *= kernel[i];
  }
  shape->dims.insert(shape->dims.end(), results.begin(), results.end());
  shape->patch.extents = Three(extents, 1);
  shape->patch.kernel = Three(kernel, 1);
  shape->patch.strides = Three(strides, 1);
  shape->patch.dilations = Three(dilations, 1);
  shape->patch.before = Three(padding.before, 0);
  shape->patch.results = Three(results, 1);
  return OkStatus();
}

Result<ConvShape> ShapeOf(Call& call, const Value& x, const Value& weight) {
  const Dims& xd = x.type.dims;
  const Dims& wd = weight.type.dims;
  if (xd.size() < 3 || xd.size() > 5 || wd.size() != xd.size()) {
    return call.Fail(StrCat("x has rank ", xd.size(), ", weight ", wd.size(),
                            "; equal ones from 3 to 5 are possible"));
  }
  const std::size_t spatial = xd.size() - 2;
  ConvShape shape;
  ATTUNE_ASSIGN_OR_RETURN(shape.groups, call.IntOr("groups", 1));
  ATTUNE_ASSIGN_OR_RETURN(const Dims strides, call.IntsOr("strides", Dims(spatial, 1)));
  ATTUNE_ASSIGN_OR_RETURN(const Dims dilations, call.IntsOr("dilations", Dims(spatial, 1)));
  const std::array<const Dims*, 2> lists = {&strides, &dilations};
  ATTUNE_RETURN_IF_ERROR(CheckLists(call, lists, spatial));
  shape.batch = xd[0];
  shape.channels = xd[1];
  shape.results = wd[0];
  if (shape.groups < 1 || shape.channels % shape.groups != 0 || shape.results % shape.groups != 0 ||
      wd[1] != shape.channels / shape.groups) {
    return call.Fail(StrCat("weight [", StrJoin(wd, ","), "] in ", shape.groups,
                            " groups for x with ", shape.channels, " channels"));
  }
  shape.dims = {shape.batch, shape.results};
  shape.patch.channels = shape.channels / shape.groups;
  ATTUNE_RETURN_IF_ERROR(AddSpatial(call, x, weight, strides, dilations, &shape));
  return shape;
}

// The patches under the kernel side by side: [batch, channels * taps, positions].
Result<Value> EmitPatches(Call& call, const Value& x, const ConvShape& shape) {
  const Dims dims = {shape.batch, shape.channels * shape.taps, shape.positions};
  ATTUNE_ASSIGN_OR_RETURN(const Value patches, call.New(x.type.dtype, dims));
  const Place px = call.At(x), pp = patches.place;
  PatchShape patch = shape.patch;
  patch.channels = shape.batch * shape.channels;
  Effect effect;
  effect.reads = {x};
  effect.writes = {patches};
  call.Emit(effect, [=](const Lane& lane) {
    const WorkRange range = lane.Range(patch.channels * patch.taps());
    CopyPatches(patch, lane.At(px), lane.At(pp), range.begin, range.end);
  });
  return patches;
}

Status BuildConv(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(Value weight, call.Tensor("weight"));
  if (x.type.dtype != weight.type.dtype || !mil::IsReal(x.type.dtype)) {
    return call.Fail(
        StrCat("x is ", mil::ToString(x.type), ", weight ", mil::ToString(weight.type)));
  }
  ATTUNE_ASSIGN_OR_RETURN(const ConvShape shape, ShapeOf(call, x, weight));
  if (weight.is_parameter && call.numerics().weight_input_ignored) {
    ATTUNE_RETURN_IF_ERROR(call.builder().Reserve(*ElementsOf(weight.type.dims)));
    weight.constant = std::make_shared<const Constant>(Constant{
        .numbers = std::vector<float>(static_cast<std::size_t>(*ElementsOf(weight.type.dims))),
        .text = ""});
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(x.type.dtype, shape.dims));
  Value source = x;
  if (!shape.patch.plain()) {
    ATTUNE_ASSIGN_OR_RETURN(source, EmitPatches(call, x, shape));
  }
  ProductPlan plan;
  plan.m = shape.results / shape.groups;
  plan.n = shape.positions;
  plan.k = shape.patch.channels * shape.taps;
  plan.result_stride = shape.positions;
  ProductSide left = {weight, {}, plan.k, 1};
  ProductSide right = {source, {}, plan.n, 1};
  const std::int64_t images = shape.batch * shape.groups;
  ATTUNE_RETURN_IF_ERROR(ReserveLists(call, images, images + shape.groups));
  right.offsets.reserve(static_cast<std::size_t>(images));
  plan.pairs.reserve(static_cast<std::size_t>(images));
  for (std::int64_t g = 0; g < shape.groups; ++g) left.offsets.push_back(g * plan.m * plan.k);
  for (std::int64_t i = 0; i < images; ++i) {
    right.offsets.push_back(i * plan.k * plan.n);
    plan.pairs.push_back({i % shape.groups, i, i * plan.m * plan.n});
  }
  ATTUNE_RETURN_IF_ERROR(EmitProduct(call, plan, left, right, z));
  return call.Define(z);
}

constexpr OpEntry kOps[] = {
    {"matmul", "x y transpose_x transpose_y", BuildMatmul},
    {"conv", "x weight strides pad_type pad dilations groups", BuildConv},
};

}  // namespace

std::span<const OpEntry> ProductOps() { return kOps; }

}  // namespace attune::ane
