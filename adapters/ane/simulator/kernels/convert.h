// fp16 as it lies in surfaces, to and from f32.

#pragma once

#include <cstddef>
#include <cstdint>

namespace attune::ane {

// n numbers from 2 * n bytes; neither need be aligned.
void WidenHalves(const std::byte* from, float* to, std::int64_t n);
// Nearest even.
void NarrowToHalves(const float* from, std::byte* to, std::int64_t n);

}  // namespace attune::ane
