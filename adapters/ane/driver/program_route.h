// One program in the hands of the framework, by either of the two routes: which
// classes do it and in which order their arguments come. The order of steps, retries
// and cleaning up are the device's (private_device.cc).
//
// Threads: as Device.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "ane/device/errors.h"
#include "ane/driver/description.h"
#include "ane/driver/framework.h"
#include "ane/driver/private_device.h"
#include "attune/status.h"

namespace attune::ane {

class ProgramRoute {
 public:
  virtual ~ProgramRoute() = default;

  // Whether the system has kept a compiled program of this identity.
  virtual bool Compiled() = 0;
  virtual std::optional<DeviceError> Compile() = 0;
  virtual std::optional<DeviceError> Load() = 0;
  // Lets go of the program's source, which is of no use once it is loaded.
  virtual void DropSource() = 0;
  virtual std::optional<DeviceError> Evaluate(objc::Id request) = 0;
  virtual std::optional<DeviceError> Unload() = 0;

  // The _ANEModel, which knows symbols and strides. REQUIRES: loaded.
  virtual objc::Id model() = 0;
};

// `description` is of a program that is staged in `directory`.
//
//   kUnavailable  the framework gives no object for it
Result<std::unique_ptr<ProgramRoute>> MakeInMemoryRoute(std::shared_ptr<Framework> framework,
                                                        Description description);
Result<std::unique_ptr<ProgramRoute>> MakeClientRoute(std::shared_ptr<Framework> framework,
                                                      const Description& description,
                                                      const std::string& directory);

}  // namespace attune::ane
