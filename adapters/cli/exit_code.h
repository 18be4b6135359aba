// What the command tells its caller by its exit status. docs/command.md is the
// promise; these values are part of it.

#pragma once

#include <cstdint>

#include "attune/status.h"

namespace attune {

enum class ExitCode : std::uint8_t {
  kOk = 0,
  kInternal = 1,       // A defect, or the system refused to read or write.
  kBadInput = 2,       // A file or an option is not what it should be.
  kRefused = 3,        // More memory or space would be needed than there may be.
  kNotNow = 4,         // Keys or files are held back for a while; try again later.
  kInterrupted = 130,  // Stopped by Ctrl-C, as a shell reports it.
};

// REQUIRES: !status.ok().
ExitCode ExitCodeOf(const Status& status);

}  // namespace attune
