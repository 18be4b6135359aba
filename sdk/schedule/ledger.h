// The ledger tells what happened to each job, night by night, and why nothing
// did. It holds counts, times, figures and reasons, never user text.
//
// Threads: values and pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "attune/status.h"
#include "schedule/policy.h"

namespace attune {

// NOTE: values are stored. Append, never renumber.
enum class LedgerEvent : std::uint8_t {
  kScheduled = 1,  // Asked the system to wake us at `next_attempt`.
  kStarted = 2,
  kResumed = 3,   // Goes on with a run that was paused or killed.
  kSaved = 4,     // Still running, state saved: what was used so far. Seldom.
  kPaused = 5,    // Stopped politely, state saved. `reason` says why.
  kExpired = 6,   // The time that the system gave was up. State saved.
  kKilled = 7,    // Found at the next start: a run that never said how it ended.
  kSkipped = 8,   // Woken, and did not run. `reason` says why.
  kFinished = 9,  // All steps done.
  kPromoted = 10,
  kKept = 11,        // The candidate was not better; what serves stays.
  kRejected = 12,    // The candidate failed a check.
  kRolledBack = 13,  // Live figures got worse.
  kFailed = 14,
  kRefused = 15,  // Would not fit: bytes needed and available.
};
// "paused".
std::string_view LedgerEventName(LedgerEvent event);

struct LedgerRecord {
  std::int64_t when = 0;  // Unix seconds.
  std::int32_t utc_offset_seconds = 0;
  std::string job;
  LedgerEvent event = LedgerEvent::kScheduled;
  Reason reason = Reason::kNone;
  std::uint64_t run = 0;             // Of the vault; 0: not known.
  std::int64_t step = 0, steps = 0;  // Done of the run, and in all.
  std::int64_t steps_here = 0;       // Done in this sitting.
  Budget used;                       // In this sitting, so far.
  std::uint64_t generation = 0;
  // Of gate verdicts: which check (GateReason), and nats per token.
  std::uint8_t gate_reason = 0;
  double base_loss = 0, serving_loss = 0, candidate_loss = 0;
  double gain_low = 0;       // Of the gain over what serves: lower end, relative.
  double anchor_change = 0;  // Relative; positive is forgetting.
  std::int64_t bytes_needed = 0, bytes_available = 0;
  std::int64_t next_attempt = 0;  // Unix seconds; 0: when a fact changes.
  // Of kFailed: the status code. Never its message.
  StatusCode code = StatusCode::kOk;
  bool operator==(const LedgerRecord&) const = default;
};

// What the gate said: promoted, kept or rejected.
bool IsGateVerdict(LedgerEvent event);

// [a-z0-9._-], 1 to kMaxJobName characters. The vault's rule for adapters is the same.
inline constexpr std::size_t kMaxJobName = 64;
bool IsJobName(std::string_view name);

// Bytes as in docs/formats/ledger.md, at most kMaxLedgerRecord. What a figure cannot be
// (a negative count, a loss that is not finite) is written as the nearest it can, not
// finite ones as 0.
// REQUIRES: a job name as above; enumerators that have a name.
std::string EncodeLedgerRecord(const LedgerRecord& record);
inline constexpr std::size_t kMaxLedgerRecord = 210;

// Takes nothing else: what it accepts encodes to the same bytes.
//
//   kDataLoss     malformed
//   kUnsupported  of a later version
Result<LedgerRecord> DecodeLedgerRecord(std::string_view bytes);

// Where records are kept: sealed in a vault, or in memory for a simulation.
// Threads: one at a time.
class Ledger {
 public:
  virtual ~Ledger() = default;
  // Durable on return.
  virtual Status Append(const LedgerRecord& record) = 0;
  // Oldest first. Records that cannot be read are left out and counted.
  virtual Result<std::vector<LedgerRecord>> Read() = 0;
};

}  // namespace attune
