// Finds a long array in JSON text without building a tree of it, so that it can
// be read a slice at a time. It only looks for where values end: whoever parses
// the slices and the rest checks them.

#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"

namespace attune {

struct JsonSpan {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The value that `path` leads to through objects, from the root. None if it is
// absent, or spelled in a way that only a parser can read.
std::optional<JsonSpan> FindJsonValue(std::string_view text,
                                      std::span<const std::string_view> path);

// Calls `visit` with texts of arrays that together hold the elements of
// `array`, in order, each of about `slice_bytes`.
//
//   kInvalidArgument  not an array
Status ForEachSlice(std::string_view array, std::size_t slice_bytes,
                    FunctionRef<Status(std::string_view)> visit);

}  // namespace attune
