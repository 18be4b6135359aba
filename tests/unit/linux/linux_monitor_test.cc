#include "linux/linux_monitor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;
using testing::TemporaryDirectory;

TEST(LinuxMonitor, LaptopOnTheMains) {
  FakeDevice device;
  device.Supply("AC", "Mains", "1");
  device.Battery("BAT0", "Charging", "63");
  device.Zone(0, "x86_pkg_temp", "52000");
  device.Write("/proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 3000000 kB\n");
  device.Write("/proc/pressure/memory", "some avg10=0.31 avg60=0\nfull avg10=0.00 avg60=0\n");
  device.MakeDirectory("/run/systemd/sessions");
  DeviceFacts expected;
  expected.power = PowerSource::kExternal;
  expected.battery = 0.63;
  expected.memory_available = 3'000'000 * std::int64_t{1024};
  EXPECT_EQ(device.Read(), expected);
}

TEST(LinuxMonitor, TabletInUseHotAndNearlyEmpty) {
  FakeDevice device;
  device.Supply("usb", "USB", "0");
  device.Battery("bms", "Discharging", "9");
  device.Zone(3, "soc-thermal", "84000", {{"passive", 70000}, {"passive", 82000}});
  device.Write("/proc/pressure/memory", "some avg10=31.00 avg60=0\nfull avg10=4.00 avg60=0\n");
  device.Write("/proc/meminfo", "MemTotal: 2000000 kB\nMemAvailable: 90000 kB\n");
  device.Write("/sys/firmware/acpi/platform_profile", "low-power\n");
  device.Session("1", "STATE=active\nTYPE=wayland\nCLASS=user\n");
  DeviceFacts expected;
  expected.power = PowerSource::kBattery;
  expected.battery = 0.09;
  expected.low_power_mode = true;
  expected.thermal = ThermalState::kSerious;
  expected.memory_pressure = MemoryPressure::kWarning;
  expected.user_idle = false;
  expected.memory_available = 90'000 * 1024;
  EXPECT_EQ(device.Read(), expected);
}

TEST(LinuxMonitor, WhereNothingIsToldEverythingKeepsItsDefault) {
  DeviceFacts expected;
  expected.power = PowerSource::kExternal;  // No battery.
  EXPECT_EQ(FakeDevice().Read(), expected);
  LinuxMonitorOptions options;
  options.root = "/nonexistent";
  EXPECT_EQ(LinuxMonitor(options).Read(), expected);
}

std::int64_t DiskFreeAt(const std::string& directory) {
  LinuxMonitorOptions options;
  options.root = "/nonexistent";
  options.directory = directory;
  return LinuxMonitor(options).Read().disk_free;
}

TEST(LinuxMonitor, TellsTheFreeSpaceWhereTheVaultIsOrWillBe) {
  const TemporaryDirectory folder;
  std::error_code error;
  const auto space = std::filesystem::space(folder.path(), error);
  ASSERT_FALSE(error);
  // Others write to the same disk.
  const double slack = 0.2 * static_cast<double>(space.capacity);
  for (const std::string& at :
       {folder.path(), folder / "vault", folder / "a//b/c/", folder / "a/."}) {
    EXPECT_NEAR(static_cast<double>(DiskFreeAt(at)), static_cast<double>(space.available), slack)
        << at;
  }
  EXPECT_GE(DiskFreeAt("vault-that-is-not-there"), 0);
  EXPECT_GE(DiskFreeAt("/vault-that-is-not-there"), 0);
}

TEST(LinuxMonitor, DoesNotGuessTheFreeSpace) {
  EXPECT_EQ(DiskFreeAt(""), -1);
  EXPECT_EQ(DiskFreeAt("/proc/self/status/vault"), -1);  // Not a directory.
}

// Every file that is looked at, filled with the same bytes.
void FillWith(FakeDevice* device, const std::string& bytes) {
  const std::string battery = "/sys/class/power_supply/BAT0/";
  device->Battery("BAT0", "Discharging", "50");
  device->Zone(0, "cpu", "1000", {{"passive", 1}});
  for (const char* name : {"type", "scope", "present", "status", "capacity", "energy_now",
                           "energy_full", "charge_now", "charge_full", "online"}) {
    device->Write(battery + name, bytes);
  }
  for (const char* name : {"type", "temp", "trip_point_0_type", "trip_point_0_temp"}) {
    device->Write(std::string("/sys/class/thermal/thermal_zone0/") + name, bytes);
  }
  for (const char* path :
       {"/proc/meminfo", "/proc/pressure/memory", "/proc/self/cgroup", "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory.high", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat",
        "/sys/fs/cgroup/memory.pressure", "/sys/firmware/acpi/platform_profile",
        "/var/lib/power-profiles-daemon/state.ini",
        "/sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference",
        "/run/systemd/sessions/1", "/sys/class/drm/card0/status", "/sys/class/drm/card0/dpms",
        "/sys/class/backlight/b/bl_power"}) {
    device->Write(path, bytes);
  }
}

void ExpectSane(const DeviceFacts& facts) {
  EXPECT_TRUE(facts.battery < 0 || facts.battery <= 1) << facts.battery;
  EXPECT_GE(facts.memory_available, -1);
  EXPECT_LE(static_cast<int>(facts.power), 2);
  EXPECT_LE(static_cast<int>(facts.thermal), 3);
  EXPECT_LE(static_cast<int>(facts.memory_pressure), 2);
}

TEST(LinuxMonitor, GarbageIsNeverBelieved) {
  FakeDevice device;
  for (const std::string& bytes :
       {std::string(), std::string("\n"), std::string(10, '\0'), std::string(" \t\n \n"),
        std::string("\xff\xfe\x80"), std::string("-"), std::string("="), std::string(4096, '9'),
        std::string(5000, 'A'), std::string(5000, '\n'), std::string("1\n2\n3\n")}) {
    FillWith(&device, bytes);
    DeviceFacts expected;
    expected.power = PowerSource::kExternal;
    EXPECT_EQ(device.Read(), expected) << bytes.size() << " bytes";
  }
}

// Pieces of what such files hold, put together at random.
TEST(LinuxMonitor, NonsenseOfTheRightWordsStaysInBounds) {
  const std::vector<std::string> words = {"Battery",
                                          "Mains",
                                          "1",
                                          "0",
                                          "-1",
                                          "9223372036854775807",
                                          "\n",
                                          " ",
                                          "some",
                                          "avg10=",
                                          "full",
                                          "99.9",
                                          "MemTotal:",
                                          "MemAvailable:",
                                          " kB",
                                          "0::",
                                          "/..",
                                          "/",
                                          "max",
                                          "STATE=",
                                          "active",
                                          "CLASS=",
                                          "user",
                                          "TYPE=",
                                          "tty",
                                          "TTY=",
                                          "passive",
                                          "critical",
                                          "inactive_file ",
                                          "=",
                                          ":",
                                          "\"",
                                          "-9223372036854775808"};
  const unsigned seed = std::random_device()();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  FakeDevice device;
  for (int round = 0; round < 50; ++round) {
    std::string bytes;
    const std::size_t count = random() % 12;
    for (std::size_t i = 0; i < count; ++i) bytes += words[random() % words.size()];
    FillWith(&device, bytes);
    ExpectSane(device.Read());
  }
}

TEST(LinuxMonitor, ReadsTheBeginningOfAHugeFileAndNoMore) {
  FakeDevice device;
  std::string huge = "MemTotal: 100 kB\n" + std::string(SystemFiles::kMaxFileBytes, ' ') +
                     "\nMemAvailable: 50 kB\n";
  huge.resize(64 << 20, 'x');
  device.Write("/proc/meminfo", huge);
  EXPECT_EQ(device.Read().memory_available, -1);
  EXPECT_EQ(device.files().Read("/proc/meminfo")->size(), SystemFiles::kMaxFileBytes);
}

TEST(LinuxMonitor, NeitherPipesNorDirectoriesHoldItUp) {
  FakeDevice device;
  device.Pipe("/proc/meminfo");
  device.Pipe("/sys/class/power_supply/BAT0/type");
  device.Pipe("/run/systemd/sessions/1");
  device.MakeDirectory("/sys/class/thermal/thermal_zone0/temp");
  device.Write("/sys/class/drm", "no directory");
  EXPECT_EQ(device.Read(), FakeDevice().Read());
  EXPECT_FALSE(device.files().Read("/proc/meminfo"));
  EXPECT_FALSE(device.files().Read("/sys/class/thermal/thermal_zone0/temp"));
}

TEST(LinuxMonitor, UnreadableFilesAreAbsentOnes) {
  FakeDevice device;
  device.Battery("BAT0", "Discharging", "50");
  std::filesystem::permissions(device.root(), std::filesystem::perms(0755));
  std::filesystem::permissions(device.root() + "/sys/class/power_supply/BAT0/type",
                               std::filesystem::perms::none);
  const uid_t user = geteuid();
  constexpr uid_t kNobody = 65534;
  // Root reads everything.
  ASSERT_EQ(seteuid(user == 0 ? kNobody : user), 0);
  const DeviceFacts facts = device.Read();
  ASSERT_EQ(seteuid(user), 0);
  EXPECT_EQ(facts.power, PowerSource::kExternal);
}

TEST(LinuxMonitor, LooksAtABoundedNumberOfEntries) {
  FakeDevice device;
  for (int i = 0; i < 400; ++i) device.Zone(i, "cpu", "20000");
  EXPECT_EQ(device.files().List("/sys/class/thermal").size(), SystemFiles::kMaxEntries);
  EXPECT_EQ(device.Read().thermal, ThermalState::kNominal);
}

// What this very machine says, for the eyes of whoever runs the tests.
TEST(LinuxMonitor, ReadsThisMachine) {
  LinuxMonitorOptions options;
  options.directory = ::testing::TempDir();
  LinuxMonitor monitor(options);
  const DeviceFacts facts = monitor.Read();
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 20; ++i) {
    timespec before{}, after{};
    clock_gettime(CLOCK_MONOTONIC, &before);
    monitor.Read();
    clock_gettime(CLOCK_MONOTONIC, &after);
    best = std::min(best, static_cast<double>(after.tv_sec - before.tv_sec) * 1e3 +
                              static_cast<double>(after.tv_nsec - before.tv_nsec) * 1e-6);
  }
  std::printf(
      "power %d, battery %.2f, low power %d, thermal %d, memory pressure %d, idle %d, "
      "memory %lld MiB, disk %lld MiB; %.3f ms a read\n",
      static_cast<int>(facts.power), facts.battery, facts.low_power_mode,
      static_cast<int>(facts.thermal), static_cast<int>(facts.memory_pressure), facts.user_idle,
      static_cast<long long>(facts.memory_available >> 20),
      static_cast<long long>(facts.disk_free >> 20), best);
  ExpectSane(facts);
  EXPECT_GT(facts.memory_available, 0);
  EXPECT_GT(facts.disk_free, 0);
  EXPECT_LT(best, 5);
}

}  // namespace
}  // namespace attune
