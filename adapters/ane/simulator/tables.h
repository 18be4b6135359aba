// sigmoid, tanh, gelu and silu as the hardware's tables of 33 knots give them, with
// straight lines between. Published are the knots' number, the largest errors and
// two values at 0; where the knots lie is fitted to those. The two approximations of gelu
// have the knots of the exact one.

#pragma once

#include <cstdint>

namespace attune::ane {

enum class Tabulated : std::uint8_t { kSigmoid, kTanh, kGelu, kSilu, kGeluTanh, kGeluSigmoid };

// Not rounded. NaN gives the value of the largest argument.
float FromTable(Tabulated function, float x);

}  // namespace attune::ane
