// Where the power comes from and how much is in the battery: the kernel's class
// power_supply.
//
//   - A battery or an uninterruptible supply that runs down is what the device runs
//     on, even if a charger that is too weak for it is plugged in.
//   - Otherwise external power, if a supply says that it is online or a battery that
//     it is being charged.
//   - No battery at all is a desktop or a server: external power.
//   - The batteries of a mouse or a headset (scope "Device") count for nothing.
//
// Threads: pure functions of the files.

#pragma once

#include "linux/system_files.h"
#include "ports/device_monitor.h"

namespace attune {

struct PowerFacts {
  PowerSource source = PowerSource::kUnknown;
  double battery = -1;  // As in DeviceFacts.
};
PowerFacts ReadPower(const SystemFiles& files);

// Whether the user asked to save power: the firmware's profile is "low-power", or
// power-profiles-daemon keeps "power-saver", or processors are told to prefer
// "power" over speed.
bool ReadLowPowerMode(const SystemFiles& files);

}  // namespace attune
