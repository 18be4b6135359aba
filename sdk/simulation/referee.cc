#include "simulation/referee.h"

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "schedule/civil_time.h"
#include "schedule/policy.h"
#include "schedule/why.h"

namespace attune {
namespace {

constexpr double kHold = -1;
constexpr double kLongAgo = 1e9;
constexpr double kHour = 3600;
constexpr std::size_t kMaxTold = 20;

bool InWindow(const TimeWindow& window, std::int64_t local_minute_of_epoch) {
  constexpr std::int64_t kMinutesADay = 24 * 60;
  // One that began today, or yesterday and goes on past midnight.
  for (const std::int64_t days_ago : {0, 1}) {
    const std::int64_t shifted = local_minute_of_epoch - days_ago * kMinutesADay;
    const std::int64_t day =
        static_cast<std::int64_t>(std::floor(static_cast<double>(shifted) / kMinutesADay));
    const std::int64_t minute = local_minute_of_epoch - day * kMinutesADay;
    const std::int64_t end = window.end_minute > window.begin_minute
                                 ? window.end_minute
                                 : window.end_minute + kMinutesADay;
    const bool on_weekday = (window.weekdays >> WeekdayOf(day) & 1) != 0;
    if (on_weekday && minute >= window.begin_minute && minute < end) return true;
  }
  return false;
}

// What a job that trains may go on under: the header of the policy says by how much
// it is more lenient than for one that would begin.
bool ConditionsHold(const JobPolicy& policy, const DeviceFacts& facts, std::int64_t local_seconds) {
  const Conditions& want = policy.conditions;
  if (want.external_power && facts.power != PowerSource::kExternal) return false;
  if (facts.battery >= 0 && facts.battery < want.min_battery - kBatterySlack - 1e-9) return false;
  if (!want.allow_low_power_mode && facts.low_power_mode) return false;
  if (want.user_idle && !facts.user_idle) return false;
  if (!want.allow_foreground && facts.foreground) return false;
  if (facts.disk_free >= 0 && facts.disk_free < want.min_disk_free / 2) return false;
  if (facts.thermal > ThermalState::kFair) return false;
  if (facts.memory_pressure > MemoryPressure::kWarning) return false;
  if (!facts.protected_data || !(facts.cpu_usable || facts.ane_usable)) return false;
  if (policy.windows.empty()) return true;
  const auto minute =
      static_cast<std::int64_t>(std::floor(static_cast<double>(local_seconds) / 60.0));
  return std::any_of(policy.windows.begin(), policy.windows.end(),
                     [minute](const TimeWindow& window) { return InWindow(window, minute); });
}

}  // namespace

Referee::Referee(const VirtualDevice& device, const std::vector<SimulatedJob>& jobs,
                 const SittingOptions& options)
    : device_(device), jobs_(jobs), options_(options), states_(jobs.size()) {}

void Referee::Happened(const TracePoint& point) {
  if (point.event == TraceEvent::kClockJump) {
    clock_was_set_ = true;
    if (point.seconds > 0) jumps_ahead_.push_back(point.at);
  }
  for (std::size_t job = 0; job < jobs_.size(); ++job) Observe(job, true);
}

// Facts break conditions at a change of facts, which is told. Time breaks them at the
// full minute at which a window closes, and nobody tells: it lies between the latest
// observation and this one.
void Referee::Observe(std::size_t job, bool at_change) {
  Job& state = states_[job];
  const double now = device_.now();
  const std::int64_t local = device_.unix_seconds() + device_.utc_offset_seconds();
  if (ConditionsHold(jobs_[job].policy, device_.facts(), local)) {
    state.broken_since = kHold;
  } else if (state.broken_since == kHold) {
    const double into_minute =
        static_cast<double>(((local % 60) + 60) % 60) + now - std::floor(now);
    state.broken_since = at_change ? now : std::max(state.observed, now - into_minute);
  }
  state.observed = now;
}

void Referee::ProcessStarted() {
  ++counts_.wakeups;
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    // Whatever does not hold has been known since before it began.
    states_[job].broken_since = kHold;
    Observe(job, true);
    if (states_[job].broken_since != kHold) states_[job].broken_since = -kLongAgo;
  }
}

void Referee::ProcessEnded(bool alive) {
  if (!alive) ++counts_.kills;
  bool at_work = false;
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    Job& state = states_[job];
    at_work = at_work || (!alive && state.open);
    if (!alive && state.open) {
      counts_.worst_loss_seconds = std::max(counts_.worst_loss_seconds, state.unsaved_seconds);
      if (state.unsaved_seconds >
          options_.max_loss_seconds + state.longest_step + state.longest_save) {
        Violated(&Simulated::loss_violations, job,
                 StrCat("a kill cost ", state.unsaved_seconds, " s of training"));
      }
    }
    state.open = false;
    state.unsaved_seconds = 0;
  }
  if (at_work) ++counts_.kills_at_work;
}

void Referee::Opened(std::size_t job, std::uint64_t run, std::int64_t step) {
  Job& state = states_[job];
  if (run != state.run) {
    state.run = run;
    state.furthest = state.promised = 0;
  } else if (step < state.promised) {
    Violated(&Simulated::saved_steps_lost, job,
             StrCat("step ", state.promised, " was said to be saved, opened at ", step),
             state.promised - step);
  }
  state.open = true;
  state.unsaved_seconds = 0;
}

void Referee::StepBegins(std::size_t job) {
  Observe(job, false);
  const double since = states_[job].broken_since;
  constexpr double kRounding = 1e-6;
  if (since == kHold || device_.now() - since <= options_.facts_seconds + kRounding) return;
  Violated(&Simulated::condition_violations, job,
           since < 0 ? std::string("a step though conditions never held")
                     : StrCat("a step ", device_.now() - since, " s after a condition broke"));
}

void Referee::StepEnded(std::size_t job, std::int64_t step, double seconds) {
  Job& state = states_[job];
  ++counts_.steps_done;
  if (step <= state.furthest) ++counts_.steps_repeated;
  state.furthest = std::max(state.furthest, step);
  state.unsaved_seconds += seconds;
  state.longest_step = std::max(state.longest_step, seconds);
}

void Referee::SaveAcknowledged(std::size_t job, std::int64_t step, double seconds) {
  Job& state = states_[job];
  state.promised = std::max(state.promised, step);
  state.unsaved_seconds = 0;
  state.longest_save = std::max(state.longest_save, seconds);
}

void Referee::Concluded(std::size_t job) {
  ++counts_.runs;
  states_[job].promised = 0;
}

void Referee::Closed(std::size_t job) {
  states_[job].open = false;
  states_[job].unsaved_seconds = 0;
}

void Referee::Used(std::size_t job, double seconds) {
  Job& state = states_[job];
  const std::int64_t now = device_.unix_seconds();
  const std::int32_t offset = device_.utc_offset_seconds();
  const std::pair key{state.run, NightOf(now, offset)};
  if (clock_was_set_) {
    state.by_hour[static_cast<std::int64_t>(device_.now() / kHour)] += seconds;
    state.later_by_run[key] += seconds;
  } else {
    state.by_day[LocalDay(now, offset)] += seconds;
    state.by_run_and_night[key] += seconds;
  }
  counts_.trained_seconds += seconds;
}

void Referee::Recorded(const LedgerRecord& record) {
  const bool says_saved = record.event == LedgerEvent::kSaved ||
                          record.event == LedgerEvent::kPaused ||
                          record.event == LedgerEvent::kExpired;
  if (!says_saved) return;
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    Job& state = states_[job];
    if (jobs_[job].policy.name != record.job || record.run != state.run) continue;
    state.promised = std::max(state.promised, record.step);
  }
}

void Referee::Violated(std::int64_t Simulated::*counter, std::size_t job, const std::string& what,
                       std::int64_t count) {
  counts_.*counter += count;
  if (counts_.violations.size() >= kMaxTold) return;
  const auto day = static_cast<std::int64_t>(device_.now() / kSecondsPerDay);
  counts_.violations.push_back(StrCat("day ", day, ", ", jobs_[job].policy.name, ": ", what));
}

void Referee::CheckBudget(std::size_t job, const Budget& limit, double times, double used,
                          const std::string& of) {
  const SimulatedJob& costs = jobs_[job];
  const double room = states_[job].longest_step + states_[job].longest_save;
  const auto check = [&](double rate, double bound, const char* unit) {
    if (bound <= 0 || used * rate <= times * bound + room * rate) return;
    Violated(&Simulated::budget_violations, job,
             StrCat(used * rate, " ", unit, " used of ", times, " times ", bound, of));
  };
  check(1, limit.wall_seconds, "s");
  check(costs.processors, limit.cpu_seconds, "CPU s");
  check(costs.processors * options_.watts, limit.energy_joules, "J");
}

// Wherever days begin, so many hold parts of one more. A jump ahead is worth two days'
// budgets: law 9 of docs/internals/scheduler.md.
void Referee::CheckHours(std::size_t job, int days) {
  const auto& by_hour = states_[job].by_hour;
  auto end = by_hour.begin();
  double used = 0;
  for (auto begin = by_hour.begin(); begin != by_hour.end(); ++begin) {
    const std::int64_t first = begin->first, last = first + std::int64_t{24} * days;
    for (; end != by_hour.end() && end->first < last; ++end) used += end->second;
    const auto jumps = std::count_if(jumps_ahead_.begin(), jumps_ahead_.end(), [&](double at) {
      return at >= (static_cast<double>(first) - 24) * kHour &&
             at < static_cast<double>(last) * kHour;
    });
    CheckBudget(job, jobs_[job].policy.per_day, static_cast<double>(days + 1 + 2 * jumps), used,
                StrCat(" in ", days, " days from hour ", first));
    used -= begin->second;
  }
}

Simulated Referee::Finish() && {
  for (std::size_t job = 0; job < jobs_.size(); ++job) {
    const JobPolicy& policy = jobs_[job].policy;
    for (const auto& [day, used] : states_[job].by_day) {
      const CivilDate date = DateOf(day);
      CheckBudget(job, policy.per_day, 1, used,
                  StrCat(" on ", date.year, "-", date.month, "-", date.day));
    }
    for (const auto& [key, used] : states_[job].by_run_and_night) {
      CheckBudget(job, policy.per_run, 1, used, StrCat(" by run ", key.first));
    }
    for (const auto& [key, used] : states_[job].later_by_run) {
      CheckBudget(job, policy.per_run, 2, used, StrCat(" by run ", key.first));
    }
    CheckHours(job, 1);
    CheckHours(job, 7);
  }
  return std::move(counts_);
}

}  // namespace attune
