// Weekly windows in local time: whether one is open, and when the next one opens.
// The offset of local time is that of now throughout: an opening behind a change of
// it is told an hour early or late, and whoever asks again then gets it right.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>

#include "attune/job.h"

namespace attune {

// No windows: always.
bool InWindows(std::span<const TimeWindow> windows, std::int64_t unix_seconds,
               std::int32_t utc_offset_seconds);

// `unix_seconds` when one is open then, else the next instant at which one opens; a
// week ahead when none ever does.
std::int64_t NextOpen(std::span<const TimeWindow> windows, std::int64_t unix_seconds,
                      std::int32_t utc_offset_seconds);

}  // namespace attune
