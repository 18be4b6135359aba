#include "ane/mil/number.h"

#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/strings.h"

namespace attune::ane::mil {
namespace {

bool IsHex(std::string_view spelling) {
  return spelling.size() > 2 && spelling[0] == '0' && (spelling[1] | 0x20) == 'x';
}

// Also where the number is too large or too small for a double: then infinity or 0.
std::optional<double> ReadReal(std::string_view spelling) {
  if (spelling == "inf" || spelling == "Inf" || spelling == "INF" || spelling == "infinity" ||
      spelling == "INFINITY") {
    return std::numeric_limits<double>::infinity();
  }
  if (spelling == "nan" || spelling == "NaN" || spelling == "NAN") {
    return std::numeric_limits<double>::quiet_NaN();
  }
  const bool hex = IsHex(spelling);
  const std::string_view digits = hex ? spelling.substr(2) : spelling;
  // from_chars would take words, signs and nothing else of the kind here.
  if (digits.empty() || !(digits[0] == '.' || std::isxdigit(digits[0]))) return std::nullopt;
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(
      digits.data(), end, value, hex ? std::chars_format::hex : std::chars_format::general);
  if (stop != end) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const std::size_t exponent = digits.find_first_of(hex ? "pP" : "eE");
    const bool tiny = exponent != std::string_view::npos && exponent + 1 < digits.size() &&
                      digits[exponent + 1] == '-';
    return tiny ? 0.0 : std::numeric_limits<double>::infinity();
  }
  if (error != std::errc()) return std::nullopt;
  return value;
}

struct Range {
  double low = 0, high = 0;
};

Range RangeOf(DataType dtype) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  switch (dtype) {
    case DataType::kBool:
    case DataType::kUint1:
      return {0, 1};
    case DataType::kUint2:
      return {0, 3};
    case DataType::kUint3:
      return {0, 7};
    case DataType::kInt4:
      return {-8, 7};
    case DataType::kUint4:
      return {0, 15};
    case DataType::kUint6:
      return {0, 63};
    case DataType::kInt8:
      return {-128, 127};
    case DataType::kUint8:
      return {0, 255};
    case DataType::kInt16:
      return {-32768, 32767};
    case DataType::kUint16:
      return {0, 65535};
    case DataType::kInt32:
      return {-2147483648.0, 2147483647.0};
    case DataType::kUint32:
      return {0, 4294967295.0};
    case DataType::kUint64:
      return {0, kExact};
    default:
      return {-kExact, kExact};
  }
}

}  // namespace

std::optional<std::uint64_t> ReadUnsigned(std::string_view spelling) {
  const bool hex = IsHex(spelling);
  if (hex) spelling.remove_prefix(2);
  std::uint64_t value = 0;
  const char* end = spelling.data() + spelling.size();
  const auto [stop, error] = std::from_chars(spelling.data(), end, value, hex ? 16 : 10);
  if (stop != end || error != std::errc()) return std::nullopt;
  return value;
}

Result<double> ReadNumber(std::string_view spelling, bool negative, DataType dtype) {
  if (dtype == DataType::kBool && (spelling == "true" || spelling == "false") && !negative) {
    return spelling == "true" ? 1.0 : 0.0;
  }
  if (IsReal(dtype)) {
    const std::optional<double> value = ReadReal(spelling);
    if (!value) return InvalidArgument(StrCat("not a number of ", DataTypeName(dtype)));
    return negative ? -*value : *value;
  }
  const std::optional<std::uint64_t> whole = ReadUnsigned(spelling);
  if (!whole) {
    return InvalidArgument(StrCat("not a whole number, ", DataTypeName(dtype), " wants one"));
  }
  const double value = negative ? -static_cast<double>(*whole) : static_cast<double>(*whole);
  const Range range = RangeOf(dtype);
  // 2^53 + 1 would round down to the limit.
  if (value < range.low || value > range.high || *whole > (std::uint64_t{1} << 53)) {
    return InvalidArgument(StrCat("beyond the range of ", DataTypeName(dtype)));
  }
  return value;
}

}  // namespace attune::ane::mil
