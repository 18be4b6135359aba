// The word that was probably meant.
//
// Threads: pure functions.

#pragma once

#include <span>
#include <string_view>

namespace attune {

// Letters to insert, drop, exchange or swap with their neighbour.
std::size_t EditDistance(std::string_view a, std::string_view b);

// The candidate that `word` continues with "_" or that continues `word` so, else the
// closest to it, the first of equals. Empty if none is close: more than a third of its
// letters differ, or `word` is longer than any name could be.
std::string_view Nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace attune
