#include "simulation/trace_facts.h"

#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace attune {
namespace {

constexpr std::int64_t kMaxBytes = std::int64_t{1} << 50;

template <typename Enum>
struct Name {
  std::string_view name;
  Enum value;
};
constexpr Name<bool> kYesNo[] = {{"yes", true}, {"no", false}};
constexpr Name<PowerSource> kPower[] = {{"external", PowerSource::kExternal},
                                        {"battery", PowerSource::kBattery},
                                        {"unknown", PowerSource::kUnknown}};
constexpr Name<ThermalState> kHeat[] = {{"nominal", ThermalState::kNominal},
                                        {"fair", ThermalState::kFair},
                                        {"serious", ThermalState::kSerious},
                                        {"critical", ThermalState::kCritical}};
constexpr Name<MemoryPressure> kPressure[] = {{"normal", MemoryPressure::kNormal},
                                              {"warning", MemoryPressure::kWarning},
                                              {"critical", MemoryPressure::kCritical}};

template <const auto& names, auto member>
bool ParseNamed(std::string_view value, DeviceFacts* facts) {
  for (const auto& name : names) {
    if (name.name != value) continue;
    facts->*member = name.value;
    return true;
  }
  return false;
}

template <const auto& names, auto member>
std::string FormatNamed(const DeviceFacts& facts) {
  for (const auto& name : names) {
    if (name.value == facts.*member) return std::string(name.name);
  }
  return std::string(names[0].name);
}

bool ParseBattery(std::string_view value, DeviceFacts* facts) {
  if (value == "none") {
    facts->battery = -1;
    return true;
  }
  if (!value.ends_with('%')) return false;
  const auto percent = ParseCount(value.substr(0, value.size() - 1), 100);
  if (percent.has_value()) facts->battery = static_cast<double>(*percent) / 100.0;
  return percent.has_value();
}

std::string FormatBattery(const DeviceFacts& facts) {
  if (!(facts.battery >= 0)) return "none";
  return StrCat(std::lround(std::fmin(facts.battery, 1.0) * 100), "%");
}

struct ByteUnit {
  char letter;
  int shift;
};
constexpr ByteUnit kByteUnits[] = {{'G', 30}, {'M', 20}, {'K', 10}};

template <std::int64_t DeviceFacts::*member>
bool ParseBytes(std::string_view value, DeviceFacts* facts) {
  if (value == "unknown") {
    facts->*member = -1;
    return true;
  }
  int shift = 0;
  for (const ByteUnit& unit : kByteUnits) {
    if (value.ends_with(unit.letter)) shift = unit.shift;
  }
  if (shift > 0) value.remove_suffix(1);
  const auto count = ParseCount(value, kMaxBytes >> shift);
  if (count.has_value()) facts->*member = *count << shift;
  return count.has_value();
}

template <std::int64_t DeviceFacts::*member>
std::string FormatBytes(const DeviceFacts& facts) {
  const std::int64_t bytes = facts.*member;
  if (bytes < 0) return "unknown";
  for (const ByteUnit& unit : kByteUnits) {
    const std::int64_t whole = std::int64_t{1} << unit.shift;
    if (bytes > 0 && bytes % whole == 0) return StrCat(bytes / whole, unit.letter);
  }
  return StrCat(bytes);
}

template <auto member>
constexpr FactWord YesNo(std::string_view key) {
  return {key, "yes or no", ParseNamed<kYesNo, member>, FormatNamed<kYesNo, member>};
}

constexpr FactWord kFactWords[] = {
    {"power", "external, battery or unknown", ParseNamed<kPower, &DeviceFacts::power>,
     FormatNamed<kPower, &DeviceFacts::power>},
    {"battery", "0% to 100%, or none", ParseBattery, FormatBattery},
    YesNo<&DeviceFacts::low_power_mode>("saver"),
    {"heat", "nominal, fair, serious or critical", ParseNamed<kHeat, &DeviceFacts::thermal>,
     FormatNamed<kHeat, &DeviceFacts::thermal>},
    {"pressure", "normal, warning or critical",
     ParseNamed<kPressure, &DeviceFacts::memory_pressure>,
     FormatNamed<kPressure, &DeviceFacts::memory_pressure>},
    YesNo<&DeviceFacts::user_idle>("idle"),
    YesNo<&DeviceFacts::foreground>("foreground"),
    YesNo<&DeviceFacts::protected_data>("unlocked"),
    {"memory", "bytes such as 300M or 2G, or unknown", ParseBytes<&DeviceFacts::memory_available>,
     FormatBytes<&DeviceFacts::memory_available>},
    {"disk", "bytes such as 300M or 2G, or unknown", ParseBytes<&DeviceFacts::disk_free>,
     FormatBytes<&DeviceFacts::disk_free>},
    YesNo<&DeviceFacts::cpu_usable>("cpu"),
    YesNo<&DeviceFacts::ane_usable>("ane"),
};

}  // namespace

std::span<const FactWord> FactWords() { return kFactWords; }

std::optional<std::int64_t> ParseCount(std::string_view text, std::int64_t max) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || text.front() == '-' || error != std::errc() ||
      end != text.data() + text.size() || value > max) {
    return std::nullopt;
  }
  return value;
}

}  // namespace attune
