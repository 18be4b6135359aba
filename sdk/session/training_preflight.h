// What a run of an adaptation would take, before there is anything to learn from.
//
// Threads: one at a time.

#pragma once

#include <cstdint>

#include "attune/adaptation.h"
#include "attune/status.h"
#include "models/weights.h"
#include "session/platform.h"

namespace attune {

// The private bytes that training on full rows takes at most, tests on held-out rows
// and saving included, within the memory budget of `options` if that can be. For a
// moment it takes them. `*needed` is set also where that is over the budget.
//
//   kInvalidArgument    an option that does not fit the model
//   kResourceExhausted  over the memory budget; both numbers
Status PreflightTraining(const Platform& platform, const LanguageModelWeights& base,
                         const RunOptions& options, std::int64_t* needed);

}  // namespace attune
