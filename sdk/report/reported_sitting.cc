#include "report/reported_sitting.h"

#include <algorithm>

#include "base/strings.h"

namespace attune {
namespace {

bool IsEnd(LedgerEvent event) {
  return event == LedgerEvent::kPaused || event == LedgerEvent::kExpired ||
         event == LedgerEvent::kKilled || event == LedgerEvent::kFinished ||
         event == LedgerEvent::kFailed || event == LedgerEvent::kRefused;
}

void Update(const LedgerRecord& record, ReportedSitting* sitting) {
  LocalTime end{record.when, record.utc_offset_seconds};
  if (record.event == LedgerEvent::kKilled) {
    // Found at the next start, perhaps much later: it lived as long as it is charged
    // for, at most.
    const double charged = std::clamp(record.used.wall_seconds, 0.0, 1e9);
    end.unix_seconds = std::min(end.unix_seconds,
                                sitting->begin.unix_seconds + static_cast<std::int64_t>(charged));
  }
  if (end.unix_seconds >= sitting->end.unix_seconds) sitting->end = end;
  if (record.run != 0) sitting->run = record.run;
  sitting->step = std::max(sitting->step, record.step);
  sitting->steps = std::max(sitting->steps, record.steps);
  sitting->steps_here = std::max(sitting->steps_here, record.steps_here);
  sitting->used.wall_seconds = std::max(sitting->used.wall_seconds, record.used.wall_seconds);
  sitting->used.cpu_seconds = std::max(sitting->used.cpu_seconds, record.used.cpu_seconds);
  sitting->used.energy_joules = std::max(sitting->used.energy_joules, record.used.energy_joules);
}

}  // namespace

std::vector<ReportedSitting> SittingsOf(std::span<const LedgerRecord> records,
                                        std::string_view job) {
  std::vector<ReportedSitting> sittings;
  bool open = false;
  for (const LedgerRecord& record : records) {
    if (record.job != job) continue;
    if (record.event == LedgerEvent::kStarted || record.event == LedgerEvent::kResumed) {
      ReportedSitting sitting;
      sitting.begin = sitting.end = {record.when, record.utc_offset_seconds};
      // One that is killed early has not said how long its run is.
      const bool goes_on = record.event == LedgerEvent::kResumed && !sittings.empty();
      if (goes_on) sitting.steps = sittings.back().steps;
      sittings.push_back(sitting);
      open = true;
    }
    if (sittings.empty()) continue;
    ReportedSitting& last = sittings.back();
    if (open && (record.event == LedgerEvent::kSaved || IsEnd(record.event))) {
      Update(record, &last);
    }
    if (open && IsEnd(record.event)) {
      last.how = record.event;
      last.reason = record.reason;
      // The check by the gate comes after the last step.
      open = record.event == LedgerEvent::kFinished;
    }
    if (open && IsGateVerdict(record.event)) {
      Update(record, &last);
      open = false;
    }
  }
  return sittings;
}

std::string HowItEnded(const ReportedSitting& sitting) {
  switch (sitting.how) {
    case LedgerEvent::kFinished:
      return "all steps done";
    case LedgerEvent::kKilled:
      return "killed, found at the next start";
    case LedgerEvent::kExpired:
      return "the time that the system gave was over";
    case LedgerEvent::kFailed:
      return "an error";
    case LedgerEvent::kSaved:
      return "under way";
    default:
      return std::string(ReasonSentence(sitting.reason));
  }
}

}  // namespace attune
