// Canaries tell how much a model memorises: made-up texts of random digits are
// learned along with the user's, and afterwards compared with others of their kind
// that were not. Exposure as in Carlini, Liu, Erlingsson, Kos, Song, "The secret
// sharer" (2019): log2 of how many there are less log2 of the canary's rank among
// them by likelihood. About 1.4 bits on average for a canary that left no trace.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace attune {

struct Canaries {
  std::vector<std::string> planted;  // To be learned.
  std::vector<std::string> others;   // Of the same form, never learned.
};

// All of them different; a pure function of its arguments.
Canaries MakeCanaries(std::uint64_t seed, int planted, int others);

// Bits, from 0 to log2(others.size() + 1). `gain`: nats that the candidate saves on
// the canary compared with the bare base, so that a canary that is likely by itself
// does not count; equal gains rank behind. REQUIRES: `others` is not empty.
double ExposureOf(double gain, std::span<const double> others);

}  // namespace attune
