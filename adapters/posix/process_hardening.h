// What a process does against its own memory being read, once it holds keys and
// user text.

#pragma once

#include "attune/status.h"

namespace attune {

// From here on the process leaves no core dump, and no other process of the same
// user may attach to it or read its memory (Linux; a debugger needs CAP_SYS_PTRACE).
// Cannot be undone; a program called by exec is free of it on Linux. Costs: a crash
// leaves nothing to look into, and /proc/self belongs to root.
//
//   kIoError  the system refuses; nothing else has changed
Status ForbidCoreDumps();

}  // namespace attune
