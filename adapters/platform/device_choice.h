// What a platform computes on, as a name of the command line: "cpu", "ane",
// "ane-sim[:chip][:exact]".

#pragma once

#include <cstdint>
#include <string_view>

#include "ane/device/target.h"
#include "attune/status.h"

namespace attune {

enum class ComputeDevice : std::uint8_t {
  kCpu,
  kAne,           // The Neural Engine, through its private framework.
  kAneSimulated,  // A simulated one.
};

struct DeviceChoice {
  ComputeDevice device = ComputeDevice::kCpu;
  ane::Chip chip = ane::Chip::kM4;  // Of the simulated one.
  bool exact = false;               // In f32: tells errors of programs from those of numerics.
};

// kInvalidArgument: another name; what is allowed.
Result<DeviceChoice> ParseDeviceChoice(std::string_view name);

}  // namespace attune
