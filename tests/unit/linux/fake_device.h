// The files that a device would show, written below a directory of the test's.

#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "linux/linux_monitor.h"
#include "linux/system_files.h"
#include "support/temporary_directory.h"

namespace attune::testing {

class FakeDevice {
 public:
  void Write(const std::string& path, std::string_view text) {
    const std::string full = Made(path);
    std::FILE* const file = std::fopen(full.c_str(), "we");
    ASSERT_NE(file, nullptr) << path;
    ASSERT_EQ(std::fwrite(text.data(), 1, text.size(), file), text.size());
    ASSERT_EQ(std::fclose(file), 0);
  }
  // Directories that symbolic links lead to, as in /sys/class.
  void Link(const std::string& target, const std::string& path) {
    std::filesystem::create_symlink(directory_.path() + target, Made(path));
  }
  void Pipe(const std::string& path) { ASSERT_EQ(mkfifo(Made(path).c_str(), 0600), 0); }
  void MakeDirectory(const std::string& path) {
    std::filesystem::create_directories(directory_.path() + path);
  }
  // A terminal that was read from so long ago.
  void Terminal(const std::string& path, std::int64_t seconds_ago) {
    Write(path, "");
    const timespec times[2] = {{std::time(nullptr) - seconds_ago, 0}, {0, UTIME_OMIT}};
    ASSERT_EQ(utimensat(AT_FDCWD, (directory_.path() + path).c_str(), times, 0), 0);
  }

  void Supply(const std::string& name, std::string_view type, std::string_view online) {
    const std::string at = "/sys/class/power_supply/" + name + "/";
    Write(at + "type", std::string(type) + "\n");
    Write(at + "online", std::string(online) + "\n");
  }
  void Battery(const std::string& name, std::string_view status, std::string_view capacity) {
    const std::string at = "/sys/class/power_supply/" + name + "/";
    Write(at + "type", "Battery\n");
    Write(at + "present", "1\n");
    Write(at + "status", std::string(status) + "\n");
    if (!capacity.empty()) Write(at + "capacity", std::string(capacity) + "\n");
  }
  void Energy(const std::string& name, std::int64_t now, std::int64_t full) {
    const std::string at = "/sys/class/power_supply/" + name + "/";
    Write(at + "energy_now", std::to_string(now) + "\n");
    Write(at + "energy_full", std::to_string(full) + "\n");
  }

  struct Trip {
    std::string_view type;
    std::int64_t millidegrees;
  };
  void Zone(int index, std::string_view type, std::string_view temperature,
            const std::vector<Trip>& trips = {}) {
    const std::string at = "/sys/class/thermal/thermal_zone" + std::to_string(index) + "/";
    Write(at + "type", std::string(type) + "\n");
    Write(at + "temp", std::string(temperature) + "\n");
    for (std::size_t i = 0; i < trips.size(); ++i) {
      const std::string trip = at + "trip_point_" + std::to_string(i);
      Write(trip + "_type", std::string(trips[i].type) + "\n");
      Write(trip + "_temp", std::to_string(trips[i].millidegrees) + "\n");
    }
  }

  void Session(const std::string& name, std::string_view fields) {
    Write("/run/systemd/sessions/" + name, fields);
  }

  const std::string& root() const { return directory_.path(); }
  SystemFiles files() const { return SystemFiles(directory_.path()); }
  DeviceFacts Read() const {
    LinuxMonitorOptions options;
    options.root = directory_.path();
    return LinuxMonitor(options).Read();
  }

 private:
  std::string Made(const std::string& path) const {
    std::string full = directory_.path() + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    return full;
  }

  TemporaryDirectory directory_;
};

}  // namespace attune::testing
