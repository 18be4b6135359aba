// The CPU backend: the default everywhere, the oracle of the other devices, and
// the one that may train in the background on a phone.
//
// Frozen weights are read where they are mapped, in their stored type, or from
// packed copies that all executables of one backend share. Results are
// identical for a fixed number of workers.

#pragma once

#include <memory>

#include "compute/backend.h"
#include "ports/parallel.h"

namespace attune {

// `parallel` is borrowed and runs every executable.
std::unique_ptr<Backend> MakeCpuBackend(Parallel& parallel);

// "onednn 2.6.3", "accelerate" or "cblas": for reports.
const char* CpuGemmProvider();

}  // namespace attune
