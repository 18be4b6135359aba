// A region as MIL text and weight file: program(1.3), ios18. Equal regions give equal
// bytes. Source of the formats: docs/ane-constraints.md.

#pragma once

#include <string>
#include <vector>

#include "ane/compiler/ir.h"
#include "ane/device/device.h"
#include "attune/status.h"

namespace attune::ane {

// What the program calls a surface's symbol; the runtime binds by it.
std::string SymbolOf(SurfaceId surface);  // "s12"

// Inputs are the surfaces the region reads, outputs those it writes, each
// [1, channels, 1, width] of `element`.
//
//   kResourceExhausted  a weight file beyond 4 GiB
Result<ProgramImage> Emit(const Region& region, std::span<const SurfaceSpec> surfaces,
                          ElementType element);

// 32 hex digits over text and weights: equal images, equal digest.
std::string DigestOf(const ProgramImage& image);

}  // namespace attune::ane
