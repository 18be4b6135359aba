// A device that stays as the test says.

#pragma once

#include "ports/device_monitor.h"

namespace attune::testing {

// Plugged in, cool and idle, until the test says otherwise.
class SteadyMonitor final : public DeviceMonitor {
 public:
  DeviceFacts Read() override { return facts; }
  DeviceFacts facts{.power = PowerSource::kExternal};
};

}  // namespace attune::testing
