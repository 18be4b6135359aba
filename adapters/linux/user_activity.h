// Whether somebody is using the device, as far as files tell: nothing here talks to
// the session bus, for no socket may be opened.
//
// Someone uses it if, among the sessions that logind keeps in /run/systemd/sessions
// and that are active and a user's (not a greeter's, a lock screen's or a service's),
//
//   - a graphical one has a screen that is lit, or whose state is not known; or
//   - one on a terminal, also from afar, had a key pressed of late.
//
// Without logind, any terminal with a key pressed of late counts.
// What this cannot see: touches and keys in a graphical session, and whether it is
// locked, for the kernel keeps no time for input devices; so a graphical session
// counts as used as long as its screen is lit. A device whose screen never goes dark
// is never idle: its jobs need `user_idle: false`, and a window instead. And a kiosk
// that draws without a session counts as idle, as does a device that nobody is logged
// in to.
//
// Threads: pure functions of the files and the time.

#pragma once

#include <cstdint>

#include "linux/system_files.h"

namespace attune {

bool IsUserIdle(const SystemFiles& files, std::int64_t unix_seconds, std::int64_t idle_seconds);

}  // namespace attune
