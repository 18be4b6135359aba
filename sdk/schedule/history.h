// What the ledger tells of a job's past, as the policy wants it. The ledger is the
// only memory of the scheduler: whatever is not in it never happened.
//
// Time: records are in the order in which they were made, whatever their clocks say.
// A clock that was set back does not undo what passed before, and one that was set
// right again does not count it twice; docs/internals/scheduler.md, "Clocks".
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include "schedule/ledger.h"
#include "schedule/policy.h"

namespace attune {

// How much a killed run may have used since it last said so: it is charged this.
// Runs say so (kSaved) at least this often, seconds.
inline constexpr double kUnrecordedSeconds = 300;
// So many sittings in a row that were killed, or stopped without a step saved (for the
// device being locked does not count), are bad luck; more count as failures: work that
// never fits would be begun for ever.
inline constexpr int kFreeKills = 3;
// A clock that goes back by more is not trusted for so long.
inline constexpr std::int64_t kClockTolerance = 600;
inline constexpr std::int64_t kClockDoubtSeconds = 3600;
// After so long, training counts half in the shares.
inline constexpr double kShareHalfLifeSeconds = 3 * 24 * 3600;

// A sitting that has not ended on record is charged for the time since its last
// record, at most kUnrecordedSeconds: it was killed, or trains now.
//
// REQUIRES: records in the order they were appended. What they do not tell
// (`new_examples`) stays 0; `memory_needed` is what the last refusal named.
JobHistory HistoryOf(std::span<const LedgerRecord> records, const JobPolicy& job, const Now& now);

// Whether the newest run of the job began and never said how it ended: `last` is its
// last record. kFinished is not an end: the gate comes after it.
// REQUIRES: the job does not train now.
bool WasKilled(std::span<const LedgerRecord> records, std::string_view job, LedgerRecord* last);

// HistoryOf() record by record.
class JobLedger {
 public:
  explicit JobLedger(std::string job) : job_(std::move(job)) {}

  // Every record of the ledger, also those of other jobs: they tell the time.
  void Add(const LedgerRecord& record);

  // `here`: what the sitting under way has used by now; null: only the ledger knows.
  JobHistory At(const Now& now, double weight, const Budget* here = nullptr) const;

 private:
  // Time that never goes back, in Unix seconds as long as the clock does not either.
  struct Timeline {
    std::int64_t at = 0;      // 0: nothing on record.
    std::int64_t clock = 0;   // What the clock said then.
    std::int64_t latest = 0;  // The most that it ever said.
    std::int64_t doubted_until = 0;
    std::int64_t behind_from = 0;  // The clock is behind `at` since then; 0: it is not.
    void Advance(std::int64_t unix_seconds);
  };
  // Use since the latest local midnight or noon.
  struct Meter {
    explicit Meter(std::int32_t second_of_day) : begins(second_of_day) {}
    std::int32_t begins;
    std::int64_t day = std::numeric_limits<std::int64_t>::min();
    Budget used;
    bool spent = false;
    void Turn(std::int64_t at, std::int32_t utc_offset_seconds);
    std::int64_t EndsIn(std::int64_t at, std::int32_t utc_offset_seconds) const;
  };
  struct State {
    Timeline time;
    Meter day{0}, night{12 * 3600};
    bool open = false;  // A sitting began and has not ended.
    Budget sitting;     // Of it, as charged.
    std::int64_t charged_at = 0, charged_clock = 0;
    Budget told;  // Since ever, without guesses: for the rates of use.
    double recent = 0;
    std::int64_t recent_at = 0;
    std::int64_t first_seen = 0, started = 0, finished = 0, failed = 0;
    std::int64_t begun_at_step = 0;
    std::int64_t memory_needed = 0;
    int failures = 0;
    int in_vain = 0;  // Sittings of late without progress: killed, or cut off.
    bool unfinished = false;

    void Advance(std::int64_t unix_seconds);
    void Charge(const Budget& used);
    void ChargeTold(const Budget& used);
    void ChargeUnrecorded(const Budget& least);
    void Kill(const Budget& least);
    void CountInVain();
    void Begin(const LedgerRecord& record);
    void End(const LedgerRecord& record);
    void Apply(const LedgerRecord& record);
  };

  std::string job_;
  State state_;
};

}  // namespace attune
