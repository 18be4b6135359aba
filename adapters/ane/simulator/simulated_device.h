// The simulator behind the device port, without the framework in between.

#pragma once

#include <memory>

#include "ane/device/device.h"
#include "ane/simulator/machine.h"

namespace attune::ane {

// `parallel` must outlive the device.
std::unique_ptr<Device> MakeSimulatedDevice(const MachineOptions& options, Parallel* parallel);

}  // namespace attune::ane
