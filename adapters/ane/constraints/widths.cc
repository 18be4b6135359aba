// The width axis, along which the hardware is particular.

#include <optional>
#include <string>

#include "ane/constraints/reading.h"
#include "ane/device/device.h"
#include "ane/mil/blob.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kMinWidth = 16;
constexpr std::int64_t kSafeWidth = 32;

template <typename Check>
void ForEachSurface(const Reading& reading, const Check& check) {
  for (const FunctionReading& function : reading.functions()) {
    for (const SurfaceUse& surface : SurfacesOf(function)) check(surface, WidthOf(*surface.type));
  }
}

std::string Named(const SurfaceUse& surface, std::int64_t width) {
  return StrCat(surface.parameter != nullptr ? "input " : "output ", Shown(surface.name), " is ",
                width, " wide");
}

void CheckMinimum(const Reading& reading, Findings* found) {
  ForEachSurface(reading, [&](const SurfaceUse& surface, std::int64_t width) {
    if (width >= kMinWidth) return;
    found->Add(surface.at,
               StrCat(Named(surface, width), ", at least ", kMinWidth, "; pad it to ", kSafeWidth));
  });
}

void CheckMultiple(const Reading& reading, Findings* found) {
  ForEachSurface(reading, [&](const SurfaceUse& surface, std::int64_t width) {
    if (width < kMinWidth || width % kMinWidth == 0) return;
    found->Add(surface.at, StrCat(Named(surface, width), ", not a multiple of ", kMinWidth,
                                  "; pad it to a multiple of ", kSafeWidth));
  });
}

void CheckZeros(const Reading& reading, Findings* found) {
  ForEachSurface(reading, [&](const SurfaceUse& surface, std::int64_t width) {
    if (width < kMinWidth || width >= kSafeWidth) return;
    found->Add(surface.at,
               StrCat(Named(surface, width), ", below ", kSafeWidth, " zeros come out; pad it"));
  });
}

// Rows of whole units of 64 bytes lie the same with and without padding. Widths that
// another rule forbids are left to that.
void CheckRows(const Reading& reading, Findings* found) {
  ForEachSurface(reading, [&](const SurfaceUse& surface, std::int64_t width) {
    const std::int64_t bytes = width * mil::BitsOf(surface.type->dtype) / 8;
    if (width < kMinWidth || surface.type->is_buffer || bytes % kRowAlignment == 0) return;
    if (OnM4(reading.target()) && width % kMinWidth != 0) return;
    if (OnM5(reading.target()) && width < kSafeWidth) return;
    found->Add(surface.at, StrCat(Named(surface, width), ": rows of ", bytes,
                                  " bytes are packed on some systems and padded to ", kRowAlignment,
                                  " on others; read the row stride or pad"));
  });
}

// Whether the slice begins inside the width.
bool SlicesWidth(const FunctionReading& function, const mil::Statement& statement) {
  if (statement.op != "slice_by_size" && statement.op != "slice_by_index") return false;
  const std::vector<double>* begin = function.NumbersOf(statement, "begin");
  if (begin == nullptr || begin->empty() || begin->back() == 0) return false;
  const std::vector<double>* mask = function.NumbersOf(statement, "begin_mask");
  return mask == nullptr || mask->size() != begin->size() || mask->back() == 0;
}

void CheckSlice(const Reading& reading, Findings* found) {
  ForEachStatement(reading, [&](const FunctionReading& function, const mil::Statement& statement) {
    if (!SlicesWidth(function, statement)) return;
    found->Add(statement.at, Shown(statement) +
                                 " begins inside the width: values beyond 4094 are clamped here; "
                                 "slice along channels or scale down");
  });
}

// The tensor that a value is a slice of, in the width, with a sign or a factor on it or
// not; null of anything else.
const Value* SlicedFrom(const FunctionReading& function, const Value* value) {
  for (int step = 0; step < 3 && value != nullptr && !value->is_parameter(); ++step) {
    const mil::Statement& source = *value->source;
    if (source.op == "slice_by_size" || source.op == "slice_by_index") {
      const mil::Type* whole = function.TypeOf(source, "x");
      const bool narrower = whole != nullptr && WidthOf(*value->type) < WidthOf(*whole);
      return narrower ? function.ValueOf(source, "x") : nullptr;
    }
    if (source.op != "mul" && source.op != "sub") return nullptr;
    const bool number_first = function.LiteralOf(source, "x") != nullptr;
    value = function.ValueOf(source, number_first ? "y" : "x");
  }
  return nullptr;
}

// concat(axis = 3, values = (-x[..., half:], x[..., :half])), as rotary embeddings
// turn pairs.
void CheckRotation(const Reading& reading, Findings* found) {
  ForEachOp(reading, "concat", [&](const FunctionReading& function, const mil::Statement& concat) {
    const std::vector<double>* axis = function.NumbersOf(concat, "axis");
    const auto rank = static_cast<double>(concat.outputs[0].type.dims.size());
    const mil::Argument* values = concat.Find("values");
    if (axis == nullptr || axis->size() != 1 || values == nullptr) return;
    if ((*axis)[0] != -1 && (*axis)[0] != rank - 1) return;
    const auto* names = std::get_if<std::vector<std::string>>(&values->value);
    if (names == nullptr || names->size() != 2) return;
    const Value* left = SlicedFrom(function, function.Find((*names)[0]));
    if (left == nullptr || left != SlicedFrom(function, function.Find((*names)[1]))) return;
    found->Add(concat.at, Shown(concat) +
                              " puts two halves of a width together again, which is refused here; "
                              "rotate by a constant permutation matrix");
  });
}

constexpr Constraint kConstraints[] = {
    {"widths.minimum", Severity::kEvaluate, "Inputs and outputs are at least 16 wide.",
     "M4, macOS 15; several sources put the least at 16", Everywhere, CheckMinimum},
    {"widths.multiple_16", Severity::kEvaluate,
     "Widths of inputs and outputs are multiples of 16 on M4.", "M4, macOS 15; two sources", OnM4,
     CheckMultiple},
    {"widths.zeros", Severity::kSilent,
     "On M5 inputs and outputs narrower than 32 make all outputs zero.",
     "M5 Max; one careful source", OnM5, CheckZeros},
    {"widths.rows", Severity::kDoubtful,
     "Rows of inputs and outputs are multiples of 64 bytes, so that padding does not matter.",
     "packed on M4 Max with macOS 15, padded from macOS 26.5 on", Everywhere, CheckRows},
    {"widths.slice", Severity::kSilent,
     "A slice that begins inside the width clamps values beyond 4094.",
     "M1, M2; exact from A16 on; two sources", OnM1OrM2, CheckSlice},
    {"widths.rotation", Severity::kCompile,
     "Two slices of a width are not concatenated again along it.", "M3 Ultra; one source",
     OnM3Ultra, CheckRotation},
};

}  // namespace

std::span<const Constraint> WidthConstraints() { return kConstraints; }

}  // namespace attune::ane
