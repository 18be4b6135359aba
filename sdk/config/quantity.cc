#include "config/quantity.h"

#include <array>
#include <charconv>
#include <string>

#include "base/strings.h"

namespace attune {
namespace {

constexpr std::string_view kDays[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
constexpr int kMinutesADay = 24 * 60;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The digits at the front of `*text`, which is advanced past them.
std::string_view TakeDigits(std::string_view* text) {
  std::size_t count = 0;
  while (count < text->size() && IsDigit((*text)[count])) ++count;
  const std::string_view digits = text->substr(0, count);
  text->remove_prefix(count);
  return digits;
}

bool TakePrefix(std::string_view prefix, std::string_view* text) {
  if (text->substr(0, prefix.size()) != prefix) return false;
  text->remove_prefix(prefix.size());
  return true;
}

// A number at the front of `*text`, in parts.
struct Decimal {
  bool negative = false;
  std::string digits;  // Of the whole and the fraction.
  int exponent = 0;    // Of ten, for `digits` as a whole number.
};

Result<Decimal> TakeDecimal(std::string_view* text) {
  Decimal out;
  out.negative = TakePrefix("-", text);
  out.digits = TakeDigits(text);
  if (out.digits.empty()) return InvalidArgument("is not a number");
  if (TakePrefix(".", text)) {
    const std::string_view fraction = TakeDigits(text);
    if (fraction.empty()) return InvalidArgument("is not a number");
    out.digits += fraction;
    out.exponent = -static_cast<int>(fraction.size());
  }
  std::string_view rest = *text;
  if (!TakePrefix("e", &rest) && !TakePrefix("E", &rest)) return out;
  const bool below_one = TakePrefix("-", &rest);
  if (!below_one) TakePrefix("+", &rest);
  const std::string_view power = TakeDigits(&rest);
  // Not a power of ten: a unit that begins with an e, for whoever comes next to judge.
  if (power.empty()) return out;
  if (power.size() > 3) return InvalidArgument("is a number with too large a power of ten");
  int value = 0;
  std::from_chars(power.data(), power.data() + power.size(), value);
  out.exponent += below_one ? -value : value;
  *text = rest;
  return out;
}

// Products and quotients of whole numbers below 2^53 and powers of ten up to 22 are
// rounded once: the value is the nearest double, without the C library's locale.
Result<double> ValueOf(const Decimal& decimal) {
  constexpr std::size_t kMaxDigits = 15;
  constexpr int kMaxPower = 22;
  std::string_view digits = decimal.digits;
  while (digits.size() > 1 && digits.front() == '0') digits.remove_prefix(1);
  if (digits.size() > kMaxDigits) {
    return InvalidArgument(StrCat("has ", digits.size(), " digits, allowed are ", kMaxDigits));
  }
  if (decimal.exponent < -kMaxPower || decimal.exponent > kMaxPower) {
    return InvalidArgument(
        StrCat("is a number with too large a power of ten, allowed is ", kMaxPower));
  }
  std::int64_t whole = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), whole);
  double power = 1;
  for (int i = 0; i < decimal.exponent || i < -decimal.exponent; ++i) power *= 10;
  const auto base = static_cast<double>(whole);
  const double value = decimal.exponent < 0 ? base / power : base * power;
  return decimal.negative ? -value : value;
}

// A number at the front of `*text`.
Result<double> TakeNumber(std::string_view* text) {
  ATTUNE_ASSIGN_OR_RETURN(const Decimal decimal, TakeDecimal(text));
  return ValueOf(decimal);
}

// "HH:MM" at the front of `*text`, 24:00 the last.
bool TakeTime(std::string_view* text, int* minute) {
  const std::string_view hours = TakeDigits(text);
  if (hours.size() != 2 || !TakePrefix(":", text)) return false;
  const std::string_view minutes = TakeDigits(text);
  if (minutes.size() != 2 || minutes.front() > '5') return false;
  int hour = 0, past = 0;
  std::from_chars(hours.data(), hours.data() + hours.size(), hour);
  std::from_chars(minutes.data(), minutes.data() + minutes.size(), past);
  *minute = hour * 60 + past;
  return *minute <= kMinutesADay;
}

bool TakeDay(std::string_view* text, int* day) {
  for (int i = 0; i < 7; ++i) {
    if (!TakePrefix(kDays[i], text)) continue;
    *day = i;
    return true;
  }
  return false;
}

// "mon-fri", "sat,sun", "fri-mon".
bool ParseDays(std::string_view text, std::uint8_t* weekdays) {
  *weekdays = 0;
  do {
    int first = 0;
    if (!TakeDay(&text, &first)) return false;
    int last = first;
    if (TakePrefix("-", &text) && !TakeDay(&text, &last)) return false;
    for (int day = first;; day = (day + 1) % 7) {
      *weekdays |= static_cast<std::uint8_t>(1 << day);
      if (day == last) break;
    }
  } while (TakePrefix(",", &text));
  return text.empty();
}

}  // namespace

Result<std::int64_t> ParseInteger(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::result_out_of_range) {
    return InvalidArgument("is too large a number");
  }
  if (error != std::errc() || stopped != end) return InvalidArgument("is not a whole number");
  return value;
}

Result<double> ParseNumber(std::string_view text) {
  ATTUNE_ASSIGN_OR_RETURN(const double value, TakeNumber(&text));
  if (!text.empty()) return InvalidArgument("is not a number");
  return value;
}

Result<double> ParseFraction(std::string_view text) {
  Result<Decimal> decimal = TakeDecimal(&text);
  const bool percent = TakePrefix("%", &text);
  if (!decimal.ok() || !text.empty()) {
    return InvalidArgument("is not a fraction; write 0.3 or 30%");
  }
  if (percent) decimal->exponent -= 2;
  return ValueOf(*decimal);
}

Result<double> ParseQuantity(std::string_view text, std::span<const Unit> units) {
  const std::string names = [&] {
    std::string out;
    for (const Unit& unit : units) out += StrCat(out.empty() ? "" : ", ", unit.name);
    return out;
  }();
  if (text == "0") return 0.0;
  const auto number = TakeNumber(&text);
  if (!number.ok()) {
    return InvalidArgument(StrCat("is not a number and a unit (", names, ")"));
  }
  TakePrefix(" ", &text);
  if (text.empty()) return InvalidArgument(StrCat("has no unit; allowed are ", names));
  for (const Unit& unit : units) {
    if (text == unit.name) return *number * unit.factor;
  }
  return InvalidArgument(StrCat("has an unknown unit; allowed are ", names));
}

Result<TimeWindow> ParseWindow(std::string_view text) {
  constexpr std::string_view kForm =
      "is not a window; write 22:00-06:00, with days before it mon-fri or sat,sun";
  TimeWindow window;
  if (const std::size_t blank = text.find(' '); blank != std::string_view::npos) {
    if (!ParseDays(text.substr(0, blank), &window.weekdays)) {
      return InvalidArgument(std::string(kForm));
    }
    text.remove_prefix(blank + 1);
  }
  if (!TakeTime(&text, &window.begin_minute) || !TakePrefix("-", &text) ||
      !TakeTime(&text, &window.end_minute) || !text.empty()) {
    return InvalidArgument(std::string(kForm));
  }
  if (window.begin_minute == kMinutesADay) {
    return InvalidArgument("begins at 24:00; write 00:00");
  }
  if (window.begin_minute == window.end_minute) {
    return InvalidArgument("has no length; the whole day is 00:00-24:00");
  }
  return window;
}

}  // namespace attune
