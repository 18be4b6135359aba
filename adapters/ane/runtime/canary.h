// A small LoRA program, run before anything is trusted to a device: on some systems
// weights that are inputs are ignored, or inputs are bound in another order.

#pragma once

#include "ane/runtime/ane_backend.h"
#include "attune/status.h"
#include "compute/backend.h"

namespace attune::ane {

// Errors say what came out instead.
Status RunCanary(AneBackend& backend, Backend& host);

}  // namespace attune::ane
