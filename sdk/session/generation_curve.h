// How a generation of an adapter learned, as its vault keeps it.
//
// Threads: as InspectVault().

#pragma once

#include <cstdint>
#include <string>

#include "attune/status.h"
#include "attune/vault.h"
#include "session/platform.h"

namespace attune {

// The drawing of its losses: an SVG without user text. Empty: none was kept.
//
//   kNotFound  no such generation
//   and the errors of InspectVault()
Result<std::string> CurveOfGeneration(const Platform& platform, const VaultLocation& location,
                                      std::uint64_t generation);

}  // namespace attune
