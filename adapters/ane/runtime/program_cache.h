// Programs that are loaded, by what is in them: equal programs are loaded once, whoever
// uses them. When the device has no room for another, the one that ran longest ago is
// unloaded; its next evaluation loads it again, and the counters show it.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ane/device/device.h"
#include "ane/runtime/surface_set.h"
#include "attune/status.h"
#include "ports/clock.h"

namespace attune::ane {

struct CachedProgram {
  std::string digest;
  std::int64_t weight_bytes = 0;
  std::unique_ptr<DeviceProgram> program;  // Null: evicted.
  std::int64_t users = 0;
  std::uint64_t last_use = 0;
  // Whose surfaces it reads and writes; kept alive as long as it may touch them.
  std::shared_ptr<const SurfaceSet> bound_to;
};

// One executable's use of a program.
struct ProgramUse {
  std::shared_ptr<CachedProgram> cached;
  std::shared_ptr<const SurfaceSet> surfaces;
  std::vector<Surface*> inputs, outputs;  // In symbol order.
  // Writes the program again, after it was evicted.
  std::function<Result<ProgramImage>()> image;
};

struct CacheLimits {
  std::int64_t programs = 120;
  std::int64_t bytes = std::int64_t{2} << 30;  // Of weights.
  // How long to wait for what other processes hold: this long, then twice that and so
  // on, so many times. Not owned; null: gives up at once.
  Clock* clock = nullptr;
  double first_pause_seconds = 0.05;
  int pauses = 4;
};

class ProgramCache {
 public:
  // `device` must outlive it.
  ProgramCache(Device& device, const CacheLimits& limits) : device_(device), limits_(limits) {}

  // The program, loaded. Each Acquire() wants a Release().
  Result<std::shared_ptr<CachedProgram>> Acquire(const ProgramImage& image);
  // The last user's unloads.
  void Release(const std::shared_ptr<CachedProgram>& cached);

  // Loads and binds what is not, and runs it. Transient refusals are tried again. On a
  // device that is full room is made; when none of ours is left to unload, others may
  // go: it is tried again after pauses.
  Status Evaluate(ProgramUse* use);

  std::int64_t hits() const { return hits_; }
  std::int64_t evictions() const { return evictions_; }
  std::int64_t most_loaded() const { return most_loaded_; }

 private:
  // `waited` counts the pauses of one call from outside.
  Status Load(const ProgramImage& image, CachedProgram* cached, int* waited);
  Status EnsureReady(ProgramUse* use, int* waited);
  // Unloads the one that ran longest ago; false when none but `spared` is loaded.
  bool EvictOne(const CachedProgram* spared);
  // Unloads one or, with none left, waits. False when it has waited `pauses` times.
  bool WaitForRoom(const CachedProgram* spared, int* waited);
  void MakeRoom(const CachedProgram* spared);
  void Unload(CachedProgram* cached);

  Device& device_;
  CacheLimits limits_;
  std::map<std::string, std::shared_ptr<CachedProgram>> programs_;
  std::int64_t loaded_ = 0, loaded_bytes_ = 0, most_loaded_ = 0;
  std::int64_t hits_ = 0, evictions_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace attune::ane
