// One job's training as the runner of a night sees it: a thing that begins, takes
// steps, saves and concludes. An Adaptation's run is one; a simulation's is another.
//
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <optional>

#include "attune/status.h"
#include "base/function_ref.h"
#include "schedule/ledger.h"

namespace attune {

struct WorkNeeds {
  std::int64_t new_examples = 0;   // Since the last finished run.
  std::int64_t memory_needed = 0;  // Bytes, as predicted; 0: not known.
  bool unfinished = false;         // A saved state waits to be gone on from.
  std::int64_t step = 0;           // Of that state; 0 without.
};

struct WorkProgress {
  std::uint64_t run = 0;
  std::int64_t step = 0, steps = 0;
  bool resumed = false;
  bool done = false;  // No step is left: Conclude().
};

// What became of a finished run.
struct WorkVerdict {
  LedgerEvent event = LedgerEvent::kKept;  // kPromoted, kKept or kRejected.
  std::uint64_t generation = 0;
  std::uint8_t gate_reason = 0;
  double base_loss = 0, serving_loss = 0, candidate_loss = 0;
  double gain_low = 0, anchor_change = 0;
};

class NightWork {
 public:
  virtual ~NightWork() = default;

  // Cheap: asked at each wake-up, also when nothing will run.
  virtual Result<WorkNeeds> Needs() = 0;

  // Opens everything and goes on from the saved state, or from the beginning.
  // `memory_available`: bytes it may take; negative: not known.
  // It cannot be cut short: a stop is heard when it has returned.
  //
  //   kResourceExhausted  would not fit: nothing was allocated; `*memory_needed`
  //                       is set
  //   kUnavailable        not now (locked device): try later
  virtual Result<WorkProgress> Begin(std::int64_t memory_available,
                                     std::int64_t* memory_needed) = 0;

  // One optimizer step, and the test on held-out examples if one is due, in which
  // it asks `go_on` before each micro-batch; a test that was cut off is made again.
  virtual Result<WorkProgress> Step(FunctionRef<bool()> go_on) = 0;

  // Durable on return.
  virtual Status Save() = 0;

  // Saves what is not saved, tests the finished candidate and promotes it or not.
  // kCancelled when `go_on` says no: the next Begin() comes back to here.
  virtual Result<WorkVerdict> Conclude(FunctionRef<bool()> go_on) = 0;

  // Drops what Begin() took; what was not saved is lost.
  virtual void End() = 0;
};

}  // namespace attune
