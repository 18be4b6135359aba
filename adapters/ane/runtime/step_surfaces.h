// Surfaces that the host fills from rules and small inputs: masks, rotations, and what
// dropout keeps. Each writes the whole surface; nothing allocates.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ane/compiler/plan.h"
#include "ane/runtime/transfers.h"
#include "attune/status.h"
#include "tensor/tensor.h"

namespace attune::ane {

// Which keys a query sees, in rows of all sequences together; `lo` and `hi` are empty
// but for kBounded.
void FillMask(const MakeMask& step, std::span<const std::int32_t> lo,
              std::span<const std::int32_t> hi, const PlaneLayout& layout, std::byte* surface);

// `table` [positions, head_dim]: cosines, then sines, half a head each. REQUIRES:
// positions within the table.
void FillRotation(const MakeRotation& step, std::span<const std::int32_t> positions,
                  std::span<const float> table, const PlaneLayout& layout, std::byte* cosine,
                  std::byte* sine);

void FillDropout(const MakeDropoutMask& step, std::span<const std::int32_t> seed,
                 const PlaneLayout& layout, std::byte* surface);

// kInvalidArgument: an index outside [0, limit); names it.
Status CheckIndices(std::string_view name, std::span<const std::int32_t> indices,
                    std::int64_t limit);

}  // namespace attune::ane
