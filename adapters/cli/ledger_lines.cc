#include "cli/ledger_lines.h"

#include <cstdio>

#include "attune/gate.h"
#include "base/strings.h"
#include "cli/calendar.h"
#include "schedule/civil_time.h"
#include "schedule/policy.h"

namespace attune {
namespace {

// "2026-11-21" of days since 1970-01-01.
std::string DayText(std::int64_t day) { return MomentText(day * kSecondsPerDay).substr(0, 10); }

}  // namespace

std::string LocalMomentText(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  return MomentText(unix_seconds + utc_offset_seconds);
}

void PrintNights(std::span<const NightSummary> nights, bool json) {
  for (const NightSummary& night : nights) {
    if (!json) {
      std::printf("%s, %s: %s\n", NightName(night.night).c_str(), night.job.c_str(),
                  night.sentence.c_str());
      continue;
    }
    JsonLine line;
    line.Add("event", "night").Add("night", DayText(night.night)).Add("job", night.job);
    line.Add("ran", night.ran).Add("explained", night.explained);
    line.Add("sentence", night.sentence).Print();
  }
}

void PrintRecordAsJson(const LedgerRecord& record) {
  JsonLine line;
  line.Add("event", "record").Add("what", LedgerEventName(record.event)).Add("job", record.job);
  line.Add("when", record.when);
  line.Add("utc_offset_seconds", std::int64_t{record.utc_offset_seconds});
  if (record.reason != Reason::kNone) line.Add("reason", ReasonName(record.reason));
  if (record.steps > 0) {
    line.Add("step", record.step).Add("steps", record.steps).Add("steps_here", record.steps_here);
  }
  if (!(record.used == Budget())) {
    line.Add("wall_seconds", record.used.wall_seconds);
    line.Add("cpu_seconds", record.used.cpu_seconds);
    line.Add("energy_joules", record.used.energy_joules);
  }
  if (record.generation > 0) line.Add("generation", record.generation);
  if (IsGateVerdict(record.event)) {
    line.Add("gate_reason", GateReasonName(static_cast<GateReason>(record.gate_reason)));
    line.Add("base_loss", record.base_loss).Add("serving_loss", record.serving_loss);
    line.Add("candidate_loss", record.candidate_loss).Add("gain_low", record.gain_low);
    line.Add("anchor_change", record.anchor_change);
  }
  if (record.bytes_needed > 0) {
    line.Add("bytes_needed", record.bytes_needed).Add("bytes_available", record.bytes_available);
  }
  if (record.next_attempt > 0) line.Add("next_attempt", record.next_attempt);
  if (record.event == LedgerEvent::kFailed) {
    line.Add("code", std::int64_t{static_cast<int>(record.code)});
  }
  line.Print();
}

}  // namespace attune
