#include "linux/thermal_zones.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;
using Trips = std::vector<FakeDevice::Trip>;

ThermalState StateAt(std::string_view type, std::string_view temperature, const Trips& trips = {}) {
  FakeDevice device;
  device.Zone(0, type, temperature, trips);
  return ReadThermalState(device.files());
}

// The temperatures, in degrees, at which a zone turns fair, serious and critical.
std::vector<int> BoundsOf(std::string_view type, const Trips& trips) {
  FakeDevice device;
  device.Zone(0, type, "0", trips);
  std::vector<int> bounds(3, 0);
  for (int degrees = 0; degrees <= 150; ++degrees) {
    device.Write("/sys/class/thermal/thermal_zone0/temp", std::to_string(degrees * 1000) + "\n");
    const int state = static_cast<int>(ReadThermalState(device.files()));
    for (int s = 0; s < state; ++s) {
      int& bound = bounds[static_cast<std::size_t>(s)];
      if (bound == 0) bound = degrees;
    }
  }
  return bounds;
}

TEST(ThermalZones, WithoutSensorsAllIsWell) {
  FakeDevice device;
  EXPECT_EQ(ReadThermalState(device.files()), ThermalState::kNominal);
}

TEST(ThermalZones, AProcessorWithoutTripsIsJudgedByDefault) {
  EXPECT_EQ(BoundsOf("x86_pkg_temp", {}), (std::vector<int>{75, 85, 95}));
}

TEST(ThermalZones, ABatteryOrTheSkinIsJudgedSooner) {
  for (const char* type : {"battery", "batt_therm", "quiet-skin-therm", "charger"}) {
    EXPECT_EQ(BoundsOf(type, {}), (std::vector<int>{40, 45, 55})) << type;
  }
}

TEST(ThermalZones, ATabletThrottlesAtItsPassiveTrips) {
  const Trips trips = {{"passive", 70000}, {"passive", 82000}, {"critical", 115000}};
  EXPECT_EQ(BoundsOf("soc-thermal", trips), (std::vector<int>{70, 82, 95}));
}

TEST(ThermalZones, OnePassiveTripWarnsTenDegreesBefore) {
  EXPECT_EQ(BoundsOf("cpu-thermal", {{"passive", 68000}}), (std::vector<int>{58, 68, 95}));
}

TEST(ThermalZones, HotAndCriticalTripsEndEverything) {
  EXPECT_EQ(BoundsOf("acpitz", {{"hot", 90000}, {"critical", 99000}}),
            (std::vector<int>{74, 84, 90}));
  EXPECT_EQ(BoundsOf("acpitz", {{"critical", 88000}}), (std::vector<int>{63, 73, 83}));
}

TEST(ThermalZones, TripsOutOfOrderKeepTheStatesInOrder) {
  EXPECT_EQ(BoundsOf("odd", {{"hot", 50000}, {"passive", 80000}}), (std::vector<int>{40, 50, 50}));
}

TEST(ThermalZones, TripsThatNoDeviceCouldMeanAreLeftOut) {
  const Trips trips = {{"passive", 0},   {"critical", -274000}, {"passive", 19999},
                       {"hot", 2000000}, {"active", 30000},     {"", 20000}};
  EXPECT_EQ(BoundsOf("x86_pkg_temp", trips), (std::vector<int>{75, 85, 95}));
}

TEST(ThermalZones, TemperaturesThatNoSensorMeasuresAreLeftOut) {
  for (const char* temperature :
       {"-274000", "200000", "999999999999", "99999999999999999999999", "", "hot", "90.5", "0x5"}) {
    EXPECT_EQ(StateAt("cpu", temperature), ThermalState::kNominal) << temperature;
  }
  EXPECT_EQ(StateAt("cpu", "150000"), ThermalState::kCritical);
}

TEST(ThermalZones, TheWorstZoneCounts) {
  FakeDevice device;
  device.Zone(0, "cpu", "30000");
  device.Zone(1, "gpu", "86000");
  device.Zone(12, "modem", "77000");
  device.Write("/sys/class/thermal/cooling_device0/temp", "99000\n");
  EXPECT_EQ(ReadThermalState(device.files()), ThermalState::kSerious);
}

TEST(ThermalZones, ATripWithoutATemperatureDoesNotHideTheNext) {
  FakeDevice device;
  device.Zone(0, "soc", "66000");
  const std::string at = "/sys/class/thermal/thermal_zone0/trip_point_";
  device.Write(at + "0_type", "passive\n");
  device.Write(at + "1_type", "passive\n");
  device.Write(at + "1_temp", "65000\n");
  EXPECT_EQ(ReadThermalState(device.files()), ThermalState::kSerious);
}

}  // namespace
}  // namespace attune
