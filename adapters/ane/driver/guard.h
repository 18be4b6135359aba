// Where exceptions of Objective-C end. This module is compiled without exceptions;
// guard.cc alone is not, and catches what a framework raises before it could end the
// process.

#pragma once

#include "base/function_ref.h"

namespace attune::ane::objc {

// Runs `body`; false when it raised. Then the frames below were left without running
// their destructors: `body` should do nothing but send messages.
bool Guarded(FunctionRef<void()> body);

}  // namespace attune::ane::objc
