#include "linux/user_activity.h"

#include <gtest/gtest.h>

#include <ctime>
#include <string>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;

constexpr std::int64_t kIdleSeconds = 300;

bool IsIdle(const FakeDevice& device) {
  return IsUserIdle(device.files(), std::time(nullptr), kIdleSeconds);
}

// As logind writes it.
std::string Session(const std::string& fields) {
  return "# This is private data. Do not parse.\nUID=1000\nUSER=anna\nACTIVE=1\n"
         "IS_DISPLAY=1\n" +
         fields;
}
const char* const kWayland = "STATE=active\nREMOTE=0\nTYPE=wayland\nCLASS=user\nSEAT=seat0\n";

void Screen(FakeDevice* device, const std::string& name, const std::string& status,
            const std::string& power) {
  device->Write("/sys/class/drm/" + name + "/status", status + "\n");
  device->Write("/sys/class/drm/" + name + "/dpms", power + "\n");
}

TEST(UserActivity, NobodyIsLoggedIn) {
  FakeDevice device;
  device.MakeDirectory("/run/systemd/sessions");
  device.Terminal("/dev/tty1", 5);  // Where the login prompt was read.
  EXPECT_TRUE(IsIdle(device));
}

TEST(UserActivity, AKeyOnTheConsole) {
  FakeDevice device;
  device.Session("1", Session("STATE=active\nTYPE=tty\nCLASS=user\nTTY=tty1\n"));
  device.Terminal("/dev/tty1", kIdleSeconds - 5);
  EXPECT_FALSE(IsIdle(device));
  device.Terminal("/dev/tty1", kIdleSeconds + 5);
  EXPECT_TRUE(IsIdle(device));
}

TEST(UserActivity, AKeyFromAfar) {
  FakeDevice device;
  device.Session("c3", Session("STATE=active\nREMOTE=1\nTYPE=tty\nCLASS=user\nTTY=pts/0\n"));
  device.Terminal("/dev/pts/0", 10);
  EXPECT_FALSE(IsIdle(device));
  device.Terminal("/dev/pts/0", 4000);
  EXPECT_TRUE(IsIdle(device));
}

TEST(UserActivity, ASessionWithoutATerminalIsNobody) {
  FakeDevice device;
  device.Session("7", Session("STATE=active\nREMOTE=1\nTYPE=unspecified\nCLASS=user\n"));
  EXPECT_TRUE(IsIdle(device));
}

TEST(UserActivity, AGraphicalSessionIsUsedUnlessItsScreenIsDark) {
  FakeDevice device;
  device.Session("2", Session(kWayland));
  EXPECT_FALSE(IsIdle(device)) << "nothing is known of the screen";
  Screen(&device, "card0-eDP-1", "connected", "On");
  EXPECT_FALSE(IsIdle(device));
  Screen(&device, "card0-eDP-1", "connected", "Off");
  Screen(&device, "card0-HDMI-A-1", "disconnected", "On");
  EXPECT_TRUE(IsIdle(device));
  Screen(&device, "card0-HDMI-A-1", "connected", "On");
  EXPECT_FALSE(IsIdle(device)) << "the other screen is lit";
}

TEST(UserActivity, ATabletsBacklightTellsToo) {
  FakeDevice device;
  device.Session("2", Session(kWayland));
  const std::string light = "/sys/class/backlight/panel0-backlight/bl_power";
  device.Write(light, "0\n");
  EXPECT_FALSE(IsIdle(device));
  device.Write(light, "4\n");
  EXPECT_TRUE(IsIdle(device));
}

TEST(UserActivity, OnlyUsersInFrontCount) {
  for (const char* fields :
       {"STATE=online\nTYPE=wayland\nCLASS=user\n",  // Another has switched.
        "STATE=closing\nTYPE=wayland\nCLASS=user\n", "STATE=active\nTYPE=wayland\nCLASS=greeter\n",
        "STATE=active\nTYPE=wayland\nCLASS=lock-screen\n",
        "STATE=active\nTYPE=unspecified\nCLASS=manager\n",
        "STATE=active\nTYPE=tty\nCLASS=background\nTTY=tty1\n", ""}) {
    FakeDevice device;
    device.Session("1", Session(fields));
    device.Terminal("/dev/tty1", 1);
    EXPECT_TRUE(IsIdle(device)) << fields;
  }
  FakeDevice device;
  device.Session("1", Session("STATE=active\nTYPE=wayland\nCLASS=user-early\n"));
  EXPECT_FALSE(IsIdle(device));
}

TEST(UserActivity, OneActiveSessionIsEnough) {
  FakeDevice device;
  device.Session("1", Session("STATE=active\nTYPE=tty\nCLASS=user\nTTY=tty1\n"));
  device.Session("2", Session("STATE=active\nTYPE=tty\nCLASS=user\nTTY=tty2\n"));
  device.Pipe("/run/systemd/sessions/1.ref");
  device.Terminal("/dev/tty1", 4000);
  device.Terminal("/dev/tty2", 4);
  EXPECT_FALSE(IsIdle(device));
}

TEST(UserActivity, TerminalsOutsideOfDevAreNone) {
  FakeDevice device;
  device.Terminal("/etc/secret", 1);
  device.Terminal("/dev/tty1", 1);
  for (const char* terminal : {"../etc/secret", "/dev/tty1", "pts/../tty1", "", "pts/", "."}) {
    device.Session(
        "1", Session(std::string("STATE=active\nTYPE=tty\nCLASS=user\nTTY=") + terminal + "\n"));
    EXPECT_TRUE(IsIdle(device)) << terminal;
  }
}

TEST(UserActivity, AKeyFromTheFutureTellsNothing) {
  FakeDevice device;
  device.Session("1", Session("STATE=active\nTYPE=tty\nCLASS=user\nTTY=tty1\n"));
  device.Terminal("/dev/tty1", -100 * 24 * 3600);  // The clock was set back.
  EXPECT_TRUE(IsIdle(device));
  device.Terminal("/dev/tty1", -20);
  EXPECT_FALSE(IsIdle(device));
}

TEST(UserActivity, WithoutLogindAnyTerminalCounts) {
  FakeDevice device;
  EXPECT_TRUE(IsIdle(device));
  device.Terminal("/dev/pts/ptmx", 1);
  device.Terminal("/dev/tty3", 4000);
  EXPECT_TRUE(IsIdle(device));
  device.Terminal("/dev/pts/4", 20);
  EXPECT_FALSE(IsIdle(device));
}

}  // namespace
}  // namespace attune
