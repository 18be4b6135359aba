// The private framework, opened and checked: what everything else of the driver
// sends its messages through.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "ane/device/device.h"
#include "ane/device/errors.h"
#include "ane/driver/foundation.h"
#include "ane/driver/libraries.h"
#include "ane/driver/objc_runtime.h"
#include "ane/driver/private_device.h"
#include "ane/driver/quirks.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "ports/clock.h"

namespace attune::ane {

// The quality of service that every call names: the default class.
inline constexpr std::uint32_t kQualityOfService = 21;

struct Framework {
  //   kUnavailable  a library is not there, or no Neural Engine
  //   kUnsupported  a class or selector of the route is missing; named
  static Result<std::shared_ptr<Framework>> Open(const PrivateDeviceOptions& options, Clock* clock);

  // Sends a message that answers BOOL and may leave an NSError, in a pool of its own.
  // An exception is an error as well.
  std::optional<DeviceError> Attempt(Stage stage,
                                     FunctionRef<objc::Bool(objc::Id* error)> send) const;

  // Attempts until something else than a transient error comes, or `retries` are used
  // up, with pauses that double.
  std::optional<DeviceError> Persist(FunctionRef<std::optional<DeviceError>()> attempt);

  Libraries libraries;
  objc::Runtime runtime;
  Target target;
  Quirks quirks;
  std::int64_t retries = 0;
  Clock* clock = nullptr;
  DeviceCounters counters;
};

}  // namespace attune::ane
