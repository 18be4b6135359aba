#include "schedule/history.h"

#include <algorithm>
#include <cmath>

#include "schedule/civil_time.h"

namespace attune {
namespace {

// Foreign times and figures are kept where sums of them are exact enough.
constexpr std::int64_t kMaxTime = std::int64_t{1} << 40;
constexpr double kMaxUse = 1e12;

std::int32_t BoundedOffset(std::int32_t seconds) {
  constexpr std::int32_t kDay = static_cast<std::int32_t>(kSecondsPerDay);
  return std::clamp(seconds, -kDay, kDay);
}

// 0 means never, so time begins at 1.
std::int64_t Bounded(std::int64_t unix_seconds) {
  return std::clamp<std::int64_t>(unix_seconds, 1, kMaxTime);
}

double Bounded(double used) { return used > 0 ? std::min(used, kMaxUse) : 0; }

Budget Bounded(const Budget& used) {
  return {Bounded(used.wall_seconds), Bounded(used.cpu_seconds), Bounded(used.energy_joules)};
}

Budget operator+(const Budget& a, const Budget& b) {
  return {a.wall_seconds + b.wall_seconds, a.cpu_seconds + b.cpu_seconds,
          a.energy_joules + b.energy_joules};
}

Budget Most(const Budget& a, const Budget& b) {
  return {std::max(a.wall_seconds, b.wall_seconds), std::max(a.cpu_seconds, b.cpu_seconds),
          std::max(a.energy_joules, b.energy_joules)};
}

Budget Minus(const Budget& a, const Budget& b) {
  return Bounded(Budget{a.wall_seconds - b.wall_seconds, a.cpu_seconds - b.cpu_seconds,
                        a.energy_joules - b.energy_joules});
}

enum class Effect { kNone, kBegins, kGoesOn, kEnds };

Effect EffectOf(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kStarted:
    case LedgerEvent::kResumed:
      return Effect::kBegins;
    case LedgerEvent::kSaved:
    case LedgerEvent::kFinished:
      return Effect::kGoesOn;
    case LedgerEvent::kPaused:
    case LedgerEvent::kExpired:
    case LedgerEvent::kKilled:
    case LedgerEvent::kPromoted:
    case LedgerEvent::kKept:
    case LedgerEvent::kRejected:
    case LedgerEvent::kFailed:
    case LedgerEvent::kRefused:
      return Effect::kEnds;
    case LedgerEvent::kScheduled:
    case LedgerEvent::kSkipped:
    case LedgerEvent::kRolledBack:
      return Effect::kNone;
  }
  return Effect::kNone;
}

}  // namespace

void JobLedger::Timeline::Advance(std::int64_t unix_seconds) {
  const std::int64_t now = Bounded(unix_seconds);
  if (clock != 0 && now < clock - kClockTolerance) doubted_until = now + kClockDoubtSeconds;
  if (now >= at) {
    at = now;
    doubted_until = behind_from = 0;
  } else {
    // The second tells what is done from here on from what was before.
    if (behind_from == 0) behind_from = at++;
    // Only what passes on the new clock counts, and not all of a jump, which may be a
    // part of the way back.
    at += std::clamp<std::int64_t>(now - clock, 0, kMaxWaitSeconds);
  }
  clock = now;
  latest = std::max(latest, now);
}

void JobLedger::Meter::Turn(std::int64_t at, std::int32_t utc_offset_seconds) {
  const std::int64_t today = LocalDay(at, BoundedOffset(utc_offset_seconds) - begins);
  // A day that went back, as on a flight west, is the same day still.
  if (today <= day) return;
  day = today;
  used = {};
  spent = false;
}

std::int64_t JobLedger::Meter::EndsIn(std::int64_t at, std::int32_t utc_offset_seconds) const {
  return MidnightOf(day + 1, BoundedOffset(utc_offset_seconds) - begins) - at;
}

void JobLedger::State::Advance(std::int64_t unix_seconds) {
  const std::int64_t behind_from = time.behind_from;
  time.Advance(unix_seconds);
  if (behind_from == 0 || time.behind_from != 0) return;
  // Set right. Nobody knows when what was done meanwhile was done: as late as can be.
  for (std::int64_t* done : {&first_seen, &started, &finished, &failed}) {
    if (*done > behind_from) *done = time.at;
  }
}

// `used` is what the sitting has used since it began. What is new of it belongs to
// the day in which it is told: too much for that day if midnight came in between,
// never too little.
void JobLedger::State::Charge(const Budget& used) {
  const Budget more = Minus(used, sitting);
  sitting = sitting + more;
  day.used = day.used + more;
  night.used = night.used + more;
  const auto age = static_cast<double>(time.at - recent_at);
  recent = recent * std::exp2(-age / kShareHalfLifeSeconds) + more.wall_seconds;
  recent_at = time.at;
  charged_at = time.at;
  charged_clock = time.clock;
}

// `least`: whoever found the run killed may know better.
void JobLedger::State::ChargeUnrecorded(const Budget& least) {
  // When the clock went back in between, nobody knows how long it was.
  const auto elapsed = static_cast<double>(time.at - charged_at);
  const double wall =
      time.clock < charged_clock ? kUnrecordedSeconds : std::min(elapsed, kUnrecordedSeconds);
  const double lived = told.wall_seconds;
  const double cpu_share = lived > 0 ? told.cpu_seconds / lived : 0;
  const double watts = lived > 0 ? told.energy_joules / lived : 0;
  const Budget unrecorded = {wall, wall * std::max(cpu_share, 1.0), wall * watts};
  Charge(Most(Bounded(least), sitting + unrecorded));
}

void JobLedger::State::Kill(const Budget& least) {
  if (!open) return;
  ChargeUnrecorded(least);
  CountInVain();
}

void JobLedger::State::CountInVain() {
  in_vain = std::min(in_vain + 1, 1000000);
  if (in_vain > kFreeKills) failed = time.at;
}

void JobLedger::State::ChargeTold(const Budget& used) {
  told = told + Minus(Bounded(used), sitting);
  Charge(Bounded(used));
}

void JobLedger::State::Begin(const LedgerRecord& record) {
  Kill({});  // If the one before was and nobody said so.
  // A state that is further than where the last sitting began: it did save.
  if (record.step > begun_at_step) in_vain = 0;
  begun_at_step = record.step;
  if (record.event == LedgerEvent::kStarted) {
    night.used = {};
    night.spent = false;
  }
  open = true;
  unfinished = true;
  sitting = {};
  started = time.at;
  memory_needed = 0;
  ChargeTold(record.used);
}

void JobLedger::State::End(const LedgerRecord& record) {
  const LedgerEvent event = record.event;
  if (event == LedgerEvent::kKilled) {
    Kill(record.used);
  } else {
    ChargeTold(record.used);
  }
  open = false;
  if (!IsGateVerdict(event)) sitting = {};
  const bool polite = event == LedgerEvent::kPaused || event == LedgerEvent::kExpired;
  if (IsGateVerdict(event) || (polite && record.steps_here > 0)) failures = in_vain = 0;
  // A test or a gate's check that takes longer than any sitting begins anew each time.
  if (polite && record.steps_here == 0 && record.reason != Reason::kDeviceLocked) CountInVain();
  if (polite && record.reason == Reason::kBudgetSpent) day.spent = true;
  if (polite && record.reason == Reason::kRunBudgetSpent) night.spent = true;
  if (event == LedgerEvent::kRefused) memory_needed = record.bytes_needed;
  if (event == LedgerEvent::kFailed) {
    failures = std::min(failures + 1, 1000000);
    failed = time.at;
  }
  if (!IsGateVerdict(event)) return;
  finished = time.at;
  unfinished = false;
  begun_at_step = 0;
  night.used = {};
  night.spent = false;
}

void JobLedger::State::Apply(const LedgerRecord& record) {
  if (first_seen == 0) first_seen = time.at;
  day.Turn(time.at, record.utc_offset_seconds);
  night.Turn(time.at, record.utc_offset_seconds);
  switch (EffectOf(record.event)) {
    case Effect::kNone:
      return;
    case Effect::kBegins:
      return Begin(record);
    case Effect::kGoesOn:
      if (record.event == LedgerEvent::kFinished) finished = time.at;
      // Its beginning may be too old to be kept.
      if (record.event == LedgerEvent::kSaved) open = true;
      return ChargeTold(record.used);
    case Effect::kEnds:
      return End(record);
  }
}

void JobLedger::Add(const LedgerRecord& record) {
  state_.Advance(record.when);
  if (record.job == job_) state_.Apply(record);
}

JobHistory JobLedger::At(const Now& now, double weight, const Budget* here) const {
  State s = state_;
  const std::int64_t clock = Bounded(now.unix_seconds);
  s.Advance(clock);
  s.day.Turn(s.time.at, now.utc_offset_seconds);
  s.night.Turn(s.time.at, now.utc_offset_seconds);
  if (s.open && here != nullptr) s.Charge(Bounded(*here));
  if (s.open && here == nullptr) s.ChargeUnrecorded({});

  // As long ago on the clock of now as it is.
  const auto told = [&](std::int64_t at) {
    return at == 0 ? 0 : std::max<std::int64_t>(1, clock - (s.time.at - at));
  };
  JobHistory history;
  history.memory_needed = s.memory_needed;
  history.unfinished = s.unfinished;
  history.first_seen = told(s.first_seen);
  history.last_started = told(s.started);
  history.last_finished = told(s.finished);
  history.last_failed = told(s.failed);
  history.failures_in_a_row = s.failures + std::max(0, s.in_vain - kFreeKills);
  history.used_today = s.day.used;
  history.used_by_run = s.night.used;
  history.day_spent = s.day.spent;
  history.run_spent = s.night.spent;
  history.day_ends = clock + s.day.EndsIn(s.time.at, now.utc_offset_seconds);
  history.night_ends = clock + s.night.EndsIn(s.time.at, now.utc_offset_seconds);
  const auto age = static_cast<double>(s.time.at - s.recent_at);
  history.weighted_seconds =
      s.recent * std::exp2(-age / kShareHalfLifeSeconds) / ShareWeight(weight);
  history.latest_record = state_.time.latest;
  history.clock_doubted_until = s.time.doubted_until > clock ? s.time.doubted_until : 0;
  return history;
}

JobHistory HistoryOf(std::span<const LedgerRecord> records, const JobPolicy& job, const Now& now) {
  JobLedger ledger(job.name);
  for (const LedgerRecord& record : records) ledger.Add(record);
  return ledger.At(now, job.weight);
}

bool WasKilled(std::span<const LedgerRecord> records, std::string_view job, LedgerRecord* last) {
  const LedgerRecord* newest = nullptr;
  for (auto record = records.rbegin(); record != records.rend(); ++record) {
    if (record->job != job) continue;
    const Effect effect = EffectOf(record->event);
    if (effect == Effect::kNone) continue;
    if (effect == Effect::kEnds) return false;
    if (newest == nullptr) newest = &*record;
    if (record->event != LedgerEvent::kFinished) break;
  }
  if (newest != nullptr) *last = *newest;
  return newest != nullptr;
}

}  // namespace attune
