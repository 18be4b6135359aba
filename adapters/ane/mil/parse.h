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
  std::size_t literal_elements = std::size_t{1} << 22;  // Written out in the text.
};

//   kInvalidArgument  "line 3, column 14: ..." what was found and what is expected
Result<Program> Parse(std::string_view text, const ParseLimits& limits = {});

}  // namespace attune::ane::mil
