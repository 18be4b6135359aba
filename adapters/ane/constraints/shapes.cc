// Extents.

#include <algorithm>
#include <array>
#include <string>

#include "ane/constraints/reading.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// Calls check(type, what, at) for inputs and results, not for constants: those may be
// tables that no op sees whole.
template <typename Check>
void ForEachValue(const Reading& reading, const Check& check) {
  for (const FunctionReading& function : reading.functions()) {
    for (const mil::Output& parameter : function.function().parameters) {
      check(parameter.type, "input " + Shown(parameter.name), function.function().at);
    }
    for (const mil::Statement& statement : function.function().body) {
      if (statement.op == "const" || statement.op.starts_with("constexpr_")) continue;
      for (const mil::Output& output : statement.outputs) {
        check(output.type, Shown(statement), statement.at);
      }
    }
  }
}

void CheckRank(const Reading& reading, Findings* found) {
  constexpr std::size_t kMaxRank = 5;
  const auto check = [&](const mil::Type& type, const std::string& what, mil::Position at) {
    if (type.dims.size() <= kMaxRank) return;
    found->Add(at, StrCat(what, " is of rank ", type.dims.size(), ", at most ", kMaxRank,
                          "; merge axes by reshape"));
  };
  ForEachValue(reading, check);
}

// N and C to 65536; H and W to 16384 on the chips before A16, then as N and C. Axes
// count from the right: the last is W.
void CheckExtents(const Reading& reading, Findings* found) {
  const std::int64_t spatial = OnM1OrM2(reading.target()) ? 16384 : 65536;
  const std::array<std::int64_t, 5> limits = {spatial, spatial, 65536, 65536, 16384};
  const auto check = [&](const mil::Type& type, const std::string& what, mil::Position at) {
    for (std::size_t axis = 0; axis < std::min(type.dims.size(), limits.size()); ++axis) {
      const std::int64_t extent = type.dims[type.dims.size() - 1 - axis];
      if (extent >= 1 && extent <= limits[axis]) continue;
      return found->Add(at, StrCat(what, " is ", mil::ToString(type), ": extent ", extent,
                                   ", here 1 to ", limits[axis]));
    }
  };
  ForEachValue(reading, check);
}

std::int64_t ChannelsOf(const mil::Type* type) {
  return type != nullptr && type->dims.size() >= 2 ? type->dims[1] : 0;
}

void CheckConvInput(const Reading& reading, Findings* found) {
  constexpr std::int64_t kRefused = 32000;
  ForEachOp(reading, "conv", [&](const FunctionReading& function, const mil::Statement& conv) {
    const std::int64_t channels = ChannelsOf(function.TypeOf(conv, "x"));
    if (channels < kRefused) return;
    found->Add(conv.at, StrCat(Shown(conv), " reads ", channels, " channels, ", kRefused,
                               " are refused; use matmul, or several and a sum"));
  });
}

void CheckConvOutput(const Reading& reading, Findings* found) {
  constexpr std::int64_t kMax = 62080;
  ForEachOp(reading, "conv", [&](const FunctionReading&, const mil::Statement& conv) {
    const std::int64_t channels = ChannelsOf(&conv.outputs[0].type);
    if (channels <= kMax) return;
    found->Add(conv.at, StrCat(Shown(conv), " writes ", channels, " channels, ", kMax,
                               " are known to pass; split the vocabulary"));
  });
}

void CheckKernel(const Reading& reading, Findings* found) {
  constexpr std::int64_t kMax = 16;
  ForEachOp(reading, "conv", [&](const FunctionReading& function, const mil::Statement& conv) {
    const mil::Type* weight = function.TypeOf(conv, "weight");
    if (weight == nullptr || weight->dims.size() < 3 || WidthOf(*weight) <= kMax) return;
    found->Add(conv.at,
               StrCat(Shown(conv), " has a kernel ", WidthOf(*weight), " wide, at most ", kMax));
  });
}

void CheckConvBatch(const Reading& reading, Findings* found) {
  constexpr std::int64_t kSlow = 64;
  ForEachOp(reading, "conv", [&](const FunctionReading& function, const mil::Statement& conv) {
    const mil::Type* weight = function.TypeOf(conv, "weight");
    const mil::Type* x = function.TypeOf(conv, "x");
    if (weight == nullptr || x == nullptr || x->dims.empty() || x->dims[0] < kSlow) return;
    if (weight->dims.size() < 4 || weight->dims[2] < 3 || weight->dims[3] < 3) return;
    found->Add(conv.at, StrCat(Shown(conv), " with a batch of ", x->dims[0],
                               " and a wide kernel compiles for half a minute or more; unfold it "
                               "into a matmul"));
  });
}

void CheckArgmax(const Reading& reading, Findings* found) {
  constexpr std::int64_t kMax = 2048;
  ForEachStatement(reading, [&](const FunctionReading& function, const mil::Statement& statement) {
    if (statement.op != "reduce_argmax" && statement.op != "reduce_argmin") return;
    const mil::Type* x = function.TypeOf(statement, "x");
    const std::vector<double>* axis = function.NumbersOf(statement, "axis");
    if (x == nullptr || axis == nullptr || axis->size() != 1) return;
    const auto rank = static_cast<double>(x->dims.size());
    const double index = (*axis)[0] < 0 ? (*axis)[0] + rank : (*axis)[0];
    if (!(index >= 0 && index < rank)) return;
    const std::int64_t extent = x->dims[static_cast<std::size_t>(index)];
    if (extent <= kMax) return;
    found->Add(statement.at,
               StrCat(Shown(statement), " over ", extent, ", at most ", kMax, "; search in parts"));
  });
}

constexpr Constraint kConstraints[] = {
    {"shapes.rank", Severity::kCompile, "Values have at most five axes.",
     "M1 to M5; one careful source", Everywhere, CheckRank},
    {"shapes.extent", Severity::kCompile,
     "Extents are 1 to 65536; on M1 and M2 height and width end at 16384.",
     "M1 to M5; one careful source, and the compiler's own message on older chips", Everywhere,
     CheckExtents},
    {"shapes.conv_inputs", Severity::kCompile, "A convolution reads fewer than 32000 channels.",
     "M4, M4 Max, macOS 15; two sources", Everywhere, CheckConvInput},
    {"shapes.conv_outputs", Severity::kCompile,
     "A convolution writes at most 62080 channels; 124160 are refused.",
     "M5 Max; one careful source", Everywhere, CheckConvOutput},
    {"shapes.kernel", Severity::kCompile, "Kernels are at most 16 wide.",
     "13 on A13, 15 or 16 later; one careful source", Everywhere, CheckKernel},
    {"shapes.conv_batch", Severity::kSlow,
     "A 3x3 convolution over a batch of 64 compiles for half a minute.", "M1; one careful source",
     OnM1, CheckConvBatch},
    {"shapes.argmax", Severity::kCompile, "argmax and argmin search at most 2048 elements.",
     "M1 to M5; one careful source", Everywhere, CheckArgmax},
};

}  // namespace

std::span<const Constraint> ShapeConstraints() { return kConstraints; }

}  // namespace attune::ane
