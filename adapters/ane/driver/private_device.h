// The device over the private framework, reached through the Objective-C runtime's C
// entry points alone: everything is found with dlsym, nothing is linked. Compiles and
// runs on macOS, and on Linux over a stand-in of the framework.
//
// Not for an App Store: docs/guides/ane.md.

#pragma once

#include <memory>
#include <string>

#include "ane/device/device.h"
#include "attune/status.h"
#include "ports/clock.h"

namespace attune::ane {

enum class Route : std::uint8_t {
  kInMemory,  // _ANEInMemoryModel and its descriptor.
  kClient,    // _ANEClient and _ANEModel on a staging directory.
};

struct PrivateDeviceOptions {
  Route route = Route::kInMemory;
  // The framework's library; empty: where the system keeps it.
  std::string framework;
  std::string surface_library;  // IOSurface, likewise.
  std::string foundation_library;
  // Below it each program is staged while it is compiled; empty: NSTemporaryDirectory().
  // The in-memory route always uses the framework's own.
  std::string staging_directory;
  std::int64_t retries = 3;  // Of transient refusals, 100 ms apart and doubling.
};

// `clock` must outlive the device.
//
//   kUnavailable   no framework, or no Neural Engine; named
//   kUnsupported   a class or selector that this driver needs is missing; named
Result<std::unique_ptr<Device>> OpenPrivateDevice(const PrivateDeviceOptions& options,
                                                  Clock* clock);

}  // namespace attune::ane
