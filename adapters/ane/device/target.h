// Which Neural Engine, under which system: what a program is compiled for and
// what the catalogue of constraints, the cost model and the simulator know apart.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "attune/status.h"

namespace attune::ane {

// NOTE: append, never renumber.
enum class Chip : std::uint8_t {
  kM1,       // h13g, A14 class.
  kM2,       // h14, A15 class.
  kM3Pro,    // h15g.
  kM3Ultra,  // h15g, two dies.
  kM4,       // h16g.
  kM4Max,    // h16g.
  kM5,       // h17g.
  kM5Max,    // h17s.
  kA17Pro,
  kA18Pro,
};
inline constexpr int kChips = 10;

struct Target {
  Chip chip = Chip::kM4;
  int os = 26;  // Major version of macOS: 15, 26 or 27.
  bool operator==(const Target&) const = default;
};

// "m4", "m3-ultra", "a18-pro".
std::string_view ChipName(Chip chip);
// kInvalidArgument lists the names that are known.
Result<Chip> ParseChip(std::string_view name);
std::span<const Chip> AllChips();

// "h13g", "h16g", ... as the system calls the architecture.
std::string_view ArchitectureOf(Chip chip);
// The chip of such a name; kNotFound when there is none.
Result<Chip> ChipOfArchitecture(std::string_view architecture);

// "m4, macOS 26".
std::string TargetName(const Target& target);

}  // namespace attune::ane
