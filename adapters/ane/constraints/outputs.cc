// What a function returns.

#include <string>

#include "ane/constraints/reading.h"
#include "base/strings.h"

namespace attune::ane {
namespace {

void CheckProduced(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    const mil::Function& text = function.function();
    if (text.returns.empty()) found->Add(text.at, Shown(text.name) + " returns nothing");
    for (const std::string& name : text.returns) {
      const Value* value = function.Find(name);
      if (value != nullptr && !value->is_parameter() && value->source->op != "const") continue;
      found->Add(text.at,
                 StrCat(Shown(text.name), " returns ", Shown(name),
                        value == nullptr ? ", which nothing defines" : ", which no op computes",
                        "; return results of ops only"));
    }
  }
}

// The statement that computes the only output; null where there are more.
const mil::Statement* SoleTail(const FunctionReading& function) {
  if (function.function().returns.size() != 1) return nullptr;
  const Value* value = function.Find(function.function().returns[0]);
  return value != nullptr ? value->source : nullptr;
}

void CheckIdentity(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    const mil::Statement* tail = SoleTail(function);
    if (tail == nullptr || tail->op != "identity") continue;
    found->Add(tail->at, Shown(tail->outputs[0].name) +
                             ", the only output, is an identity and comes out as NaN; return its "
                             "operand");
  }
}

void CheckReshapeTail(const Reading& reading, Findings* found) {
  for (const FunctionReading& function : reading.functions()) {
    const mil::Statement* tail = SoleTail(function);
    if (tail == nullptr || tail->op != "reshape") continue;
    const mil::Statement* source = function.SourceOf(*tail, "x");
    if (source == nullptr || source->op != "matmul") continue;
    found->Add(tail->at, Shown(tail->outputs[0].name) +
                             ", the only output, is the reshape of a matmul; add an op behind it "
                             "or another output");
  }
}

constexpr Constraint kConstraints[] = {
    {"outputs.produced", Severity::kCompile,
     "Functions return at least one value, and only such as their ops compute.",
     "M4 Max, macOS 15; sure", Everywhere, CheckProduced},
    {"outputs.sole_identity", Severity::kSilent,
     "A sole output that is an identity comes out as NaN.", "M5 Max, macOS 26 and 27; one source",
     OnM5, CheckIdentity},
    {"outputs.matmul_reshape", Severity::kCompile, "A sole output is not the reshape of a matmul.",
     "chip unknown; two related sources", Everywhere, CheckReshapeTail},
};

}  // namespace

std::span<const Constraint> OutputConstraints() { return kConstraints; }

}  // namespace attune::ane
