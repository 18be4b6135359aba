#include "linux/linux_monitor.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <ctime>
#include <limits>
#include <utility>

#include "linux/memory.h"
#include "linux/power_supply.h"
#include "linux/thermal_zones.h"
#include "linux/user_activity.h"

namespace attune {
namespace {

constexpr int kMaxDepth = 256;

// The directory above, or empty.
std::string ParentOf(const std::string& path) {
  const std::size_t end = path.find_last_not_of('/');
  if (end == std::string::npos) return {};
  const std::size_t slash = path.rfind('/', end);
  if (slash == std::string::npos) return ".";
  const std::size_t last = path.find_last_not_of('/', slash);
  return last == std::string::npos ? "/" : path.substr(0, last + 1);
}

std::int64_t DiskFree(std::string directory) {
  for (int depth = 0; depth < kMaxDepth && !directory.empty(); ++depth) {
    struct statvfs disk {};
    if (statvfs(directory.c_str(), &disk) == 0) {
      // For everyone: root's reserve is not for us.
      const auto bytes = static_cast<unsigned __int128>(disk.f_bavail) * disk.f_frsize;
      constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
      return bytes > kMost ? kMost : static_cast<std::int64_t>(bytes);
    }
    if (errno == EINTR) continue;
    if (errno != ENOENT || directory == ".") break;
    directory = ParentOf(directory);
  }
  return -1;
}

}  // namespace

LinuxMonitor::LinuxMonitor(LinuxMonitorOptions options)
    : options_(std::move(options)), files_(options_.root) {}

DeviceFacts LinuxMonitor::Read() {
  DeviceFacts facts;
  const PowerFacts power = ReadPower(files_);
  facts.power = power.source;
  facts.battery = power.battery;
  facts.low_power_mode = ReadLowPowerMode(files_);
  facts.thermal = ReadThermalState(files_);
  facts.memory_pressure = ReadMemoryPressure(files_);
  facts.user_idle = IsUserIdle(files_, std::time(nullptr), options_.idle_seconds);
  facts.memory_available = ReadMemoryAvailable(files_);
  facts.disk_free = DiskFree(options_.directory);
  return facts;
}

}  // namespace attune
