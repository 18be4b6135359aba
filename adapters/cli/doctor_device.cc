#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <system_error>

#include "base/strings.h"
#include "cli/calendar.h"
#include "cli/doctor_checks.h"
#include "ports/clock.h"
#include "ports/file_system.h"
#include "session/vault_ledger.h"

#ifdef __linux__
#include "linux/system_files.h"
#include "linux/systemd_units.h"
#endif

namespace attune {
namespace {

namespace fs = std::filesystem;

// The first of January 2026: this software is younger, so a clock before it is unset.
constexpr std::int64_t kEarliest = 1767225600;
// Adjusting a clock slews it; stepping it by more than this is a jump.
constexpr double kLargestSlew = 2;

// Bytes, of the directory or its nearest parent that is there; negative: unknown.
std::int64_t FreeSpace(const std::string& directory) {
  std::error_code error;
  fs::path path = fs::absolute(directory, error);
  while (!error && !fs::exists(path, error) && path.has_relative_path()) path = path.parent_path();
  const fs::space_info space = fs::space(path, error);
  return error ? -1 : static_cast<std::int64_t>(space.available);
}

// The newest record's time; 0: there is none, or it cannot be read.
std::int64_t NewestRecord(const Platform& platform, const std::string& vault) {
  if (!platform.files->Exists(vault)) return 0;
  const auto ledger = VaultLedger::Open(platform, vault, /*create=*/false);
  if (!ledger.ok()) return 0;
  const auto records = (*ledger)->Read();
  if (!records.ok()) return 0;
  std::int64_t newest = 0;
  for (const LedgerRecord& record : *records) newest = std::max(newest, record.when);
  return newest;
}

}  // namespace

void CheckSpace(const NightOptions& night, Findings* findings) {
  std::map<std::string, std::int64_t> wanted = {{night.vault, 0}};
  for (const NightJob& job : night.jobs) {
    std::int64_t& bytes = wanted[job.adaptation.vault];
    bytes = std::max(bytes, job.policy.conditions.min_disk_free);
  }
  for (const auto& [vault, bytes] : wanted) {
    const std::int64_t free = FreeSpace(vault);
    Finding finding{.check = "space", .job = {}, .what = BaseName(vault)};
    finding.what +=
        free < 0 ? ": free space not known" : StrCat(": ", free, " bytes free, ", bytes, " wanted");
    finding.figures = {{"free_bytes", free}, {"wanted_bytes", bytes}};
    if (free < 0) finding.level = Level::kWarn;
    if (free >= 0 && free < bytes) {
      finding.level = Level::kFail;
      finding.advice = "free some, or lower schedule.conditions.min_disk_free";
    }
    findings->Add(finding);
  }
}

ClockReading ReadClocks(const Platform& platform) {
  return {platform.clock->MonotonicSeconds(), platform.clock->UnixSeconds()};
}

void CheckClock(const Platform& platform, const NightOptions& night, const ClockReading& begin,
                Findings* findings) {
  const ClockReading now = ReadClocks(platform);
  const std::int64_t newest = NewestRecord(platform, night.vault);
  const auto passed = static_cast<double>(now.unix_seconds - begin.unix_seconds);
  const double jumped = passed - (now.monotonic - begin.monotonic);
  Finding finding{
      .check = "clock", .job = {}, .what = StrCat(MomentText(now.unix_seconds), " UTC")};
  if (now.unix_seconds < kEarliest) {
    finding.level = Level::kFail;
    finding.what += StrCat(", before this software was made");
    finding.advice = "set the clock; windows and budgets go by it";
  } else if (now.unix_seconds < newest) {
    finding.level = Level::kFail;
    finding.what += StrCat(", before the ledger's newest record of ", MomentText(newest));
    finding.advice = "set the clock; until then jobs may wait";
  } else if (std::fabs(jumped) > kLargestSlew) {
    finding.level = Level::kWarn;
    finding.what += StrCat(", jumped by ", jumped, " s while this ran");
    finding.advice = "look for two programs that set the clock";
  }
  findings->Add(finding);
}

#ifdef __linux__

namespace {

Finding PowerFinding(const SystemFiles& system, const NightOptions& night,
                     const DeviceFacts& facts) {
  Finding finding{.check = "power", .job = {}, .what = {}};
  const auto supplies = system.List("/sys/class/power_supply");
  finding.what = supplies.empty() ? "no supply in /sys/class/power_supply: taken for mains"
                                  : StrJoin(supplies, ", ");
  if (facts.power == PowerSource::kExternal) finding.what += "; on external power";
  if (facts.power == PowerSource::kBattery) finding.what += "; on battery";
  if (facts.battery >= 0) finding.what += StrCat(", ", std::lround(facts.battery * 100), " % full");
  const bool asked = std::any_of(night.jobs.begin(), night.jobs.end(), [](const NightJob& job) {
    return job.policy.conditions.external_power;
  });
  if (facts.power == PowerSource::kUnknown && asked) {
    finding.level = Level::kWarn;
    finding.what += "; source unknown";
    finding.advice =
        "jobs wait for external power; set external_power to false where that is wrong";
  }
  return finding;
}

Finding HeatFinding(const SystemFiles& system, const DeviceFacts& facts) {
  static constexpr const char* kStates[] = {"nominal", "fair", "serious", "critical"};
  Finding finding{.check = "thermal", .job = {}, .what = {}};
  const auto all = system.List("/sys/class/thermal");
  const auto zones = std::count_if(all.begin(), all.end(), [](const std::string& name) {
    return name.rfind("thermal_zone", 0) == 0;
  });
  finding.what = StrCat(zones, " zones in /sys/class/thermal; ",
                        kStates[static_cast<std::size_t>(facts.thermal)]);
  if (zones == 0) {
    finding.level = Level::kWarn;
    finding.advice = "heat cannot be seen here and never slows training down";
  }
  return finding;
}

// A file or directory that a fact is made of, which not every system has.
Finding SourceFinding(const SystemFiles& system, const char* check, const char* path,
                      const char* without) {
  Finding finding{.check = check, .job = {}, .what = path};
  if (system.Exists(path)) return finding;
  finding.level = Level::kWarn;
  finding.what += " is absent";
  finding.advice = without;
  return finding;
}

std::string UnitDirectory() {
  const char* const config = std::getenv("XDG_CONFIG_HOME");
  if (config != nullptr && config[0] == '/') return JoinPath(config, "systemd/user");
  const char* const home = std::getenv("HOME");
  return home == nullptr ? "" : JoinPath(home, ".config/systemd/user");
}

// "attune-night", of our units that run this configuration; empty: none does.
std::string InstalledUnit(FileSystem& files, const std::string& directory,
                          const std::string& config) {
  constexpr std::uint64_t kMaxUnitBytes = 1 << 16;
  constexpr std::string_view kService = ".service";
  const auto names = files.List(directory);
  if (!names.ok()) return "";
  for (const std::string& name : *names) {
    if (!name.ends_with(kService)) continue;
    const auto text = files.Read(JoinPath(directory, name), kMaxUnitBytes);
    if (!text.ok() || !text->starts_with(kUnitMark)) continue;
    if (text->find(config) == std::string::npos) continue;
    return name.substr(0, name.size() - kService.size());
  }
  return "";
}

}  // namespace

void CheckDevice(const NightOptions& night, const DeviceFacts& facts, Findings* findings) {
  const SystemFiles system("");
  findings->Add(PowerFinding(system, night, facts));
  findings->Add(HeatFinding(system, facts));
  findings->Add(SourceFinding(system, "pressure", "/proc/pressure/memory",
                              "memory pressure is guessed from what is available"));
  findings->Add(SourceFinding(system, "use", "/run/systemd/sessions",
                              "only keys pressed on terminals tell that somebody is there"));
}

void CheckTimer(FileSystem& files, const std::string& config, Findings* findings) {
  Finding finding{.check = "timer", .job = {}, .what = {}};
  std::error_code error;
  const std::string path = fs::weakly_canonical(fs::absolute(config, error), error).native();
  const std::string directory = UnitDirectory();
  const std::string unit = InstalledUnit(files, directory, path);
  const std::string timer = unit + ".timer";
  if (unit.empty()) {
    finding.level = Level::kWarn;
    finding.what = "nothing wakes this configuration up";
    finding.advice = "see attune schedule install";
  } else if (!files.Exists(JoinPath(directory, JoinPath("timers.target.wants", timer)))) {
    finding.level = Level::kWarn;
    finding.what = StrCat(timer, " is installed, but not enabled");
    finding.advice = StrCat("systemctl --user enable --now ", timer);
  } else {
    finding.what = StrCat(timer, " is installed and enabled");
  }
  findings->Add(finding);
}

#else

void CheckDevice(const NightOptions&, const DeviceFacts&, Findings* findings) {
  findings->Add({.level = Level::kWarn,
                 .check = "power",
                 .job = {},
                 .what = "not known here",
                 .advice = "the application has to say what the device does"});
}
void CheckTimer(FileSystem&, const std::string&, Findings*) {}

#endif

}  // namespace attune
