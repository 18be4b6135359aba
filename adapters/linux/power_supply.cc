#include "linux/power_supply.h"

#include <algorithm>
#include <optional>
#include <string>

namespace attune {
namespace {

constexpr const char* kSupplies = "/sys/class/power_supply/";

struct Battery {
  std::string status;
  std::optional<double> level;  // 0 to 1.
  double energy_full = 0;       // Microwatt-hours; 0: not known.
};

// What all supplies say together.
struct Supplies {
  bool line = false;  // There is one that says whether it is plugged in,
  bool online = false;
  bool discharging = false, charging = false, full = false;  // Of any battery.
  int batteries = 0;
  int measured = 0;  // With a level.
  double levels = 0;
  double energy = 0, energy_full = 0;
  bool all_in_energy = true;
};

std::optional<double> Share(const SystemFiles& files, const std::string& now,
                            const std::string& full, double* full_value) {
  const auto part = files.ReadNumber(now);
  const auto whole = files.ReadNumber(full);
  if (!part || !whole || *whole <= 0) return std::nullopt;
  *full_value = static_cast<double>(*whole);
  return std::clamp(static_cast<double>(*part) / *full_value, 0.0, 1.0);
}

Battery ReadBattery(const SystemFiles& files, const std::string& directory) {
  Battery battery;
  battery.status = files.ReadLine(directory + "status");
  battery.level =
      Share(files, directory + "energy_now", directory + "energy_full", &battery.energy_full);
  if (battery.level) return battery;
  double charge_full = 0;
  battery.level = Share(files, directory + "charge_now", directory + "charge_full", &charge_full);
  if (battery.level) return battery;
  const auto capacity = files.ReadNumber(directory + "capacity");
  // Beyond 100 a gauge reports an error code rather than a level.
  if (capacity && *capacity >= 0 && *capacity <= 100) {
    battery.level = static_cast<double>(*capacity) / 100;
  }
  return battery;
}

void AddBattery(const Battery& battery, Supplies* all) {
  ++all->batteries;
  all->discharging |= battery.status == "Discharging";
  all->charging |= battery.status == "Charging";
  all->full |= battery.status == "Full" || battery.status == "Not charging";
  if (!battery.level) return;
  ++all->measured;
  all->levels += *battery.level;
  all->energy += *battery.level * battery.energy_full;
  all->energy_full += battery.energy_full;
  all->all_in_energy &= battery.energy_full > 0;
}

Supplies ReadSupplies(const SystemFiles& files) {
  Supplies all;
  for (const std::string& name : files.List(kSupplies)) {
    const std::string directory = kSupplies + name + "/";
    const std::string type = files.ReadLine(directory + "type");
    if (type.empty() || files.ReadLine(directory + "scope") == "Device") continue;
    if (type == "Battery" || type == "UPS") {
      if (files.ReadNumber(directory + "present") == 0) continue;
      AddBattery(ReadBattery(files, directory), &all);
      continue;
    }
    const auto online = files.ReadNumber(directory + "online");
    all.line |= online.has_value();
    all.online |= online.value_or(0) > 0;  // 2: at a voltage that it may set.
  }
  return all;
}

PowerSource SourceOf(const Supplies& all) {
  if (all.batteries == 0) return PowerSource::kExternal;
  if (all.discharging && !all.charging) return PowerSource::kBattery;
  if (all.online || all.charging) return PowerSource::kExternal;
  // A battery says "Full" for some seconds after the plug was pulled.
  if (all.line) return PowerSource::kBattery;
  return all.full ? PowerSource::kExternal : PowerSource::kUnknown;
}

}  // namespace

PowerFacts ReadPower(const SystemFiles& files) {
  const Supplies all = ReadSupplies(files);
  PowerFacts facts;
  facts.source = SourceOf(all);
  if (all.measured > 0) {
    facts.battery = all.all_in_energy ? all.energy / all.energy_full : all.levels / all.measured;
  }
  return facts;
}

bool ReadLowPowerMode(const SystemFiles& files) {
  if (files.ReadLine("/sys/firmware/acpi/platform_profile") == "low-power") return true;
  const auto daemon = files.Read("/var/lib/power-profiles-daemon/state.ini");
  if (daemon && FieldOf(*daemon, "Profile", '=') == "power-saver") return true;
  return files.ReadLine("/sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference") ==
         "power";
}

}  // namespace attune
