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

// Statements are matched by what they compute (op, argument structure, types), names
// are followed from their definitions; blobs differ by path and offset, and not by
// content. Empty: equal but for names, white space and buildInfo.
std::vector<Difference> Diff(const Program& left, const Program& right);

}  // namespace attune::ane::mil
