#include "report/morning.h"

#include <algorithm>

#include "attune/gate.h"
#include "base/strings.h"
#include "report/wording.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

bool IsToTell(LedgerEvent event) {
  return IsGateVerdict(event) || event == LedgerEvent::kRolledBack;
}

bool IsWithin(const LocalTime& time, const Lanes& lanes) {
  const std::int64_t night = NightOf(time.unix_seconds, time.utc_offset_seconds);
  return night >= lanes.first && night <= lanes.last;
}

std::string SumSentence(const Lanes& lanes, const JobTotals& sum) {
  const auto trained = std::count_if(lanes.totals.begin(), lanes.totals.end(),
                                     [](const JobTotals& job) { return job.nights_trained > 0; });
  if (trained == 0) return "Nothing was trained.";
  std::string out =
      StrCat(trained, " of ", Counted(static_cast<std::int64_t>(lanes.jobs.size()), "job"),
             " trained ", Counted(sum.steps, "step"), " in ", DurationText(sum.used.wall_seconds),
             " over ", Counted(sum.sittings, "sitting"));
  if (sum.pauses > 0) out += StrCat(", paused ", Counted(sum.pauses, "time"));
  if (sum.kills > 0) out += StrCat(", survived ", Counted(sum.kills, "kill"));
  out += StrCat("; ", Counted(sum.promoted, "generation"), " promoted");
  if (sum.kept > 0) out += StrCat(", ", sum.kept, " kept back");
  if (sum.rejected > 0) out += StrCat(", ", sum.rejected, " rejected");
  return out + ".";
}

MorningJob JobOf(const ReportInput& input, const Lanes& lanes, std::size_t index) {
  MorningJob job;
  job.name = lanes.jobs[index];
  job.totals = lanes.totals[index];
  for (std::int64_t night = lanes.first; night <= lanes.last; ++night) {
    job.nights.push_back(lanes.At(night, index).summary);
  }
  for (const ReportedSitting& sitting : SittingsOf(input.records, job.name)) {
    if (IsWithin(sitting.begin, lanes)) job.sittings.push_back(sitting);
  }
  for (const LedgerRecord& record : input.records) {
    if (record.job != job.name) continue;
    const LocalTime when{record.when, record.utc_offset_seconds};
    if (IsToTell(record.event) && IsWithin(when, lanes)) job.verdicts.push_back(record);
    job.next_attempt = {record.next_attempt, record.utc_offset_seconds};
  }
  return job;
}

}  // namespace

Morning MorningOf(const ReportInput& input, std::span<const ReportedCurve> curves) {
  const Lanes lanes = LanesOf(input);
  Morning morning;
  morning.span = SpanText(lanes);
  morning.sum = lanes.Sum();
  morning.nights = lanes.nights();
  morning.sentence = SumSentence(lanes, morning.sum);
  for (std::size_t i = 0; i < lanes.jobs.size(); ++i) {
    MorningJob job = JobOf(input, lanes, i);
    for (const ReportedCurve& curve : curves) {
      if (curve.job == job.name) job.curves.push_back(curve.svg);
    }
    morning.jobs.push_back(std::move(job));
  }
  return morning;
}

std::string StateOf(const MorningJob& job) {
  const std::int64_t decided = job.verdicts.empty() ? 0 : job.verdicts.back().when;
  const std::int64_t sat = job.sittings.empty() ? 0 : job.sittings.back().begin.unix_seconds;
  if (decided != 0 && decided >= sat) {
    return std::string(LedgerEventName(job.verdicts.back().event));
  }
  if (sat == 0) return "did not run";
  return job.sittings.back().how == LedgerEvent::kSaved
             ? "under way"
             : std::string(LedgerEventName(job.sittings.back().how));
}

std::string NextAttemptText(const MorningJob& job) {
  if (job.next_attempt.unix_seconds == 0) return "as soon as the device allows it";
  const std::int64_t day =
      LocalDay(job.next_attempt.unix_seconds, job.next_attempt.utc_offset_seconds);
  return StrCat("not before ", DateText(day), ", ", ClockText(job.next_attempt, false));
}

std::string VerdictText(const LedgerRecord& verdict) {
  const std::string what =
      StrCat(verdict.generation == 0 ? std::string("the candidate")
                                     : StrCat("generation ", verdict.generation),
             ": ", LedgerEventName(verdict.event));
  const auto reason = static_cast<GateReason>(verdict.gate_reason);
  if (reason == GateReason::kNone) return what;
  return StrCat(what, ", ", GateReasonSentence(reason));
}

std::string GainText(const LedgerRecord& verdict) {
  std::string out = StrCat("gain over what served at least ", PercentText(verdict.gain_low));
  // 0 where there is no such set.
  if (verdict.anchor_change == 0) return out;
  return StrCat(out, "; loss on the anchor set ", PercentText(verdict.anchor_change));
}

}  // namespace attune
