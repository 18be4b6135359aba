// The service and the timer by which systemd wakes a night up, as text: units of a
// user's own manager, hardened as far as one may harden its own.
//
// Left out on purpose:
//   - MemoryDenyWriteExecute: oneDNN writes its kernels at run time.
//   - PrivateDevices: it hides the terminals that tell when a key was pressed.
//   - IPAddressDeny: only the system's manager may load the filter. A network of its
//     own, no address family, and no system call for one stand for it.
//   - ConditionACPower and the like: the policy decides, and says why in the ledger.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"

namespace attune {

// The first line of what we write: a file without it is somebody else's.
inline constexpr std::string_view kUnitMark = "# Written by `attune schedule install`.\n";

struct SystemdUnitOptions {
  // --- What runs ---

  std::string name = "attune-night";   // Of both units: letters, digits, '-', '_'.
  std::string program;                 // Absolute.
  std::vector<std::string> arguments;  // As the program is to get them.
  // Absolute, existing: all that it may write to.
  std::vector<std::string> writable;
  double deadline_seconds = 0;  // What it gives itself; 0: none.

  // --- When ---

  std::int64_t every_seconds = 900;  // See CalendarOf().

  // --- How it is shut in ---

  // With name spaces of its own: no network, files read-only but for `writable`, a
  // private /tmp. Needs a kernel that gives them to users.
  bool namespaces = true;
};

struct SystemdUnits {
  std::string service, timer;
};

// Both units.
//
//   kInvalidArgument  a name, path or argument that no unit can hold (control
//                     characters), a path that is not absolute, below a /tmp that
//                     will be private, or the root; an interval as below
Result<SystemdUnits> MakeSystemdUnits(const SystemdUnitOptions& options);

// "*:0/15" for 900: a calendar expression, for only those catch up on what was
// missed while the device was off.
//
//   kInvalidArgument  not a whole number of minutes that divides an hour, of hours
//                     that divides a day, or a day
Result<std::string> CalendarOf(std::int64_t every_seconds);

// "15min", "2h", "1d": seconds.
Result<std::int64_t> ParseInterval(std::string_view text);

}  // namespace attune
