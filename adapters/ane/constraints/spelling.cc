// How the text is written.

#include <set>
#include <string>

#include "ane/constraints/reading.h"
#include "ane/device/device.h"
#include "ane/mil/blob.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

using mil::DataType;

void CheckOpset(const Reading& reading, Findings* found) {
  // Each has two names.
  static const std::set<std::string_view> kKnown = {"ios15",   "ios16",   "ios17",   "ios18",
                                                    "CoreML5", "CoreML6", "CoreML7", "CoreML8"};
  for (const FunctionReading& function : reading.functions()) {
    if (kKnown.contains(function.function().opset)) continue;
    found->Add(function.function().at, StrCat("opset ", Shown(function.function().opset),
                                              " is not taken; ios16 to ios18 are, write <ios18>"));
  }
}

// Literals of ops and of consts alike; names of values are no literals.
void CheckTyped(const Reading& reading, Findings* found) {
  ForEachStatement(reading, [&](const FunctionReading&, const mil::Statement& statement) {
    for (const auto* list : {&statement.arguments, &statement.attributes}) {
      for (const mil::Argument& argument : *list) {
        const auto* literal = std::get_if<mil::Literal>(&argument.value);
        if (literal == nullptr || literal->typed) continue;
        found->Add(argument.at, StrCat(Shown(statement), ": ", Shown(argument.key),
                                       " is a bare literal; write it with its type or make it a "
                                       "const"));
      }
    }
  });
}

void CheckConst(const Reading& reading, Findings* found) {
  ForEachOp(reading, "const", [&](const FunctionReading& function, const mil::Statement& constant) {
    const mil::Literal* value = function.LiteralOf(constant, "val");
    if (value == nullptr) {
      return found->Add(constant.at, Shown(constant) + " has no val with a literal");
    }
    const mil::Type& type = constant.outputs[0].type;
    const bool same = value->type.dtype == type.dtype && value->type.dims == type.dims;
    if (!value->typed || same) return;
    found->Add(constant.at, StrCat(Shown(constant), " is declared ", mil::ToString(type),
                                   ", its val is ", mil::ToString(value->type)));
  });
}

void CheckBf16(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const mil::Output& parameter : function.function().parameters) {
      if (parameter.type.dtype != DataType::kBf16) continue;
      found->Add(function.function().at, "input " + Shown(parameter.name) + " is bf16; use fp16");
    }
  }
  ForEachStatement(reading, [&](const FunctionReading&, const mil::Statement& statement) {
    for (const mil::Output& output : statement.outputs) {
      if (output.type.dtype != DataType::kBf16) continue;
      found->Add(statement.at, Shown(statement) + " is bf16; use fp16");
    }
  });
}

bool IsPacked(DataType dtype) {
  return dtype == DataType::kInt4 || dtype == DataType::kUint1 || dtype == DataType::kUint2 ||
         dtype == DataType::kUint3 || dtype == DataType::kUint4 || dtype == DataType::kUint6;
}

// Packed types are the data of constexpr ops and nothing else.
void CheckPacked(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const mil::Output& parameter : function.function().parameters) {
      // Buffers of int4 are inputs of a program that the system itself ships.
      if (!IsPacked(parameter.type.dtype) || parameter.type.is_buffer) continue;
      found->Add(function.function().at,
                 StrCat("input ", Shown(parameter.name), " is ", mil::ToString(parameter.type),
                        "; use int8 or fp16"));
    }
  }
  ForEachStatement(reading, [&](const FunctionReading& function, const mil::Statement& statement) {
    const bool constant = statement.op == "const";
    for (const mil::Output& output : statement.outputs) {
      if (constant || !IsPacked(output.type.dtype)) continue;
      found->Add(statement.at, StrCat(Shown(statement), " results in ", mil::ToString(output.type),
                                      "; packed types are for constants"));
    }
    if (statement.op.starts_with("constexpr_")) return;
    for (const mil::Argument& argument : statement.arguments) {
      const mil::Type* type = function.TypeOf(statement, argument.key);
      if (type == nullptr || !IsPacked(type->dtype)) continue;
      found->Add(argument.at, StrCat(Shown(statement), ": ", Shown(argument.key), " is ",
                                     mil::ToString(*type), "; only constexpr ops unpack it"));
    }
  });
}

void CheckBoolSurfaces(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const SurfaceUse& surface : SurfacesOf(function)) {
      if (surface.type->dtype != DataType::kBool) continue;
      found->Add(surface.at,
                 StrCat(surface.parameter != nullptr ? "input " : "output ", Shown(surface.name),
                        " is bool, which lives inside programs only; select() it into "
                        "fp16"));
    }
  }
}

// Bool, bf16 and packed types have rules of their own.
void CheckSurfaceTypes(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const SurfaceUse& surface : SurfacesOf(function)) {
      const DataType dtype = surface.type->dtype;
      const bool wide = dtype == DataType::kInt16 || dtype == DataType::kUint16 ||
                        dtype == DataType::kUint32 || dtype == DataType::kInt64 ||
                        dtype == DataType::kUint64;
      if (!wide) continue;
      found->Add(surface.at, StrCat(surface.parameter != nullptr ? "input " : "output ",
                                    Shown(surface.name), " is ", mil::DataTypeName(dtype),
                                    "; surfaces hold fp16, fp32, int8, uint8 or int32"));
    }
  }
}

void CheckInt32Cast(const Reading& reading, Findings* found) {
  ForEachOp(reading, "cast", [&](const FunctionReading&, const mil::Statement& cast) {
    if (cast.outputs[0].type.dtype != DataType::kInt32) return;
    found->Add(cast.at, Shown(cast) + " to int32 is refused here; stay in fp16");
  });
}

void CheckBufferRows(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    for (const SurfaceUse& surface : SurfacesOf(function)) {
      const mil::Type& type = *surface.type;
      if (!type.is_buffer || type.strides.size() < 2) continue;
      const std::int64_t row = type.strides[type.strides.size() - 2];
      const std::int64_t bytes = row * mil::BitsOf(type.dtype) / 8;
      if (bytes % kRowAlignment == 0) continue;
      found->Add(surface.at, StrCat("buffer ", Shown(surface.name), " has rows of ", bytes,
                                    " bytes; rows begin at multiples of ", kRowAlignment));
    }
  }
}

constexpr Constraint kConstraints[] = {
    {"spelling.opset", Severity::kCompile,
     "Functions are of an opset up to ios18; ios19 and names of systems are refused.",
     "M5 Max, macOS 27; two sources", Everywhere, CheckOpset},
    {"spelling.typed_literals", Severity::kCompile,
     "Parameters of ops are named constants or literals with their type, never bare ones.",
     "M4 Max, macOS 15, and later systems; several sources agree", Everywhere, CheckTyped},
    {"spelling.const_value", Severity::kCompile,
     "A const has a val, a literal of the type it is declared with.",
     "the MIL language; every working program", Everywhere, CheckConst},
    {"types.bf16", Severity::kCompile, "There is no bf16, inside or outside.",
     "every chip; several sources agree", Everywhere, CheckBf16},
    {"types.packed", Severity::kCompile,
     "Types below a byte are data of constexpr ops only, neither surfaces nor operands.",
     "M4, M5, macOS 26 and 27; several sources agree", Everywhere, CheckPacked},
    {"types.bool_surface", Severity::kCompile, "No input or output is bool.",
     "M1 to M5; one careful source", Everywhere, CheckBoolSurfaces},
    {"types.surface", Severity::kCompile,
     "Inputs and outputs are fp16, fp32, int8, uint8 or int32.",
     "surfaces of other integers were never seen; derived", Everywhere, CheckSurfaceTypes},
    {"types.int32_cast", Severity::kCompile, "cast to int32 is refused on M1.", "M1; one source",
     OnM1, CheckInt32Cast},
    {"types.buffer_rows", Severity::kDoubtful,
     "Rows of a tensor_buffer are multiples of 64 bytes apart.",
     "two programs of that style, both do so; what happens otherwise is not known", Everywhere,
     CheckBufferRows},
};

}  // namespace

std::span<const Constraint> SpellingConstraints() { return kConstraints; }

}  // namespace attune::ane
