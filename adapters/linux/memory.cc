#include "linux/memory.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace attune {
namespace {

constexpr std::string_view kGroups = "/sys/fs/cgroup";
constexpr int kMaxDepth = 32;
constexpr double kStallPercent = 10;
constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

// "/user.slice/a.service"; empty for the root, or where version 2 is not in use.
std::string OwnGroup(const SystemFiles& files) {
  const auto groups = files.Read("/proc/self/cgroup");
  if (!groups) return {};
  std::string_view group = FieldOf(*groups, "0:", ':');
  while (group.ends_with('/')) group.remove_suffix(1);
  // Above the root of a container it has dots, and what it names lies outside.
  if (!group.starts_with('/') || group.find("/..") != std::string_view::npos) return {};
  return std::string(group);
}

std::int64_t LimitOf(const SystemFiles& files, const std::string& file) {
  const auto limit = files.ReadNumber(file);  // Else "max".
  return limit && *limit >= 0 ? *limit : kUnlimited;
}

// What is left in one group.
std::int64_t LeftIn(const SystemFiles& files, const std::string& directory) {
  const std::int64_t limit = std::min(LimitOf(files, directory + "/memory.max"),
                                      LimitOf(files, directory + "/memory.high"));
  const auto used = files.ReadNumber(directory + "/memory.current");
  if (limit == kUnlimited || !used || *used < 0) return kUnlimited;
  const auto statistics = files.Read(directory + "/memory.stat");
  std::int64_t droppable = 0;
  if (statistics) droppable = NumberOf(FieldOf(*statistics, "inactive_file", ' ')).value_or(0);
  droppable = std::clamp(droppable, std::int64_t{0}, *used);
  return std::max(std::int64_t{0}, limit - (*used - droppable));
}

// A field of /proc/meminfo, bytes.
std::optional<std::int64_t> Kilobytes(std::string_view meminfo, std::string_view key) {
  std::string_view value = FieldOf(meminfo, key, ':');
  if (!value.ends_with(" kB")) return std::nullopt;
  value.remove_suffix(3);
  const auto kilobytes = NumberOf(WithoutBlanks(value));
  if (!kilobytes || *kilobytes < 0 || *kilobytes > kUnlimited / 1024) return std::nullopt;
  return *kilobytes * 1024;
}

// "avg10" of a line that begins with `kind`, percent.
std::optional<double> Stalled(std::string_view pressure, std::string_view kind) {
  std::string_view line = FieldOf(pressure, kind, ' ');
  constexpr std::string_view kKey = "avg10=";
  if (!line.starts_with(kKey)) return std::nullopt;
  line.remove_prefix(kKey.size());
  double percent = 0;
  const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), percent);
  if (error != std::errc() || !(percent >= 0)) return std::nullopt;
  return percent;
}

std::optional<MemoryPressure> PressureOf(const SystemFiles& files, const std::string& path) {
  const auto text = files.Read(path);
  if (!text) return std::nullopt;
  const auto some = Stalled(*text, "some"), full = Stalled(*text, "full");
  if (!some && !full) return std::nullopt;
  if (full.value_or(0) >= kStallPercent) return MemoryPressure::kCritical;
  if (some.value_or(0) >= kStallPercent) return MemoryPressure::kWarning;
  return MemoryPressure::kNormal;
}

MemoryPressure PressureByShare(const SystemFiles& files) {
  const auto text = files.Read("/proc/meminfo");
  if (!text) return MemoryPressure::kNormal;
  const auto total = Kilobytes(*text, "MemTotal"), available = Kilobytes(*text, "MemAvailable");
  if (!total || !available || *total == 0) return MemoryPressure::kNormal;
  if (*available < *total / 20) return MemoryPressure::kCritical;
  return *available < *total / 10 ? MemoryPressure::kWarning : MemoryPressure::kNormal;
}

}  // namespace

std::int64_t ReadMemoryAvailable(const SystemFiles& files) {
  const auto text = files.Read("/proc/meminfo");
  std::int64_t available = kUnlimited;
  if (text) available = Kilobytes(*text, "MemAvailable").value_or(kUnlimited);
  // Every group above limits too; in a container the root itself may.
  std::string group = OwnGroup(files);
  for (int depth = 0; depth < kMaxDepth; ++depth) {
    available = std::min(available, LeftIn(files, std::string(kGroups) + group));
    if (group.empty()) break;
    group.resize(group.rfind('/'));
  }
  return available == kUnlimited ? -1 : available;
}

MemoryPressure ReadMemoryPressure(const SystemFiles& files) {
  const auto system = PressureOf(files, "/proc/pressure/memory");
  const auto group = PressureOf(files, std::string(kGroups) + OwnGroup(files) + "/memory.pressure");
  if (!system && !group) return PressureByShare(files);
  return std::max(system.value_or(MemoryPressure::kNormal),
                  group.value_or(MemoryPressure::kNormal));
}

}  // namespace attune
