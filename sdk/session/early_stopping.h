// Early stopping, read off the tests of a run: which was best, and whether it is time
// to give up hope of a better one.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>

#include "session/loss_curve.h"

namespace attune {

// Whether the last test is better than all before it; the first one is.
bool IsBestYet(std::span<const LossPoint> tests);

// Whether the last `patience` tests were no better than the best before them. 0: never.
bool HasStalled(std::span<const LossPoint> tests, std::int64_t patience);

// The test with the lowest loss, the earliest of equals. REQUIRES: there is one.
const LossPoint& BestOf(std::span<const LossPoint> tests);

}  // namespace attune
