// What a scalar of the configuration can stand for: numbers, fractions, quantities
// with a unit, and windows of time.
//
// Errors have no position: "is not a number", to be put behind what was found.
// Independent of the locale.
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "attune/job.h"
#include "attune/status.h"

namespace attune {

// Digits only, with "-" before them.
Result<std::int64_t> ParseInteger(std::string_view text);

// "0.5", "-3", "5e-4": 15 digits, ten to the power of 22 at most, which a double
// holds to the last digit.
Result<double> ParseNumber(std::string_view text);

// "30%" or "0.3".
Result<double> ParseFraction(std::string_view text);

struct Unit {
  std::string_view name;
  double factor = 1;
};
inline constexpr Unit kDurationUnits[] = {{"s", 1}, {"min", 60}, {"h", 3600}, {"d", 86400}};
inline constexpr Unit kSizeUnits[] = {{"B", 1}, {"KiB", 1024}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
inline constexpr Unit kEnergyUnits[] = {{"J", 1}, {"kJ", 1e3}, {"Wh", 3600}};
// A number and one of the units, with or without a blank between: "1.5h". "0" needs none.
Result<double> ParseQuantity(std::string_view text, std::span<const Unit> units);

// "22:00-06:00", "mon-fri 22:00-06:00", "sat,sun 00:00-24:00".
Result<TimeWindow> ParseWindow(std::string_view text);

}  // namespace attune
