// A picture of the sittings of several jobs on one axis of time, as wide as they take.
//
// Threads: pure functions.

#pragma once

#include <string>

#include "report/morning.h"

namespace attune {

// An SVG; empty where nothing ran.
std::string StripOf(const Morning& morning);

}  // namespace attune
