#include "linux/systemd_units.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "unit/linux/fake_device.h"

namespace attune {
namespace {

using testing::FakeDevice;

SystemdUnitOptions Options() {
  SystemdUnitOptions options;
  options.program = "/usr/bin/true";
  options.arguments = {"schedule", "run-once", "--config", "/home/anna/night.yaml"};
  options.writable = {"/home/anna/vault", "/home/anna/.config/attune/keys"};
  return options;
}

std::string LineOf(const std::string& text, const std::string& key) {
  const std::size_t begin = text.find("\n" + key + "=");
  if (begin == std::string::npos) return "";
  const std::size_t end = text.find('\n', begin + 1);
  return text.substr(begin + 1, end - begin - 1);
}

TEST(SystemdUnits, RunTheCommandOnATimer) {
  const auto units = MakeSystemdUnits(Options());
  ASSERT_TRUE(units.ok()) << units.status().message();
  EXPECT_TRUE(units->service.starts_with(kUnitMark));
  EXPECT_TRUE(units->timer.starts_with(kUnitMark));
  EXPECT_EQ(LineOf(units->service, "ExecStart"),
            "ExecStart=\"/usr/bin/true\" \"schedule\" \"run-once\" \"--config\" "
            "\"/home/anna/night.yaml\"");
  EXPECT_EQ(LineOf(units->service, "ReadWritePaths"),
            "ReadWritePaths=\"/home/anna/vault\" \"/home/anna/.config/attune/keys\"");
  EXPECT_EQ(LineOf(units->service, "TimeoutStartSec"), "TimeoutStartSec=infinity");
  EXPECT_EQ(LineOf(units->timer, "OnCalendar"), "OnCalendar=*:0/15");
  EXPECT_EQ(LineOf(units->timer, "Persistent"), "Persistent=true");
  EXPECT_EQ(LineOf(units->timer, "RandomizedDelaySec"), "RandomizedDelaySec=180");
  EXPECT_EQ(LineOf(units->timer, "Unit"), "Unit=attune-night.service");
}

TEST(SystemdUnits, TheServiceReachesNoNetworkAndGainsNoPrivileges) {
  const auto units = MakeSystemdUnits(Options());
  ASSERT_TRUE(units.ok());
  for (const char* line :
       {"\nNoNewPrivileges=yes\n", "\nPrivateNetwork=yes\n", "\nRestrictAddressFamilies=none\n",
        "\nPrivateTmp=yes\n", "\nProtectSystem=strict\n", "\nPrivateUsers=yes\n",
        "\nSystemCallFilter=~@network-io @privileged\n", "\nLimitCORE=0\n",
        "\nKillSignal=SIGTERM\n", "\nNice=10\n"}) {
    EXPECT_NE(units->service.find(line), std::string::npos) << line;
  }
}

TEST(SystemdUnits, WithoutNameSpacesTheSystemCallsAreStillFiltered) {
  SystemdUnitOptions options = Options();
  options.namespaces = false;
  options.writable = {"/tmp/vault"};
  const auto units = MakeSystemdUnits(options);
  ASSERT_TRUE(units.ok()) << units.status().message();
  EXPECT_EQ(units->service.find("PrivateUsers"), std::string::npos);
  EXPECT_EQ(units->service.find("ReadWritePaths"), std::string::npos);
  EXPECT_NE(units->service.find("RestrictAddressFamilies=none"), std::string::npos);
}

TEST(SystemdUnits, SystemdWaitsLongerThanTheDeadline) {
  SystemdUnitOptions options = Options();
  options.deadline_seconds = 600.5;
  EXPECT_EQ(LineOf(MakeSystemdUnits(options)->service, "TimeoutStartSec"), "TimeoutStartSec=691");
  for (const double deadline : {-1.0, 1e10, std::nan("")}) {
    options.deadline_seconds = deadline;
    EXPECT_FALSE(MakeSystemdUnits(options).ok()) << deadline;
  }
}

TEST(SystemdUnits, PathsAreTakenAsTheyAre) {
  SystemdUnitOptions options = Options();
  options.program = "/opt/a $b/at%une";
  options.arguments = {"a b", "100%", "$HOME", "q\"uo'te", "back\\slash", ";", "", "ä"};
  options.writable = {"/home/a \"b\\c%d$e"};
  const auto units = MakeSystemdUnits(options);
  ASSERT_TRUE(units.ok()) << units.status().message();
  EXPECT_EQ(LineOf(units->service, "ExecStart"),
            "ExecStart=\"/opt/a $b/at%%une\" \"a b\" \"100%%\" \"$$HOME\" \"q\\\"uo'te\" "
            "\"back\\\\slash\" \";\" \"\" \"ä\"");
  EXPECT_EQ(LineOf(units->service, "ReadWritePaths"), "ReadWritePaths=\"/home/a \\\"b\\\\c%%d$e\"");
}

TEST(SystemdUnits, WhatNoUnitCanHoldIsRefused) {
  const auto refused = [](void (*spoil)(SystemdUnitOptions*)) {
    SystemdUnitOptions options = Options();
    spoil(&options);
    return MakeSystemdUnits(options).status().code() == StatusCode::kInvalidArgument;
  };
  using O = SystemdUnitOptions;
  EXPECT_TRUE(refused([](O* o) { o->program = "attune"; }));
  EXPECT_TRUE(refused([](O* o) { o->program = "/a\n[Install]"; }));
  EXPECT_TRUE(refused([](O* o) { o->arguments.push_back("a\nExecStartPost=/bin/x"); }));
  EXPECT_TRUE(refused([](O* o) { o->arguments.push_back(std::string("a\0b", 3)); }));
  EXPECT_TRUE(refused([](O* o) { o->arguments.push_back("\x7f"); }));
  EXPECT_TRUE(refused([](O* o) { o->writable.push_back("vault"); }));
  EXPECT_TRUE(refused([](O* o) { o->writable.push_back("/a\rb"); }));
  EXPECT_TRUE(refused([](O* o) { o->writable.push_back("//"); }));
  EXPECT_TRUE(refused([](O* o) { o->writable.push_back("/tmp/vault"); }));
  EXPECT_TRUE(refused([](O* o) { o->writable.push_back("/var/tmp"); }));
  EXPECT_FALSE(refused([](O* o) { o->writable.push_back("/tmpfiles/vault"); }));
  for (const char* name : {"", "a b", "-a", "a.service", "../a", "a@b", "ä"}) {
    SystemdUnitOptions options = Options();
    options.name = name;
    EXPECT_FALSE(MakeSystemdUnits(options).ok()) << name;
  }
}

TEST(SystemdUnits, IntervalsThatACalendarCanTell) {
  struct Case {
    const char* text;
    const char* calendar;
  };
  for (const Case& c : std::vector<Case>{{"1min", "*:0/1"},
                                         {"15min", "*:0/15"},
                                         {"30min", "*:0/30"},
                                         {"60min", "*-*-* 0/1:00:00"},
                                         {"2h", "*-*-* 0/2:00:00"},
                                         {"12h", "*-*-* 0/12:00:00"},
                                         {"1d", "daily"},
                                         {"24h", "daily"}}) {
    const auto seconds = ParseInterval(c.text);
    ASSERT_TRUE(seconds.ok()) << c.text;
    const auto calendar = CalendarOf(*seconds);
    ASSERT_TRUE(calendar.ok()) << c.text;
    EXPECT_EQ(*calendar, c.calendar) << c.text;
  }
  for (const char* text : {"7min", "45min", "90min", "5h", "2d", "1441min"}) {
    const auto seconds = ParseInterval(text);
    EXPECT_FALSE(seconds.ok() && CalendarOf(*seconds).ok()) << text;
  }
  for (const char* text : {"", "min", "15", "15m", "-15min", "15 min", "0h", "1.5h", "15minutes",
                           "99999999999999999999min"}) {
    EXPECT_FALSE(ParseInterval(text).ok()) << text;
  }
  for (const std::int64_t seconds : {0, -60, 59, 61, 3601}) {
    EXPECT_FALSE(CalendarOf(seconds).ok()) << seconds;
  }
}

// systemd's own opinion. It checks that the program is there.
TEST(SystemdUnits, SystemdTakesThem) {
  if (std::system("command -v systemd-analyze >/dev/null") != 0) {
    GTEST_SKIP() << "no systemd-analyze here";
  }
  const auto output = [](const std::string& command) {
    std::FILE* const pipe = popen((command + " 2>&1").c_str(), "r");
    std::string text;
    char buffer[256];
    while (std::fgets(buffer, sizeof buffer, pipe) != nullptr) text += buffer;
    const int status = pclose(pipe);
    return text + (status == 0 ? "" : "failed");
  };
  FakeDevice folder;
  for (const bool namespaces : {true, false}) {
    SystemdUnitOptions options = Options();
    options.namespaces = namespaces;
    options.arguments.push_back("a b%c$d\"e\\f;");
    options.writable.push_back("/home/a b%c$d\"e\\f");
    options.deadline_seconds = 60;
    for (const std::int64_t every : {60, 900, 7200, 86400}) {
      options.every_seconds = every;
      const auto units = MakeSystemdUnits(options);
      ASSERT_TRUE(units.ok()) << units.status().message();
      folder.Write("/attune-night.service", units->service);
      folder.Write("/attune-night.timer", units->timer);
      EXPECT_EQ(
          output("XDG_RUNTIME_DIR=" + folder.root() + " systemd-analyze --user verify " +
                 folder.root() + "/attune-night.service " + folder.root() + "/attune-night.timer"),
          "");
    }
  }
  // A line that it cannot take is told: the check above means something.
  folder.Write("/attune-night.service", "[Service]\nExecStart=/usr/bin/true\nRestrictX=1\n");
  EXPECT_NE(output("XDG_RUNTIME_DIR=" + folder.root() + " systemd-analyze --user verify " +
                   folder.root() + "/attune-night.service"),
            "");
}

}  // namespace
}  // namespace attune
