#include "linux/systemd_units.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/strings.h"

namespace attune {
namespace {

constexpr std::int64_t kMinute = 60, kHour = 3600, kDay = 86400;
// After SIGTERM: for a step and a save, many times over. Then SIGKILL, which costs
// what was not saved yet.
constexpr int kStopSeconds = 90;

bool HasControlCharacter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

bool IsBelow(std::string_view path, std::string_view directory) {
  return path == directory ||
         (path.starts_with(directory) && path.substr(directory.size()).starts_with('/'));
}

bool IsUnitName(std::string_view name) {
  if (name.empty() || name.size() > 64 || name.front() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

// In quotes, with specifiers ('%') and escapes taken back; where variables would be
// filled in ('$'), with those too.
std::string Quoted(std::string_view word, bool variables) {
  std::string out = "\"";
  for (const char c : word) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || (c == '$' && variables)) out += c;
    out += c;
  }
  return out + '"';
}

Status CheckPath(std::string_view path, std::string_view what) {
  if (!path.starts_with('/')) return InvalidArgument(StrCat(what, ": not an absolute path"));
  if (HasControlCharacter(path)) {
    return InvalidArgument(StrCat(what, ": a line break or control character in its path"));
  }
  return OkStatus();
}

Status Check(const SystemdUnitOptions& options) {
  if (!IsUnitName(options.name)) {
    return InvalidArgument("name of the units: up to 64 letters, digits, '-' and '_'");
  }
  ATTUNE_RETURN_IF_ERROR(CheckPath(options.program, "program"));
  for (const std::string& argument : options.arguments) {
    if (HasControlCharacter(argument)) {
      return InvalidArgument("a line break or control character in an argument or path");
    }
  }
  for (const std::string& path : options.writable) {
    ATTUNE_RETURN_IF_ERROR(CheckPath(path, "vault or keys"));
    if (path.find_first_not_of('/') == std::string::npos) {
      return InvalidArgument("vault or keys: would need the whole file system to be writable");
    }
    if (options.namespaces && (IsBelow(path, "/tmp") || IsBelow(path, "/var/tmp"))) {
      return InvalidArgument("vault or keys: below /tmp, of which the service has its own");
    }
  }
  if (!(options.deadline_seconds >= 0) || options.deadline_seconds > 1e9) {
    return InvalidArgument(
        StrCat("deadline of ", options.deadline_seconds, " seconds, allowed 0 to 1e9"));
  }
  return OkStatus();
}

std::string Command(const SystemdUnitOptions& options) {
  // Variables are not filled in in the program's own name.
  std::string line = Quoted(options.program, /*variables=*/false);
  for (const std::string& argument : options.arguments) {
    line += " " + Quoted(argument, /*variables=*/true);
  }
  return line;
}

std::string Namespaces(const SystemdUnitOptions& options) {
  if (!options.namespaces) return "";
  std::string text = R"(
# Name spaces. A user's manager needs the first for the others.
PrivateUsers=yes
PrivateNetwork=yes
PrivateIPC=yes
PrivateTmp=yes
ProtectSystem=strict
ProtectControlGroups=yes
ProtectKernelTunables=yes
)";
  if (options.writable.empty()) return text;
  text += "ReadWritePaths=";
  for (std::size_t i = 0; i < options.writable.size(); ++i) {
    text += (i == 0 ? "" : " ") + Quoted(options.writable[i], /*variables=*/false);
  }
  return text + "\n";
}

constexpr const char* kShutIn = R"(
NoNewPrivileges=yes
UMask=0077
LimitCORE=0
LockPersonality=yes
RestrictAddressFamilies=none
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@network-io @privileged
SystemCallErrorNumber=EPERM
# Not MemoryDenyWriteExecute: the matrix library writes its kernels at run time.
# Not PrivateDevices: terminals tell whether somebody is typing.
)";

// Behind everything else, but never starved: who is asked to stop has to save.
constexpr const char* kBehind = R"(
Nice=10
CPUSchedulingPolicy=other
CPUWeight=20
IOSchedulingClass=best-effort
IOSchedulingPriority=7
IOWeight=20
OOMScoreAdjust=500
OOMPolicy=stop
)";

}  // namespace

Result<std::int64_t> ParseInterval(std::string_view text) {
  std::int64_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(stop - text.data()));
  std::int64_t seconds = 0;
  if (unit == "min") seconds = kMinute;
  if (unit == "h") seconds = kHour;
  if (unit == "d") seconds = kDay;
  if (error != std::errc() || seconds == 0 || count < 1 || count > 1440) {
    return InvalidArgument("not an interval; expected for example 15min, 2h or 1d");
  }
  return count * seconds;
}

Result<std::string> CalendarOf(std::int64_t every_seconds) {
  if (every_seconds == kDay) return std::string("daily");
  if (every_seconds >= kHour && every_seconds % kHour == 0 && kDay % every_seconds == 0) {
    return StrCat("*-*-* 0/", every_seconds / kHour, ":00:00");
  }
  if (every_seconds >= kMinute && every_seconds % kMinute == 0 && kHour % every_seconds == 0) {
    return StrCat("*:0/", every_seconds / kMinute);
  }
  return InvalidArgument(
      "interval: minutes that divide an hour (1min to 30min), hours that divide a day "
      "(1h to 12h), or 1d");
}

Result<SystemdUnits> MakeSystemdUnits(const SystemdUnitOptions& options) {
  ATTUNE_RETURN_IF_ERROR(Check(options));
  ATTUNE_ASSIGN_OR_RETURN(const std::string calendar, CalendarOf(options.every_seconds));
  // So many at most that a stop by the deadline comes first.
  const std::string longest =
      options.deadline_seconds > 0
          ? StrCat(std::llround(std::ceil(options.deadline_seconds)) + kStopSeconds)
          : "infinity";
  SystemdUnits units;
  units.service = StrCat(kUnitMark,
                         "[Unit]\nDescription=Attune trains while nobody needs the device\n\n"
                         "[Service]\nType=oneshot\nExecStart=",
                         Command(options), "\nTimeoutStartSec=", longest,
                         "\n# Asked to stop, it finishes its step, saves and ends.\n"
                         "KillSignal=SIGTERM\nTimeoutStopSec=",
                         kStopSeconds,
                         "\n# 4: another process is at it. 130: stopped.\n"
                         "SuccessExitStatus=4 130\n",
                         kBehind, kShutIn, Namespaces(options));
  const std::int64_t spread = std::min<std::int64_t>(options.every_seconds / 5, 5 * kMinute);
  units.timer =
      StrCat(kUnitMark, "[Unit]\nDescription=Wakes Attune to see whether it may train\n\n",
             "[Timer]\nOnCalendar=", calendar, "\nPersistent=true\nRandomizedDelaySec=", spread,
             "\nFixedRandomDelay=true\nUnit=", options.name,
             ".service\n\n[Install]\nWantedBy=timers.target\n");
  return units;
}

}  // namespace attune
