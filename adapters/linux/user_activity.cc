#include "linux/user_activity.h"

#include <cctype>
#include <string>
#include <string_view>

namespace attune {
namespace {

constexpr const char* kSessions = "/run/systemd/sessions";

// "tty1" or "pts/0": below /dev, and nothing else.
bool IsTerminalName(std::string_view name) {
  if (name.starts_with("pts/")) name.remove_prefix(4);
  if (name.empty() || name.size() > 32) return false;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) return false;
  }
  return true;
}

class Look {
 public:
  Look(const SystemFiles& files, std::int64_t now, std::int64_t idle_seconds)
      : files_(files), now_(now), idle_seconds_(idle_seconds) {}

  bool SomebodyIsLoggedInAndThere() const {
    for (const std::string& name : files_.List(kSessions)) {
      if (name.ends_with(".ref")) continue;  // A pipe beside each session.
      if (IsInUse(std::string(kSessions) + "/" + name)) return true;
    }
    return false;
  }

  bool SomebodyIsAtATerminal() const {
    for (const std::string& name : files_.List("/dev/pts")) {
      if (name != "ptmx" && WasTyped("pts/" + name)) return true;
    }
    for (int terminal = 1; terminal <= 12; ++terminal) {
      if (WasTyped("tty" + std::to_string(terminal))) return true;
    }
    return false;
  }

 private:
  bool IsInUse(const std::string& path) const {
    const auto session = files_.Read(path);
    if (!session) return false;
    if (FieldOf(*session, "STATE", '=') != "active") return false;
    if (!FieldOf(*session, "CLASS", '=').starts_with("user")) return false;
    const std::string_view type = FieldOf(*session, "TYPE", '=');
    if (type == "x11" || type == "wayland" || type == "mir") return !IsScreenDark();
    return WasTyped(FieldOf(*session, "TTY", '='));
  }

  // The kernel notes when a terminal was last read from, to within 8 seconds.
  bool WasTyped(std::string_view terminal) const {
    if (!IsTerminalName(terminal)) return false;
    const auto typed = files_.AccessTime("/dev/" + std::string(terminal));
    // Far in the future: the clock was set back since, and nothing is known.
    return typed && *typed > now_ - idle_seconds_ && *typed < now_ + idle_seconds_;
  }

  // Every screen that is connected is off, or every backlight.
  bool IsScreenDark() const {
    return AllOff("/sys/class/drm", "status", "connected", "dpms", "On") ||
           AllOff("/sys/class/backlight", "type", "", "bl_power", "0");
  }

  // At least one device below `directory` whose file `condition` says `value` (or
  // anything, if that is empty), and none of them whose file `power` says `lit`.
  bool AllOff(const std::string& directory, const char* condition, std::string_view value,
              const char* power, std::string_view lit) const {
    int off = 0;
    for (const std::string& name : files_.List(directory)) {
      const std::string device = directory + "/" + name + "/";
      if (!value.empty() && files_.ReadLine(device + condition) != value) continue;
      const std::string state = files_.ReadLine(device + power);
      if (state == lit) return false;
      off += !state.empty();
    }
    return off > 0;
  }

  const SystemFiles& files_;
  const std::int64_t now_;
  const std::int64_t idle_seconds_;
};

}  // namespace

bool IsUserIdle(const SystemFiles& files, std::int64_t unix_seconds, std::int64_t idle_seconds) {
  const Look look(files, unix_seconds, idle_seconds);
  if (files.Exists(kSessions)) return !look.SomebodyIsLoggedInAndThere();
  return !look.SomebodyIsAtATerminal();
}

}  // namespace attune
