// MIL text to Program. Text is untrusted: lengths, nesting and counts are bounded.

#pragma once

#include <cstddef>
#include <string_view>

#include "ane/mil/ast.h"
#include "attune/status.h"

namespace attune::ane::mil {

struct ParseLimits {
  std::size_t text_bytes = std::size_t{64} << 20;
  std::size_t statements = std::size_t{1} << 20;
  std::size_t arguments = std::size_t{1} << 21;         // Of all statements, and names in lists.
  std::size_t literal_elements = std::size_t{1} << 22;  // Written out in the text.
};

// Untyped literals, unknown ops and attributes parse: what the Neural Engine does not
// take is for ane/constraints to say. Attributes of the program other than buildInfo
// and those of functions are read over.
//
//   kInvalidArgument  "line 3, column 14: ..." what was found and what is expected
Result<Program> Parse(std::string_view text, const ParseLimits& limits = {});

}  // namespace attune::ane::mil
