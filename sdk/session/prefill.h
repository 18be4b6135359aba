// How tokens are fed to a cached decoder: in runs of fixed sizes, because each
// size is an executable of its own.

#pragma once

#include <array>
#include <cstdint>

namespace attune {

inline constexpr std::array<std::int64_t, 7> kRunSizes = {1, 16, 32, 64, 128, 256, 512};

// The size of the next run when `remaining` tokens are to be fed and the cache
// has `room` free rows: the smallest that takes them all, padded, within the
// room; else the largest that fits. One to three tokens go one by one: that
// costs less than sixteen rows.
// REQUIRES: 1 <= remaining <= room.
std::int64_t NextRunSize(std::int64_t remaining, std::int64_t room);

// The smallest size of at least `tokens`, else the largest.
std::int64_t CoveringRunSize(std::int64_t tokens);

}  // namespace attune
