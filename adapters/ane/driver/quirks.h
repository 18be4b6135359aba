// Which chip and system this is, and what has to be done differently on it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ane/device/target.h"
#include "ane/driver/libraries.h"
#include "ane/driver/objc_runtime.h"
#include "attune/status.h"

namespace attune::ane {

// Sources: docs/ane-constraints.md.
struct Quirks {
  // From macOS 27 on a request is asked for the count of its performance counters:
  // they must be an array, where older systems take nothing.
  bool counters_are_an_array = false;
  // On chips of the first generation the compiler takes no empty dictionary of weights,
  // elsewhere nothing but one. Tried first; the other is tried when it is refused.
  bool weights_may_be_nil = false;
  // Pauses between attempts, doubled each time.
  double first_pause_seconds = 0.1;
};
Quirks QuirksOf(const Target& target);

// The chip in a processor's name such as "Apple M4 Max".
//
//   kNotFound  none that is known
Result<Chip> ChipOfProcessor(std::string_view name);

// What the system says that it is. REQUIRES: a pool.
//
//   kUnavailable  it has no Neural Engine
//   kUnsupported  a chip or system that this driver does not know; named
Result<Target> DetectTarget(const objc::Runtime& runtime, const Libraries& libraries);

}  // namespace attune::ane
