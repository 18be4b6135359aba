// A DeviceMonitor for Linux tablets, desktops and servers, from files of the kernel
// and of systemd alone. What each fact is made of, and its limits: power_supply.h,
// thermal_zones.h, memory.h, user_activity.h.
//
// `foreground` stays false: which window is in front is the application's to know.
// `protected_data` stays true: there is no such state.
// Threads: every method may be called from any thread.

#pragma once

#include <cstdint>
#include <string>

#include "linux/system_files.h"
#include "ports/device_monitor.h"

namespace attune {

struct LinuxMonitorOptions {
  // Whose free space is told: the vault's directory, or its nearest parent if it is
  // not there yet. Empty: not known.
  std::string directory;
  // Nobody has typed for so long.
  std::int64_t idle_seconds = 300;
  // Stands before the paths of all files but `directory`; for tests.
  std::string root;
};

class LinuxMonitor final : public DeviceMonitor {
 public:
  explicit LinuxMonitor(LinuxMonitorOptions options);
  // Some tens of small reads: under a millisecond on most devices. At most 4 KiB of
  // any file and 256 entries of any directory are looked at.
  DeviceFacts Read() override;

 private:
  const LinuxMonitorOptions options_;
  const SystemFiles files_;
};

}  // namespace attune
