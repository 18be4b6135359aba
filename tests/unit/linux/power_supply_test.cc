#include "linux/power_supply.h"

#include <gtest/gtest.h>

#include <vector>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;

PowerFacts PowerOf(const FakeDevice& device) { return ReadPower(device.files()); }

TEST(PowerSupply, LaptopOnTheMains) {
  FakeDevice device;
  device.Supply("AC", "Mains", "1");
  device.Battery("BAT0", "Charging", "80");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  EXPECT_DOUBLE_EQ(PowerOf(device).battery, 0.8);
}

TEST(PowerSupply, LaptopOnItsBattery) {
  FakeDevice device;
  device.Supply("AC", "Mains", "0");
  device.Battery("BAT0", "Discharging", "41");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kBattery);
  EXPECT_DOUBLE_EQ(PowerOf(device).battery, 0.41);
}

TEST(PowerSupply, TabletAtAUsbCharger) {
  FakeDevice device;
  device.Supply("usb", "USB", "2");  // Programmable.
  device.Battery("bms", "Full", "100");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  EXPECT_DOUBLE_EQ(PowerOf(device).battery, 1);
}

TEST(PowerSupply, AChargerTooWeakIsNoExternalPower) {
  FakeDevice device;
  device.Supply("usb", "USB", "1");
  device.Battery("bms", "Discharging", "55");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kBattery);
}

TEST(PowerSupply, OneBatteryMayRestWhileTheOtherCharges) {
  FakeDevice device;
  device.Supply("AC", "Mains", "1");
  device.Battery("BAT0", "Not charging", "79");
  device.Battery("BAT1", "Charging", "20");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
}

TEST(PowerSupply, FullJustAfterTheUnpluggingIsBattery) {
  FakeDevice device;
  device.Supply("AC", "Mains", "0");
  device.Battery("BAT0", "Full", "100");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kBattery);
}

TEST(PowerSupply, ABatteryAloneTellsByItsStatus) {
  struct Case {
    const char* status;
    PowerSource source;
  };
  for (const Case& c : std::vector<Case>{{"Charging", PowerSource::kExternal},
                                         {"Full", PowerSource::kExternal},
                                         {"Not charging", PowerSource::kExternal},
                                         {"Discharging", PowerSource::kBattery},
                                         {"Unknown", PowerSource::kUnknown},
                                         {"", PowerSource::kUnknown}}) {
    FakeDevice device;
    device.Battery("battery", c.status, "50");
    EXPECT_EQ(PowerOf(device).source, c.source) << c.status;
  }
}

TEST(PowerSupply, WithoutABatteryItIsExternal) {
  FakeDevice device;
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  // The ports of a desktop are supplies too, and empty.
  device.Supply("ucsi-source-psy-1", "USB", "0");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  EXPECT_LT(PowerOf(device).battery, 0);
}

TEST(PowerSupply, AServerOnItsUninterruptibleSupplyRunsOnABattery) {
  FakeDevice device;
  const std::string at = "/sys/class/power_supply/ups/";
  device.Write(at + "type", "UPS\n");
  device.Write(at + "status", "Discharging\n");
  device.Write(at + "capacity", "90\n");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kBattery);
}

TEST(PowerSupply, AMouseIsNotTheDevice) {
  FakeDevice device;
  device.Battery("hidpp_battery_0", "Discharging", "5");
  device.Write("/sys/class/power_supply/hidpp_battery_0/scope", "Device\n");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  EXPECT_LT(PowerOf(device).battery, 0);
}

TEST(PowerSupply, AnEmptyBayIsNoBattery) {
  FakeDevice device;
  device.Battery("BAT1", "Unknown", "0");
  device.Write("/sys/class/power_supply/BAT1/present", "0\n");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
  EXPECT_LT(PowerOf(device).battery, 0);
}

TEST(PowerSupply, LevelsAreWeightedByEnergy) {
  FakeDevice device;
  device.Battery("BAT0", "Discharging", "100");
  device.Energy("BAT0", 20'000'000, 20'000'000);
  device.Battery("BAT1", "Discharging", "0");
  device.Energy("BAT1", 0, 60'000'000);
  EXPECT_DOUBLE_EQ(PowerOf(device).battery, 0.25);
}

TEST(PowerSupply, LevelsWithoutEnergyAreAveraged) {
  FakeDevice device;
  device.Battery("BAT0", "Discharging", "");
  device.Write("/sys/class/power_supply/BAT0/charge_now", "3000000\n");
  device.Write("/sys/class/power_supply/BAT0/charge_full", "4000000\n");
  device.Battery("BAT1", "Discharging", "25");
  EXPECT_DOUBLE_EQ(PowerOf(device).battery, 0.5);
}

TEST(PowerSupply, GaugesThatLieAreBoundedOrLeftOut) {
  FakeDevice above;
  above.Battery("BAT0", "Discharging", "");
  above.Energy("BAT0", 61'000'000, 60'000'000);  // Calibrated long ago.
  EXPECT_DOUBLE_EQ(PowerOf(above).battery, 1);
  for (const char* capacity : {"-1", "101", "65535", "", "5e1", "50%", "nan"}) {
    FakeDevice device;
    device.Battery("BAT0", "Discharging", capacity);
    EXPECT_LT(PowerOf(device).battery, 0) << capacity;
    EXPECT_EQ(PowerOf(device).source, PowerSource::kBattery) << capacity;
  }
  FakeDevice nothing;
  nothing.Battery("BAT0", "Discharging", "70");
  nothing.Energy("BAT0", 0, 0);
  EXPECT_DOUBLE_EQ(PowerOf(nothing).battery, 0.7);
}

TEST(PowerSupply, EntriesAreSymbolicLinks) {
  FakeDevice device;
  device.Write("/sys/devices/ac/type", "Mains\n");
  device.Write("/sys/devices/ac/online", "1\n");
  device.Write("/sys/devices/bat/type", "Battery\n");
  device.Write("/sys/devices/bat/status", "Charging\n");
  device.MakeDirectory("/sys/class/power_supply");
  device.Link("/sys/devices/ac", "/sys/class/power_supply/AC");
  device.Link("/sys/devices/bat", "/sys/class/power_supply/BAT0");
  device.Link("/sys/devices/gone", "/sys/class/power_supply/BAT1");
  EXPECT_EQ(PowerOf(device).source, PowerSource::kExternal);
}

TEST(LowPowerMode, IsAProfileOfTheFirmwareTheDaemonOrTheProcessor) {
  FakeDevice device;
  EXPECT_FALSE(ReadLowPowerMode(device.files()));
  device.Write("/sys/firmware/acpi/platform_profile", "balanced\n");
  device.Write("/var/lib/power-profiles-daemon/state.ini",
               "[State]\nCpuDriver=intel_pstate\nProfile=performance\n");
  const std::string preference =
      "/sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference";
  device.Write(preference, "balance_power\n");
  EXPECT_FALSE(ReadLowPowerMode(device.files()));

  device.Write(preference, "power\n");
  EXPECT_TRUE(ReadLowPowerMode(device.files()));
  device.Write(preference, "default\n");
  device.Write("/var/lib/power-profiles-daemon/state.ini", "[State]\nProfile=power-saver\n");
  EXPECT_TRUE(ReadLowPowerMode(device.files()));
  device.Write("/var/lib/power-profiles-daemon/state.ini", "");
  device.Write("/sys/firmware/acpi/platform_profile", "low-power\n");
  EXPECT_TRUE(ReadLowPowerMode(device.files()));
}

}  // namespace
}  // namespace attune
