// A passphrase is never an argument: other processes can read those, and shells
// keep them.

#pragma once

#include <cstddef>
#include <string>

#include "attune/status.h"
#include "ports/crypto.h"

namespace attune {

inline constexpr std::size_t kMaxPassphraseBytes = 1024;

// The first line of `file`, without its end; never buffered elsewhere. "-": of
// the standard input, of which nothing more is read; at a terminal it is asked
// for and not shown.
//
//   kInvalidArgument    an empty line, or more than kMaxPassphraseBytes
//   kFailedPrecondition other users may read the file
Result<Secret> ReadPassphrase(Crypto& crypto, const std::string& file);

}  // namespace attune
