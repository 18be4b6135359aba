// What two programs do differently, whatever they call their values.

#pragma once

#include <string>
#include <vector>

#include "ane/mil/ast.h"

namespace attune::ane::mil {

struct Difference {
  std::string where;  // "main, statement 12 (conv)".
  std::string left;   // Empty: only on the right.
  std::string right;
};

// Statements are matched by what they compute (op, arguments, types), wherever they
// stand; names are followed to their definitions, and a named constant is the literal
// it holds. Blobs differ by path and offset, and not by content. Functions are matched
// by name, or in order where both programs have one. Empty: equal but for names, white
// space, buildInfo and the order of what does not depend on each other.
std::vector<Difference> Diff(const Program& left, const Program& right);

}  // namespace attune::ane::mil
