// The checks of `attune doctor`. Each adds a finding or more; none writes anything.

#pragma once

#include <string>

#include "attune/night.h"
#include "cli/doctor_findings.h"
#include "ports/device_monitor.h"
#include "session/platform.h"

namespace attune {

// --- Of the jobs: doctor_jobs.cc ---

// The key directory is the user's alone.
void CheckKeys(FileSystem& files, const std::string& directory, Findings* findings);
// Every vault opens with its key; what it has put aside.
void CheckVaults(const Platform& platform, const NightOptions& night, Findings* findings);
// Every model opens and is the one that the serving adapter was trained on; what
// training it takes, against what is available; its anchors.
void CheckModels(const Platform& platform, const NightOptions& night, const DeviceFacts& facts,
                 Findings* findings);

// --- Of the device: doctor_device.cc ---

void CheckSpace(const NightOptions& night, Findings* findings);

// The clocks when the doctor began, to see whether one jumps.
struct ClockReading {
  double monotonic = 0;
  std::int64_t unix_seconds = 0;
};
ClockReading ReadClocks(const Platform& platform);
void CheckClock(const Platform& platform, const NightOptions& night, const ClockReading& begin,
                Findings* findings);

// Where power, heat, memory and use of the device are read from, and what they say.
void CheckDevice(const NightOptions& night, const DeviceFacts& facts, Findings* findings);
// Whether something wakes the night up. `config` is the configuration's path.
void CheckTimer(FileSystem& files, const std::string& config, Findings* findings);

}  // namespace attune
