#include <algorithm>
#include <vector>

#include "ane/constraints/constraint.h"
#include "ane/constraints/reading.h"

namespace attune::ane {

std::string_view SeverityName(Severity severity) {
  constexpr std::string_view kNames[] = {"compile", "load", "evaluate", "silent",
                                         "crash",   "slow", "doubtful"};
  return kNames[static_cast<std::size_t>(severity)];
}

std::span<const Constraint> AllConstraints() {
  static const std::vector<Constraint> all = [] {
    std::vector<Constraint> constraints;
    for (const std::span<const Constraint> area :
         {SpellingConstraints(), FunctionConstraints(), WeightConstraints(), RecordConstraints(),
          ShapeConstraints(), WidthConstraints(), OpConstraints(), MatmulConstraints(),
          OutputConstraints()}) {
      constraints.insert(constraints.end(), area.begin(), area.end());
    }
    return constraints;
  }();
  return all;
}

const Constraint* FindConstraint(std::string_view id) {
  for (const Constraint& constraint : AllConstraints()) {
    if (constraint.id == id) return &constraint;
  }
  return nullptr;
}

std::vector<Violation> Validate(const Subject& subject) {
  const Reading reading(subject);
  std::vector<Violation> violations;
  for (const Constraint& constraint : AllConstraints()) {
    if (!constraint.applies(subject.target)) continue;
    Findings found(constraint, &violations);
    constraint.check(reading, &found);
  }
  std::stable_sort(violations.begin(), violations.end(), [](const auto& a, const auto& b) {
    return a.at.line != b.at.line ? a.at.line < b.at.line : a.at.column < b.at.column;
  });
  return violations;
}

}  // namespace attune::ane
