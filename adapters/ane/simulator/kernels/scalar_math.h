// The elementwise functions that are rare enough to go one element at a time.

#pragma once

#include "ane/simulator/kernels/elementwise.h"

namespace attune::ane {

float Power(float x, float y);

// Not rounded.
float ScalarUnary(const UnaryArgs& args, float x);

}  // namespace attune::ane
