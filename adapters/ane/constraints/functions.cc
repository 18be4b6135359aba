// Functions and names.

#include <set>
#include <string>

#include "ane/constraints/reading.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

void CheckFunctionNames(const Reading& reading, Findings* found) {
  std::set<std::string_view> names;
  for (const FunctionReading& function : reading.functions()) {
    if (names.insert(function.function().name).second) continue;
    found->Add(function.function().at,
               StrCat("two functions are called ", Shown(function.function().name),
                      "; procedures are found by name, number them"));
  }
}

void CheckUnique(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    std::set<std::string_view> names;
    for (const mil::Output& parameter : function.function().parameters) {
      if (names.insert(parameter.name).second) continue;
      found->Add(function.function().at,
                 StrCat("two inputs are called ", Shown(parameter.name), "; rename one"));
    }
    for (const mil::Statement& statement : function.function().body) {
      for (const mil::Output& output : statement.outputs) {
        if (names.insert(output.name).second) continue;
        found->Add(statement.at,
                   StrCat(Shown(output.name), " is defined twice in ",
                          Shown(function.function().name), "; share it or rename it"));
      }
    }
  }
}

void CheckDefined(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    std::size_t order = 0;
    for (const mil::Statement& statement : function.function().body) {
      ++order;
      const auto check = [&](const mil::Argument& argument, std::string_view name) {
        const Value* value = function.Find(name);
        if (value != nullptr && value->order < order) return;
        found->Add(argument.at, StrCat(Shown(statement), ": ", Shown(argument.key), " names ",
                                       Shown(name), ", which nothing before defines"));
      };
      for (const auto* list : {&statement.arguments, &statement.attributes}) {
        for (const mil::Argument& argument : *list) {
          if (const auto* name = std::get_if<std::string>(&argument.value)) check(argument, *name);
          if (const auto* names = std::get_if<std::vector<std::string>>(&argument.value)) {
            for (const std::string& name : *names) check(argument, name);
          }
        }
      }
    }
  }
}

// Convolutions and products in one program, one on the other: 512 are known to end the
// compiler, 256 are known to pass.
void CheckDepth(const Reading& reading, Findings* found) {
  constexpr std::size_t kTooMany = 512;
  for (const FunctionReading& function : reading.functions()) {
    std::size_t layers = 0;
    for (const mil::Statement& statement : function.function().body) {
      layers += statement.op == "conv" || statement.op == "matmul" || statement.op == "linear";
    }
    if (layers < kTooMany) continue;
    found->Add(function.function().at,
               StrCat(Shown(function.function().name), " has ", layers,
                      " convolutions and products, ", kTooMany, " end the compiler; split at 256"));
  }
}

constexpr Constraint kConstraints[] = {
    {"functions.unique", Severity::kCompile, "No two functions of a program share a name.",
     "the MIL language; banks of procedures number theirs", Everywhere, CheckFunctionNames},
    {"functions.depth", Severity::kCrash,
     "A program of 512 stacked layers ends the compiler; 256 pass.", "M3 Pro, M4; one source",
     Everywhere, CheckDepth},
    {"names.unique", Severity::kCompile, "A name is defined once in a function.",
     "M4, macOS 15; a published generator shares constants for it", Everywhere, CheckUnique},
    {"names.defined", Severity::kCompile, "A name is defined before it is used.",
     "the MIL language", Everywhere, CheckDefined},
};

}  // namespace

std::span<const Constraint> FunctionConstraints() { return kConstraints; }

}  // namespace attune::ane
