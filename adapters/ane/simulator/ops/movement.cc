// Ops that move elements and compute nothing.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "ane/simulator/call.h"
#include "ane/simulator/ops/emit.h"
#include "base/strings.h"

namespace attune::ane {

Dims StridesOf(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return strides;
}

namespace {

// One run of the last axis.
void MoveRow(const SourceAxis& axis, const float* from, float fill, float* to) {
  if (!axis.table.empty()) {
    for (std::int64_t i = 0; i < axis.extent; ++i) {
      const std::int64_t at = axis.table[static_cast<std::size_t>(i)];
      to[i] = at < 0 ? fill : from[at];
    }
  } else if (axis.stride == 1) {
    std::memcpy(to, from, static_cast<std::size_t>(axis.extent) * sizeof(float));
  } else {
    for (std::int64_t i = 0; i < axis.extent; ++i) to[i] = from[i * axis.stride];
  }
}

// Reversed axes lead to negative offsets, so nothing small can say "nowhere".
constexpr std::int64_t kNowhere = std::numeric_limits<std::int64_t>::min();

// Where row `row` of the result comes from, relative to the first element; kNowhere
// where a table says that it is all fill.
std::int64_t SourceOf(const std::vector<SourceAxis>& axes, std::int64_t row) {
  std::int64_t offset = 0;
  for (std::size_t a = axes.size() - 1; a-- > 0;) {
    const SourceAxis& axis = axes[a];
    const std::int64_t at = row % axis.extent;
    row /= axis.extent;
    if (axis.table.empty()) {
      offset += at * axis.stride;
    } else if (axis.table[static_cast<std::size_t>(at)] < 0) {
      return kNowhere;
    } else {
      offset += axis.table[static_cast<std::size_t>(at)];
    }
  }
  return offset;
}

// Neighbouring axes that one stride describes become one.
std::vector<SourceAxis> Merged(const std::vector<SourceAxis>& axes) {
  std::vector<SourceAxis> out;
  for (const SourceAxis& axis : axes) {
    if (axis.extent == 1 && axis.table.empty()) continue;
    const bool joins = !out.empty() && out.back().table.empty() && axis.table.empty() &&
                       out.back().stride == axis.stride * axis.extent;
    if (joins) {
      out.back().extent *= axis.extent;
      out.back().stride = axis.stride;
    } else {
      out.push_back(axis);
    }
  }
  if (out.empty()) out.push_back({1, 0, {}});
  return out;
}

// The last two of the axes swapped in the source: squares that fit the first cache.
void MoveTransposed(const SourceAxis& row_axis, const SourceAxis& axis, const float* from,
                    float* to) {
  constexpr std::int64_t kSide = 16;
  for (std::int64_t r0 = 0; r0 < row_axis.extent; r0 += kSide) {
    const std::int64_t r1 = std::min(row_axis.extent, r0 + kSide);
    for (std::int64_t c0 = 0; c0 < axis.extent; c0 += kSide) {
      const std::int64_t c1 = std::min(axis.extent, c0 + kSide);
      for (std::int64_t r = r0; r < r1; ++r) {
        for (std::int64_t c = c0; c < c1; ++c) {
          to[r * axis.extent + c] = from[r * row_axis.stride + c * axis.stride];
        }
      }
    }
  }
}

void RunRearrange(const std::vector<SourceAxis>& axes, const float* from, float fill, float* to,
                  const Lane& lane) {
  std::int64_t rows = 1;
  for (std::size_t a = 0; a + 1 < axes.size(); ++a) rows *= axes[a].extent;
  const SourceAxis& last = axes.back();
  const bool transposed = axes.size() >= 2 && last.table.empty() && last.stride > 1 &&
                          axes[axes.size() - 2].table.empty();
  const std::int64_t group = transposed ? axes[axes.size() - 2].extent : 1;
  // The last two axes together make one group of a transposition; its halves by rows.
  const WorkRange range = lane.Range(rows, group >= 64 && rows == group ? 16 : group);
  for (std::int64_t row = range.begin; row < range.end;) {
    const std::int64_t offset = SourceOf(axes, row);
    float* z = to + row * last.extent;
    if (offset == kNowhere) {
      std::fill(z, z + last.extent, fill);
      ++row;
    } else if (transposed) {
      SourceAxis some = axes[axes.size() - 2];
      some.extent = std::min(group - row % group, range.end - row);
      MoveTransposed(some, last, from + offset, z);
      row += some.extent;
    } else {
      MoveRow(last, from + offset, fill, z);
      ++row;
    }
  }
}

}  // namespace

Result<Value> EmitRearrange(Call& call, const Value& x, std::int64_t first,
                            const std::vector<SourceAxis>& axes, float fill) {
  Dims dims;
  for (const SourceAxis& axis : axes) dims.push_back(axis.extent);
  const std::vector<SourceAxis> merged = Merged(axes);
  // A stretch of the source in its order needs no copy.
  const bool stretch = merged.size() == 1 && merged[0].table.empty() &&
                       (merged[0].stride == 1 || merged[0].extent == 1);
  if (stretch) return call.View(x, dims, first);
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(x.type.dtype, dims));
  const Place px = call.At(x), pz = z.place;
  Effect effect = {.reads = {x}, .writes = {z}};
  effect.elementwise_flops = static_cast<double>(*ElementsOf(dims));
  call.Emit(effect, [=](const Lane& lane) {
    RunRearrange(merged, lane.At(px) + first, fill, lane.At(pz), lane);
  });
  return z;
}

Result<Value> EmitTranspose(Call& call, const Value& x, const Dims& permutation) {
  const Dims strides = StridesOf(x.type.dims);
  std::vector<SourceAxis> axes;
  for (const std::int64_t from : permutation) {
    const auto f = static_cast<std::size_t>(from);
    axes.push_back({x.type.dims[f], strides[f], {}});
  }
  return EmitRearrange(call, x, 0, axes, 0);
}

namespace {

using Axes = std::vector<SourceAxis>;

Status BuildReshape(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(Dims shape, call.Ints("shape"));
  const std::int64_t elements = *ElementsOf(x.type.dims);
  std::int64_t known = 1;
  std::int64_t* open = nullptr;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) {
      if (i >= x.type.dims.size()) return call.Fail("shape: 0 keeps an extent that x has not");
      shape[i] = x.type.dims[i];
    }
    if (shape[i] == -1) {
      if (open != nullptr) return call.Fail("shape: only one extent may be -1");
      open = &shape[i];
    } else if (shape[i] < 0 || shape[i] > elements) {
      return call.Fail(StrCat("shape: extent ", shape[i], " for ", elements, " elements"));
    } else {
      known *= shape[i];
      if (known > elements) break;
    }
  }
  if (open != nullptr && elements % known == 0) *open = elements / known;
  if (ElementsOf(shape) != elements || shape.size() > 5) {
    return call.Fail(StrCat("shape [", StrJoin(shape, ","), "] for ", elements, " elements"));
  }
  return call.Define(call.View(x, shape));
}

Status BuildTranspose(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(Dims permutation, call.Ints("perm"));
  const auto rank = static_cast<std::int64_t>(x.type.dims.size());
  std::vector<bool> seen(x.type.dims.size(), false);
  for (std::int64_t& axis : permutation) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || seen[static_cast<std::size_t>(axis)]) {
      return call.Fail("perm: not a permutation of the axes");
    }
    seen[static_cast<std::size_t>(axis)] = true;
  }
  if (permutation.size() != seen.size()) return call.Fail("perm: not a permutation of the axes");
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitTranspose(call, x, permutation));
  return call.Define(z);
}

Status BuildExpandDims(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(Dims axes, call.Ints("axes"));
  const auto rank = static_cast<std::int64_t>(x.type.dims.size() + axes.size());
  if (rank > 5) return call.Fail(StrCat("gives rank ", rank, ", at most 5 is possible"));
  Dims dims(static_cast<std::size_t>(rank), 0);
  for (std::int64_t axis : axes) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank || dims[static_cast<std::size_t>(axis)] == 1) {
      return call.Fail(StrCat("axes: ", axis, " is not a new axis of rank ", rank));
    }
    dims[static_cast<std::size_t>(axis)] = 1;
  }
  auto next = x.type.dims.begin();
  for (std::int64_t& extent : dims) {
    if (extent == 0) extent = *next++;
  }
  return call.Define(call.View(x, dims));
}

Status BuildSqueeze(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  Dims units;
  for (std::size_t i = 0; i < x.type.dims.size(); ++i) {
    if (x.type.dims[i] == 1) units.push_back(static_cast<std::int64_t>(i));
  }
  ATTUNE_ASSIGN_OR_RETURN(Dims axes, call.IntsOr("axes", units));
  for (std::int64_t& axis : axes) {
    if (axis < 0) axis += static_cast<std::int64_t>(x.type.dims.size());
    if (std::find(units.begin(), units.end(), axis) == units.end()) {
      return call.Fail(StrCat("axes: ", axis, " is not an axis of extent 1"));
    }
  }
  Dims dims;
  for (std::size_t i = 0; i < x.type.dims.size(); ++i) {
    const auto axis = static_cast<std::int64_t>(i);
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) dims.push_back(x.type.dims[i]);
  }
  return call.Define(call.View(x, dims));
}

// Every part in its place of [outer, all parts, inner].
Result<Value> EmitConcat(Call& call, const std::vector<Value>& parts, std::size_t axis) {
  Dims dims = parts[0].type.dims;
  dims[axis] = 0;
  for (const Value& part : parts) dims[axis] += part.type.dims[axis];
  ATTUNE_ASSIGN_OR_RETURN(const Value z, call.New(parts[0].type.dtype, dims));
  std::int64_t outer = 1;
  for (std::size_t i = 0; i < axis; ++i) outer *= dims[i];
  struct Piece {
    Place place;
    std::int64_t length;
  };
  std::vector<Piece> pieces;
  for (const Value& part : parts) {
    pieces.push_back({call.At(part), *ElementsOf(part.type.dims) / outer});
  }
  const std::int64_t length = *ElementsOf(dims) / outer;
  const Place pz = z.place;
  Effect effect = {.reads = parts, .writes = {z}};
  effect.elementwise_flops = static_cast<double>(outer * length);
  call.Emit(effect, [=](const Lane& lane) {
    std::int64_t begin = 0;
    for (const Piece& piece : pieces) {
      const float* from = lane.At(piece.place);
      float* to = lane.At(pz) + begin;
      const WorkRange rows = outer > 1 ? lane.Range(outer) : WorkRange{0, 1};
      const WorkRange part = outer > 1 ? WorkRange{0, piece.length} : lane.Range(piece.length, 64);
      for (std::int64_t row = rows.begin; row < rows.end && part.begin < part.end; ++row) {
        std::memcpy(to + row * length + part.begin, from + row * piece.length + part.begin,
                    static_cast<std::size_t>(part.end - part.begin) * sizeof(float));
      }
      begin += piece.length;
    }
  });
  return z;
}

Status BuildConcat(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(std::vector<Value> parts, call.Tensors("values"));
  const Dims& shape = parts[0].type.dims;
  ATTUNE_ASSIGN_OR_RETURN(const std::int64_t axis, call.AxisOr("axis", shape.size(), 0));
  ATTUNE_ASSIGN_OR_RETURN(const bool interleave, call.BoolOr("interleave", false));
  const auto at = static_cast<std::size_t>(axis);
  for (const Value& part : parts) {
    Dims alike = part.type.dims;
    if (alike.size() == shape.size() && !interleave) alike[at] = shape[at];
    if (alike != shape || part.type.dtype != parts[0].type.dtype) {
      return call.Fail(StrCat("values: ", mil::ToString(part.type), " beside ",
                              mil::ToString(parts[0].type), " along axis ", axis));
    }
  }
  if (!interleave) {
    ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitConcat(call, parts, at));
    return call.Define(z);
  }
  // Element by element in turn: parts side by side on an axis after this one. Extents
  // before and after are merged, for rank 5 has no room.
  Dims result = shape;
  result[at] *= static_cast<std::int64_t>(parts.size());
  Dims merged = {1, 1, 1};
  for (std::size_t i = 0; i < shape.size(); ++i) (i <= at ? merged[0] : merged[2]) *= shape[i];
  for (Value& part : parts) part = call.View(part, merged);
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitConcat(call, parts, 1));
  return call.Define(call.View(z, result));
}

// Where element i of a padded axis comes from; -1: the constant.
std::int64_t Padded(const std::string& mode, std::int64_t i, std::int64_t extent) {
  if (i >= 0 && i < extent) return i;
  if (mode == "constant") return -1;
  if (mode == "replicate") return std::clamp<std::int64_t>(i, 0, extent - 1);
  return i < 0 ? -i : 2 * (extent - 1) - i;  // Reflected about the last element.
}

Result<SourceAxis> PaddedAxis(Call& call, const std::string& mode, std::int64_t before,
                              std::int64_t after, std::int64_t extent, std::int64_t stride) {
  if (before == 0 && after == 0) return SourceAxis{extent, stride, {}};
  const std::int64_t most = mode == "reflect" ? extent - 1 : std::int64_t{1} << 24;
  if (before < 0 || after < 0 || before > most || after > most) {
    return call.Fail(
        StrCat("pad: ", before, " before and ", after, " after ", extent, " elements"));
  }
  // The table, its copy among the merged axes and the step's.
  constexpr std::int64_t kCopies = 3;
  SourceAxis axis = {extent + before + after, 0, {}};
  ATTUNE_RETURN_IF_ERROR(
      call.ReserveBytes(kCopies * axis.extent * static_cast<std::int64_t>(sizeof(axis.extent))));
  axis.table.reserve(static_cast<std::size_t>(axis.extent));
  for (std::int64_t i = -before; i < extent + after; ++i) {
    const std::int64_t from = Padded(mode, i, extent);
    axis.table.push_back(from < 0 ? -1 : from * stride);
  }
  return axis;
}

Status BuildPad(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  ATTUNE_ASSIGN_OR_RETURN(const Dims pad, call.Ints("pad"));
  ATTUNE_ASSIGN_OR_RETURN(const std::string mode, call.TextOr("mode", "constant"));
  ATTUNE_ASSIGN_OR_RETURN(const float fill, call.FloatOr("constant_val", 0));
  const std::size_t rank = x.type.dims.size();
  if (pad.size() % 2 != 0 || pad.size() > 2 * rank) {
    return call.Fail(StrCat("pad: ", pad.size(), " numbers for rank ", rank));
  }
  if (mode != "constant" && mode != "reflect" && mode != "replicate") {
    return call.Fail(StrCat("mode \"", mode, "\" is none of constant, reflect, replicate"));
  }
  const Dims strides = StridesOf(x.type.dims);
  const std::size_t skipped = rank - pad.size() / 2;
  Axes axes;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t before = i < skipped ? 0 : pad[2 * (i - skipped)];
    const std::int64_t after = i < skipped ? 0 : pad[2 * (i - skipped) + 1];
    ATTUNE_ASSIGN_OR_RETURN(SourceAxis axis,
                            PaddedAxis(call, mode, before, after, x.type.dims[i], strides[i]));
    axes.push_back(std::move(axis));
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitRearrange(call, x, 0, axes, fill));
  return call.Define(z);
}

Status BuildReverse(Call& call) {
  ATTUNE_ASSIGN_OR_RETURN(const Value x, call.Tensor("x"));
  const Dims strides = StridesOf(x.type.dims);
  const auto rank = static_cast<std::int64_t>(x.type.dims.size());
  Dims all;
  for (std::int64_t i = 0; i < rank; ++i) all.push_back(i);
  ATTUNE_ASSIGN_OR_RETURN(const Dims reversed, call.IntsOr("axes", all));
  Axes axes;
  for (std::size_t i = 0; i < x.type.dims.size(); ++i) {
    axes.push_back({x.type.dims[i], strides[i], {}});
  }
  std::int64_t first = 0;
  for (std::int64_t axis : reversed) {
    if (axis < 0) axis += rank;
    if (axis < 0 || axis >= rank) return call.Fail(StrCat("axes: no axis ", axis));
    SourceAxis& source = axes[static_cast<std::size_t>(axis)];
    if (source.stride < 0) return call.Fail("axes: an axis is named twice");
    first += (source.extent - 1) * source.stride;
    source.stride = -source.stride;
  }
  ATTUNE_ASSIGN_OR_RETURN(const Value z, EmitRearrange(call, x, first, axes, 0));
  return call.Define(z);
}

constexpr OpEntry kOps[] = {
    {"reshape", "x shape", BuildReshape},
    {"transpose", "x perm", BuildTranspose},
    {"expand_dims", "x axes", BuildExpandDims},
    {"squeeze", "x axes", BuildSqueeze},
    {"concat", "values axis interleave", BuildConcat},
    {"pad", "x pad mode constant_val", BuildPad},
    {"reverse", "x axes", BuildReverse},
};

}  // namespace

std::span<const OpEntry> MovementOps() { return kOps; }

}  // namespace attune::ane
