// The policy decides which job runs now, waits or stops, and says why. It is a
// pure function: no clock, no files, no randomness but the seed it is given.
// The laws it keeps are in docs/internals/scheduler.md.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "attune/job.h"
#include "attune/status.h"
#include "ports/device_monitor.h"

namespace attune {

// NOTE: values are stored in the ledger. Append, never renumber.
enum class Reason : std::uint8_t {
  kNone = 0,
  kDisabled = 1,
  kOutsideWindow = 2,
  kNotOnPower = 3,
  kBatteryLow = 4,
  kLowPowerMode = 5,
  kTooHot = 6,
  kUserActive = 7,
  kForeground = 8,
  kDeviceLocked = 9,  // Protected data cannot be read.
  kNoMemory = 10,
  kMemoryPressure = 11,
  kNoDisk = 12,
  kNoDevice = 13,
  kFewExamples = 14,
  kTooSoon = 15,
  kBackingOff = 16,
  kDependency = 17,
  kBudgetSpent = 18,  // Of the day.
  kRunBudgetSpent = 19,
  kOtherJob = 20,          // Another one goes first.
  kClockImplausible = 21,  // The clock is behind what is on record.
  kCancelled = 22,         // Asked to stop.
  kOutOfTime = 23,         // The time that the system gave is over.
};
// "not on power".
std::string_view ReasonName(Reason reason);
// "the device was not on external power".
std::string_view ReasonSentence(Reason reason);

// The local calendar at an instant.
struct Now {
  std::int64_t unix_seconds = 0;
  std::int32_t utc_offset_seconds = 0;
};

// A job that trains keeps its place for so long, and yields to an equal only once it
// is so much training ahead (divided by its weight): no thrashing.
inline constexpr double kTurnSeconds = 600;
// A job that may run and has not for so long goes before all others, for a turn.
inline constexpr std::int64_t kNeglectSeconds = 7 * 24 * 3600;
// A job that trains stops so far below the battery level at which one starts.
inline constexpr double kBatterySlack = 0.05;
// No `until` is further ahead.
inline constexpr std::int64_t kMaxWaitSeconds = 7 * 24 * 3600;

// What is known of a job besides its policy; see schedule/history.h for what the
// ledger tells. Times are Unix seconds; 0: never.
struct JobHistory {
  std::int64_t new_examples = 0;   // Since the last finished run.
  std::int64_t memory_needed = 0;  // Bytes; 0: unknown yet.
  bool unfinished = false;         // There is a run to go on with.
  std::int64_t first_seen = 0;
  std::int64_t last_started = 0;  // Or resumed.
  std::int64_t last_finished = 0;
  std::int64_t last_failed = 0;
  int failures_in_a_row = 0;
  Budget used_today;  // Here 0 means nothing used.
  // Of the run that is under way or unfinished, since local noon: a run gets its
  // budget afresh each night.
  Budget used_by_run;
  // The runner said that no further step would fit.
  bool day_spent = false, run_spent = false;
  // When `used_today` and `used_by_run` begin anew; 0: next local midnight and noon.
  std::int64_t day_ends = 0, night_ends = 0;
  double weighted_seconds = 0;     // Training of late, older days counting less; over `weight`.
  std::int64_t latest_record = 0;  // Of the whole ledger: the clock was at least there once.
  // The clock was set back; until then nobody knows whether rightly. 0: it was not.
  std::int64_t clock_doubted_until = 0;
};

struct JobState {
  const JobPolicy* policy = nullptr;
  JobHistory history;
  bool running = false;
};

enum class Device : std::uint8_t { kCpu = 0, kAne = 1 };

struct Verdict {
  enum class Kind : std::uint8_t { kRun, kWait, kStop };
  Kind kind = Kind::kWait;
  Reason reason = Reason::kNone;  // Of a wait or a stop: what is really missing.
  // Of a wait or a stop: before then it makes no sense to ask again, Unix seconds;
  // 0: when a fact changes.
  std::int64_t until = 0;
  // Of a run.
  Device device = Device::kCpu;
  // What is left of the run's and the day's, the smaller of the two. 0: no limit.
  Budget budget;
};

// Whether its numbers are what they are said to be.
//
//   kInvalidArgument  the job, the number and what is allowed
Status CheckJobPolicy(const JobPolicy& job);

// How long a job waits after so many failures in a row: the same for the same `seed`,
// job and number. 0 with none.
double BackoffSeconds(const JobPolicy& job, int failures_in_a_row, std::uint64_t seed);

// What shares are divided by: `weight`, kept between 1e-6 and 1e6.
double ShareWeight(double weight);

// One verdict a job, in the order of `jobs`. At most `concurrent` of them run, at
// least one may. `seed` decides the jitter of backoffs.
// REQUIRES: every `policy` is set.
std::vector<Verdict> Decide(std::span<const JobState> jobs, const DeviceFacts& facts,
                            const Now& now, int concurrent, std::uint64_t seed);

}  // namespace attune
