// The oracle as a backend: the reference interpreter behind the Backend port.
// For tests; slow, and exact to double.

#pragma once

#include <memory>

#include "compute/backend.h"

namespace attune {

std::unique_ptr<Backend> MakeReferenceBackend();

}  // namespace attune
