#include "ane/device/target.h"

#include <array>

#include "base/strings.h"

namespace attune::ane {
namespace {

struct ChipNames {
  Chip chip;
  std::string_view name;
  std::string_view architecture;
};

// The A18 Pro's architecture is the one its ahead-of-time compiler names; that of
// the A17 Pro is formed likewise.
constexpr std::array<ChipNames, kChips> kNames = {{
    {Chip::kM1, "m1", "h13g"},
    {Chip::kM2, "m2", "h14g"},
    {Chip::kM3Pro, "m3-pro", "h15g"},
    {Chip::kM3Ultra, "m3-ultra", "h15g"},
    {Chip::kM4, "m4", "h16g"},
    {Chip::kM4Max, "m4-max", "h16g"},
    {Chip::kM5, "m5", "h17g"},
    {Chip::kM5Max, "m5-max", "h17s"},
    {Chip::kA17Pro, "a17-pro", "h17p"},
    {Chip::kA18Pro, "a18-pro", "h18p"},
}};

constexpr std::array<Chip, kChips> kAll = {
    Chip::kM1,    Chip::kM2, Chip::kM3Pro, Chip::kM3Ultra, Chip::kM4,
    Chip::kM4Max, Chip::kM5, Chip::kM5Max, Chip::kA17Pro,  Chip::kA18Pro};

// Some systems leave the variant out.
struct BareName {
  std::string_view name;
  Chip chip;
};
constexpr BareName kBareNames[] = {{"h13", Chip::kM1},
                                   {"h14", Chip::kM2},
                                   {"h15", Chip::kM3Pro},
                                   {"h16", Chip::kM4},
                                   {"h17", Chip::kM5Max}};

const ChipNames& NamesOf(Chip chip) { return kNames[static_cast<std::size_t>(chip)]; }

}  // namespace

std::string_view ChipName(Chip chip) { return NamesOf(chip).name; }

Result<Chip> ParseChip(std::string_view name) {
  std::string known;
  for (const ChipNames& names : kNames) {
    if (names.name == name) return names.chip;
    known += StrCat(known.empty() ? "" : ", ", names.name);
  }
  return InvalidArgument(StrCat("chip \"", name, "\" is not known; known are ", known));
}

std::span<const Chip> AllChips() { return kAll; }

std::string_view ArchitectureOf(Chip chip) { return NamesOf(chip).architecture; }

Result<Chip> ChipOfArchitecture(std::string_view architecture) {
  for (const ChipNames& names : kNames) {
    if (names.architecture == architecture) return names.chip;
  }
  for (const BareName& bare : kBareNames) {
    if (bare.name == architecture) return bare.chip;
  }
  return NotFound(StrCat("no chip is known of the architecture \"", architecture, "\""));
}

std::string TargetName(const Target& target) {
  return StrCat(ChipName(target.chip), ", macOS ", target.os);
}

}  // namespace attune::ane
