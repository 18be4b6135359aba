// The catalogue of what the Neural Engine's compiler, loader and hardware do not
// take, each with the chips and systems it was seen on: docs/ane-constraints.md says
// where from. Rules look at MIL text, whoever wrote it.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ane/device/target.h"
#include "ane/mil/ast.h"
#include "ane/mil/parse.h"
#include "attune/status.h"

namespace attune::ane {

enum class Severity : std::uint8_t {
  kCompile,   // The compiler refuses.
  kLoad,      // Loading fails.
  kEvaluate,  // Evaluation fails.
  kSilent,    // Wrong data, no error.
  kCrash,     // A daemon or the process dies.
  kSlow,      // Works, slowly.
  kDoubtful,  // Works where it was tried, and nothing promises that it does elsewhere.
};
std::string_view SeverityName(Severity severity);

// Weight files by the path in the text ("@model_path/weights/weight.bin").
using WeightFiles = std::map<std::string, std::span<const std::byte>, std::less<>>;

struct Violation {
  std::string_view rule;  // Identifier of the constraint, "weights.sixteen".
  Severity severity;
  std::string message;  // What, where, both numbers, what to do.
  mil::Position at;
};

struct Subject {
  const mil::Program& program;
  const WeightFiles* weights;  // Null: not looked at.
  Target target;
};

class Reading;   // A program with its names resolved, ane/constraints/reading.h.
class Findings;  // Takes violations of one constraint.

struct Constraint {
  std::string_view id;  // "weights.sixteen": area, then what.
  Severity severity;
  std::string_view what;  // One sentence.
  std::string_view seen;  // On which chips and systems, and how sure.
  bool (*applies)(const Target& target);
  void (*check)(const Reading& reading, Findings* found);
};

// By area: spelling, functions, weights, shapes, ops, outputs.
std::span<const Constraint> AllConstraints();
const Constraint* FindConstraint(std::string_view id);

// Every violation for a target, in the order of the text.
std::vector<Violation> Validate(const Subject& subject);

}  // namespace attune::ane
