#include "linux/memory.h"

#include <gtest/gtest.h>

#include <string>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;

constexpr std::int64_t kMebibyte = 1 << 20;

// A device of 4 GiB, of which so many MiB are available.
void Memory(FakeDevice* device, std::int64_t available_mib) {
  device->Write("/proc/meminfo",
                "MemTotal:        4194304 kB\nMemFree:          100000 kB\n"
                "MemAvailable:   " +
                    std::to_string(available_mib * 1024) + " kB\nBuffers:           20000 kB\n");
}

void Group(FakeDevice* device, const std::string& group, const std::string& limit,
           std::int64_t used, std::int64_t droppable = 0) {
  const std::string at = "/sys/fs/cgroup" + group;
  device->Write(at + "/memory.max", limit + "\n");
  device->Write(at + "/memory.high", "max\n");
  device->Write(at + "/memory.current", std::to_string(used) + "\n");
  device->Write(at + "/memory.stat", "anon 5\nfile 6\ninactive_anon 7\ninactive_file " +
                                         std::to_string(droppable) + "\nactive_file 9\n");
}

void Stalls(FakeDevice* device, const std::string& path, const std::string& some,
            const std::string& full) {
  device->Write(path, "some avg10=" + some + " avg60=99.00 avg300=99.00 total=1\nfull avg10=" +
                          full + " avg60=99.00 avg300=99.00 total=1\n");
}

std::int64_t AvailableOf(const FakeDevice& device) { return ReadMemoryAvailable(device.files()); }

TEST(MemoryAvailable, IsWhatTheKernelSays) {
  FakeDevice device;
  Memory(&device, 1000);
  EXPECT_EQ(AvailableOf(device), 1000 * kMebibyte);
}

TEST(MemoryAvailable, IsUnknownWithoutTheFile) {
  FakeDevice device;
  EXPECT_EQ(AvailableOf(device), -1);
  for (const char* text : {"MemAvailable: x kB\n", "MemAvailable: 5\n", "MemAvailable: -5 kB\n",
                           "MemAvailable: 9223372036854775807 kB\n", "memavailable: 5 kB\n"}) {
    device.Write("/proc/meminfo", text);
    EXPECT_EQ(AvailableOf(device), -1) << text;
  }
}

TEST(MemoryAvailable, IsBoundedByTheOwnGroup) {
  FakeDevice device;
  Memory(&device, 1000);
  device.Write("/proc/self/cgroup", "0::/user.slice/attune.service\n");
  Group(&device, "/user.slice/attune.service", std::to_string(300 * kMebibyte), 100 * kMebibyte);
  EXPECT_EQ(AvailableOf(device), 200 * kMebibyte);
}

TEST(MemoryAvailable, FilesThatCanBeDroppedAreNotUsed) {
  FakeDevice device;
  Memory(&device, 1000);
  device.Write("/proc/self/cgroup", "1:name=systemd:/x\n0::/a\n");
  Group(&device, "/a", std::to_string(300 * kMebibyte), 290 * kMebibyte, 250 * kMebibyte);
  EXPECT_EQ(AvailableOf(device), 260 * kMebibyte);
  // A group can hold no more of them than it holds.
  Group(&device, "/a", std::to_string(300 * kMebibyte), 290 * kMebibyte, 900 * kMebibyte);
  EXPECT_EQ(AvailableOf(device), 300 * kMebibyte);
}

TEST(MemoryAvailable, IsBoundedByEveryGroupAbove) {
  FakeDevice device;
  Memory(&device, 1000);
  device.Write("/proc/self/cgroup", "0::/a/b/c\n");
  Group(&device, "/a/b/c", "max", 5 * kMebibyte);
  Group(&device, "/a", std::to_string(100 * kMebibyte), 90 * kMebibyte);
  EXPECT_EQ(AvailableOf(device), 10 * kMebibyte);
}

TEST(MemoryAvailable, TheSofterLimitCountsToo) {
  FakeDevice device;
  Memory(&device, 1000);
  device.Write("/proc/self/cgroup", "0::/a\n");
  Group(&device, "/a", "max", 10 * kMebibyte);
  device.Write("/sys/fs/cgroup/a/memory.high", std::to_string(50 * kMebibyte) + "\n");
  EXPECT_EQ(AvailableOf(device), 40 * kMebibyte);
}

TEST(MemoryAvailable, InAContainerTheRootMayBeLimited) {
  FakeDevice device;
  Memory(&device, 1000);
  Group(&device, "", std::to_string(64 * kMebibyte), 60 * kMebibyte);
  for (const char* own : {"0::/\n", "0::/../..\n", "0::/../other\n", "garbage", ""}) {
    device.Write("/proc/self/cgroup", own);
    EXPECT_EQ(AvailableOf(device), 4 * kMebibyte) << own;
  }
}

TEST(MemoryAvailable, WhatLiesOutsideTheGroupsIsNoLimit) {
  FakeDevice device;
  Memory(&device, 1000);
  Group(&device, "/../other", "1000", 5);
  device.Write("/proc/self/cgroup", "0::/../other\n");
  device.MakeDirectory("/sys/fs/cgroup");
  EXPECT_EQ(AvailableOf(device), 1000 * kMebibyte);
}

TEST(MemoryAvailable, OverTheLimitNothingIsLeft) {
  FakeDevice device;
  Memory(&device, 1000);
  Group(&device, "", "1000", 5000);
  EXPECT_EQ(AvailableOf(device), 0);
}

TEST(MemoryAvailable, LimitsOfTheWrongFormAreNone) {
  FakeDevice device;
  Memory(&device, 1000);
  for (const char* limit : {"max", "", "-5", "1e3", "18446744073709551615"}) {
    Group(&device, "", limit, 5000);
    EXPECT_EQ(AvailableOf(device), 1000 * kMebibyte) << limit;
  }
}

TEST(MemoryPressure, FollowsTheStallsOfTheLastTenSeconds) {
  FakeDevice device;
  const std::string path = "/proc/pressure/memory";
  Stalls(&device, path, "9.99", "9.99");
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kNormal);
  Stalls(&device, path, "10.00", "0.00");
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kWarning);
  Stalls(&device, path, "40.00", "10.00");
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kCritical);
}

TEST(MemoryPressure, OfTheOwnGroupCountsToo) {
  FakeDevice device;
  device.Write("/proc/self/cgroup", "0::/a\n");
  Stalls(&device, "/proc/pressure/memory", "0.00", "0.00");
  Stalls(&device, "/sys/fs/cgroup/a/memory.pressure", "25.00", "3.00");
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kWarning);
}

TEST(MemoryPressure, WithoutStallsFollowsWhatIsAvailable) {
  FakeDevice device;
  Memory(&device, 410);
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kNormal);
  Memory(&device, 409);
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kWarning);
  Memory(&device, 204);
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kCritical);
  // What stalls say goes first.
  Stalls(&device, "/proc/pressure/memory", "0.00", "0.00");
  EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kNormal);
}

TEST(MemoryPressure, GarbageIsNoPressure) {
  FakeDevice device;
  for (const char* text : {"", "some\n", "some avg10=\n", "some avg10=nan\nfull avg10=-50\n",
                           "full avg60=99\n", "some avg10=1e999 total=0\n"}) {
    device.Write("/proc/pressure/memory", text);
    EXPECT_EQ(ReadMemoryPressure(device.files()), MemoryPressure::kNormal) << text;
  }
}

}  // namespace
}  // namespace attune
