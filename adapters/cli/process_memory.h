// How much memory this process has, as the system counts it.

#pragma once

#include <cstdint>

namespace attune {

// The most that was ever resident, mapped files included. 0 where unknown.
std::int64_t PeakResidentBytes();

// What is resident now and belongs to no file. 0 where unknown.
std::int64_t AnonymousBytes();

}  // namespace attune
