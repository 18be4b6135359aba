// How much memory this process may still take, and how hard the system looks for
// some.
//
// Threads: pure functions of the files.

#pragma once

#include <cstdint>

#include "linux/system_files.h"
#include "ports/device_monitor.h"

namespace attune {

// Bytes: what the kernel says is available, or less where a control group (version
// 2) of this process or above it has a limit; what such a group holds of files that
// can be dropped does not count as used. Negative: unknown.
std::int64_t ReadMemoryAvailable(const SystemFiles& files);

// By the kernel's stall information, of the system and of this process's control
// group: over the last ten seconds some task waited for memory during a tenth of the
// time (warning), or all did (critical). Without it: less than a tenth (warning) or
// a twentieth (critical) of all memory is available.
MemoryPressure ReadMemoryPressure(const SystemFiles& files);

}  // namespace attune
