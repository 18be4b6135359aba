// Ops that are refused, and arguments without which they are.

#include <string>

#include "ane/constraints/reading.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

// What to write in the place of an op that is not taken.
struct Refused {
  std::string_view op;
  std::string_view instead;
};
constexpr Refused kRsqrt = {"rsqrt", "pow(x, -0.5)"};
constexpr Refused kTile = {"tile", "a broadcast or a concat"};
constexpr Refused kGather = {"gather", "a product with a one-hot matrix, or the host"};
constexpr Refused kStack = {"stack", "reshapes and a concat"};
constexpr Refused kL2Norm = {"l2_norm", "a sum of squares and pow"};

template <const Refused& refused>
void CheckRefused(const Reading& reading, Findings* found) {
  ForEachOp(reading, refused.op, [&](const FunctionReading&, const mil::Statement& statement) {
    found->Add(statement.at, StrCat(Shown(statement), " is not taken; use ", refused.instead));
  });
}

void CheckGelu(const Reading& reading, Findings* found) {
  ForEachOp(reading, "gelu", [&](const FunctionReading&, const mil::Statement& gelu) {
    if (gelu.Find("mode") != nullptr) return;
    found->Add(gelu.at,
               Shown(gelu) + " needs its mode: EXACT, TANH_APPROXIMATION or SIGMOID_APPROXIMATION");
  });
}

void CheckConvBias(const Reading& reading, Findings* found) {
  ForEachOp(reading, "conv", [&](const FunctionReading&, const mil::Statement& conv) {
    const mil::Argument* bias = conv.Find("bias");
    if (bias != nullptr) found->Add(bias->at, Shown(conv) + " has a bias; add it afterwards");
  });
}

void CheckConcat(const Reading& reading, Findings* found) {
  ForEachOp(reading, "concat", [&](const FunctionReading&, const mil::Statement& concat) {
    for (const std::string_view key : {"axis", "interleave", "values"}) {
      if (concat.Find(key) != nullptr) continue;
      found->Add(concat.at, StrCat(Shown(concat), " has no ", key,
                                   "; axis, interleave and values are all needed"));
    }
  });
}

void CheckLogEpsilon(const Reading& reading, Findings* found) {
  ForEachOp(reading, "log", [&](const FunctionReading&, const mil::Statement& log) {
    if (log.Find("epsilon") != nullptr) return;
    found->Add(log.at, Shown(log) + " leaves its epsilon out; write it");
  });
}

void CheckAffineDequantize(const Reading& reading, Findings* found) {
  ForEachOp(reading, "constexpr_affine_dequantize",
            [&](const FunctionReading&, const mil::Statement& statement) {
              found->Add(statement.at, Shown(statement) +
                                           " is not taken any more; use "
                                           "constexpr_blockwise_shift_scale");
            });
}

// One scale for each output channel: data [O, I, 1, 1], scale [O, 1, 1, 1].
bool IsPerChannel(const mil::Type& data, const mil::Type& scale) {
  if (data.dims.size() != scale.dims.size() || data.dims.empty()) return false;
  for (std::size_t axis = 1; axis < scale.dims.size(); ++axis) {
    if (scale.dims[axis] != 1) return false;
  }
  return scale.dims[0] == data.dims[0];
}

void CheckShiftScale(const Reading& reading, Findings* found) {
  ForEachOp(
      reading, "constexpr_blockwise_shift_scale",
      [&](const FunctionReading& function, const mil::Statement& statement) {
        if (statement.Find("offset") != nullptr || statement.FindAttribute("offset") != nullptr) {
          found->Add(statement.at, Shown(statement) + " has an offset; only scales are taken");
        }
        const mil::Type* data = function.TypeOf(statement, "data");
        const mil::Type* scale = function.TypeOf(statement, "scale");
        if (data == nullptr || scale == nullptr || IsPerChannel(*data, *scale)) return;
        found->Add(statement.at, StrCat(Shown(statement), ": scale ", mil::ToString(*scale),
                                        " for data ", mil::ToString(*data),
                                        "; one for each output channel, the other "
                                        "extents 1"));
      });
}

void CheckActivationScale(const Reading& reading, Findings* found) {
  ForEachStatement(reading, [&](const FunctionReading& function, const mil::Statement& statement) {
    if (statement.op != "quantize" && statement.op != "dequantize") return;
    const mil::Type* scale = function.TypeOf(statement, "scale");
    if (scale == nullptr || scale->elements() == 1) return;
    if (scale->dims.size() == 1 && statement.Find("axis") != nullptr) return;
    found->Add(statement.at, StrCat(Shown(statement), ": scale ", mil::ToString(*scale),
                                    "; more than one are a list with an explicit axis"));
  });
}

void CheckLayerNorm(const Reading& reading, Findings* found) {
  ForEachOp(reading, "layer_norm", [&](const FunctionReading&, const mil::Statement& norm) {
    found->Add(norm.at, Shown(norm) + " fails for scattered shapes here; build it from reductions");
  });
}

void CheckWideLayerNorm(const Reading& reading, Findings* found) {
  constexpr std::int64_t kMax = 8192;
  ForEachOp(reading, "layer_norm",
            [&](const FunctionReading& function, const mil::Statement& norm) {
              const mil::Type* x = function.TypeOf(norm, "x");
              const std::vector<double>* axes = function.NumbersOf(norm, "axes");
              if (x == nullptr || axes == nullptr) return;
              double normalized = 1;
              for (const double axis : *axes) {
                const double index = axis < 0 ? axis + static_cast<double>(x->dims.size()) : axis;
                if (!(index >= 0 && index < static_cast<double>(x->dims.size()))) return;
                normalized *= static_cast<double>(x->dims[static_cast<std::size_t>(index)]);
              }
              if (normalized <= static_cast<double>(kMax)) return;
              found->Add(norm.at, StrCat(Shown(norm), " over ", normalized, " elements, at most ",
                                         kMax, "; build it from reductions"));
            });
}

constexpr Constraint kConstraints[] = {
    {"ops.rsqrt", Severity::kCompile, "There is no rsqrt.", "M1, M4, M5; five sources agree",
     Everywhere, CheckRefused<kRsqrt>},
    {"ops.tile", Severity::kCompile, "There is no tile.",
     "M5 Max, M3 Max; two sources, one of which later saw it pass in one graph", Everywhere,
     CheckRefused<kTile>},
    {"ops.gather", Severity::kCompile, "There is no gather.", "M5 Max; one careful source",
     Everywhere, CheckRefused<kGather>},
    {"ops.stack", Severity::kCompile, "There is no stack.", "M5 Max; one careful source",
     Everywhere, CheckRefused<kStack>},
    {"ops.l2_norm", Severity::kCompile, "There is no l2_norm.", "M5 Max; one careful source",
     Everywhere, CheckRefused<kL2Norm>},
    {"ops.gelu_mode", Severity::kCompile, "gelu is taken with its mode only.",
     "M4 Max refused it without, M1 to M5 take it with; two sources", Everywhere, CheckGelu},
    {"ops.conv_bias", Severity::kCompile, "A convolution has no bias.",
     "M4 Max, macOS 15; two sources", Everywhere, CheckConvBias},
    {"ops.concat_arguments", Severity::kCompile,
     "concat is taken with axis, interleave and values.",
     "refused by four sources, taken by four that spell all three", Everywhere, CheckConcat},
    {"ops.log_epsilon", Severity::kDoubtful, "log has its epsilon spelled.",
     "M1 to M5; two sources always write it", Everywhere, CheckLogEpsilon},
    {"ops.affine_dequantize", Severity::kCompile,
     "constexpr_affine_dequantize is refused from macOS 26 on.",
     "taken on M4 with macOS 15; refused on M4, 26.3, and A18 Pro, 27.0", FromMacOs26,
     CheckAffineDequantize},
    {"ops.shift_scale", Severity::kCompile,
     "constexpr_blockwise_shift_scale has one scale for each output channel and no offset.",
     "M5 Max and a shipping product on M1 to M5; two sources", Everywhere, CheckShiftScale},
    {"ops.activation_scale", Severity::kCompile,
     "quantize and dequantize have one scale, or a list of them with an axis.",
     "M5 Max, macOS 27; one careful source", Everywhere, CheckActivationScale},
    {"ops.layer_norm", Severity::kCompile, "layer_norm fails for scattered shapes on M1 and M2.",
     "M1, M2; one careful source, deterministic", OnM1OrM2, CheckLayerNorm},
    {"ops.wide_layer_norm", Severity::kCompile,
     "layer_norm normalizes at most 8192 elements on M5.", "M5; one careful source", OnM5,
     CheckWideLayerNorm},
};

}  // namespace

std::span<const Constraint> OpConstraints() { return kConstraints; }

}  // namespace attune::ane
