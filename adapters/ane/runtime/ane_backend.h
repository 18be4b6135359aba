// The Neural Engine as a Backend: compiles a graph to programs, keeps them loaded,
// runs the rest on a host backend. Trainable parameters are inputs, so training
// compiles nothing after its executables were made. What the device refuses, at once or
// in the middle of a run, the host does; AneActivity says so.
//
// Determinism: over the simulator, equal runs give equal bits.
// Threads: as compute/backend.h; the executables take turns at the device.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ane/compiler/compile.h"
#include "ane/device/device.h"
#include "compute/backend.h"
#include "ports/clock.h"
#include "ports/parallel.h"

namespace attune::ane {

struct AneBackendOptions {
  // Compare every so many runs of an executable with the host's results: 0 never. A run whose loss
  // is further than `tolerance` (relative) off is an error.
  std::int64_t check_every = 0;
  double tolerance = 0.02;
  std::int64_t max_programs = CompilerOptions{}.max_programs;
  std::int64_t cache_bytes = std::int64_t{2} << 30;  // Of weights, before programs are evicted.
  // Of forward values kept for the backward pass; what is beyond is computed again. 0: any.
  std::int64_t max_surface_bytes = 0;
  HeadPlacement head = HeadPlacement::kByCost;
  WeightStorage weights = WeightStorage::kElement;
  // To wait by for room on the device, a second at most; null: it does not wait. Not owned.
  Clock* clock = nullptr;
  // Writes and reads large surfaces; null: the calling thread does. Not owned.
  Parallel* parallel = nullptr;
};

// What it did since it was made.
struct AneActivity {
  DeviceCounters device;
  std::int64_t cache_hits = 0;
  std::int64_t evictions = 0;
  std::int64_t most_programs = 0;  // Loaded at once.
  std::int64_t runs = 0;           // Of executables.
  std::int64_t checks = 0;         // Against the host.
  double worst_difference = 0;     // Of those.
  // Executables that the host runs instead, because the device or its compiler refused,
  // and what it said the last time.
  std::int64_t fallbacks = 0;
  std::string fallback_reason;
};

class AneBackend : public Backend {
 public:
  virtual AneActivity activity() const = 0;
};

// Both must outlive the backend and its executables. Runs the canary first: a small
// LoRA program whose result must change with A and equal the host's.
//
//   kUnavailable  the canary failed; the message says how. Use the host backend.
Result<std::unique_ptr<AneBackend>> MakeAneBackend(Device& device, Backend& host,
                                                   const AneBackendOptions& options = {});

}  // namespace attune::ane
