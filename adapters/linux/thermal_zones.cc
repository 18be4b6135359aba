#include "linux/thermal_zones.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace attune {
namespace {

constexpr const char* kZones = "/sys/class/thermal/";
// Phones have about a hundred zones of three trips; the kernel allows more.
constexpr int kMaxTrips = 12;

// Millidegrees Celsius.
struct Bounds {
  std::int64_t fair = 75'000;
  std::int64_t serious = 85'000;
  std::int64_t critical = 95'000;
};
constexpr Bounds kTouched = {40'000, 45'000, 55'000};

bool IsPlausibleTrip(std::int64_t temperature) {
  return temperature >= 20'000 && temperature <= 150'000;
}

bool IsPlausible(std::int64_t temperature) {
  return temperature >= -40'000 && temperature <= 150'000;
}

bool IsTouched(std::string_view type) {
  for (const std::string_view part : {"batt", "skin", "charger"}) {
    if (type.find(part) != std::string_view::npos) return true;
  }
  return false;
}

void Lower(std::int64_t to, std::int64_t* bound) { *bound = std::min(*bound, to); }

Bounds ReadBounds(const SystemFiles& files, const std::string& zone) {
  const Bounds kind = IsTouched(files.ReadLine(zone + "type")) ? kTouched : Bounds{};
  Bounds bounds = kind;
  std::int64_t lowest_passive = 0, highest_passive = 0;
  for (int trip = 0; trip < kMaxTrips; ++trip) {
    const std::string name = zone + "trip_point_" + std::to_string(trip);
    const std::string type = files.ReadLine(name + "_type");
    if (type.empty()) break;
    const auto at = files.ReadNumber(name + "_temp");
    if (!at || !IsPlausibleTrip(*at)) continue;
    if (type == "hot") Lower(*at, &bounds.critical);
    if (type == "critical") {
      Lower(*at - 5'000, &bounds.critical);
      Lower(*at - 15'000, &bounds.serious);
    }
    if (type == "passive") {
      lowest_passive = lowest_passive == 0 ? *at : std::min(lowest_passive, *at);
      highest_passive = std::max(highest_passive, *at);
    }
  }
  if (highest_passive > 0) {
    Lower(highest_passive, &bounds.serious);
    Lower(lowest_passive, &bounds.fair);
  }
  Lower(bounds.critical, &bounds.serious);
  if (bounds.serious < kind.serious) Lower(bounds.serious - 10'000, &bounds.fair);
  return bounds;
}

ThermalState StateOf(std::int64_t temperature, const Bounds& bounds) {
  if (temperature >= bounds.critical) return ThermalState::kCritical;
  if (temperature >= bounds.serious) return ThermalState::kSerious;
  if (temperature >= bounds.fair) return ThermalState::kFair;
  return ThermalState::kNominal;
}

}  // namespace

ThermalState ReadThermalState(const SystemFiles& files) {
  ThermalState worst = ThermalState::kNominal;
  for (const std::string& name : files.List(kZones)) {
    if (!name.starts_with("thermal_zone")) continue;
    const std::string zone = kZones + name + "/";
    const auto temperature = files.ReadNumber(zone + "temp");
    if (!temperature || !IsPlausible(*temperature)) continue;
    worst = std::max(worst, StateOf(*temperature, ReadBounds(files, zone)));
  }
  return worst;
}

}  // namespace attune
