// A number of MIL text as the type it is wanted for reads it.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "ane/mil/ast.h"
#include "attune/status.h"

namespace attune::ane::mil {

// "12", "0x1p-7", "1e-5", "inf", "nan", without sign. Reals keep all their bits here;
// rounding to the type is for who computes. bool takes 0 and 1 too.
//
//   kInvalidArgument  not a number, or not one of the type; without a position
Result<double> ReadNumber(std::string_view spelling, bool negative, DataType dtype);

// An extent, an offset: digits, at most 2^64-1; nullopt for anything else.
std::optional<std::uint64_t> ReadUnsigned(std::string_view spelling);

}  // namespace attune::ane::mil
