// A job of a random world, and what is drawn at random.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "base/philox.h"
#include "schedule/history.h"
#include "schedule/policy.h"

namespace attune::policy_world {

struct WorldJob {
  explicit WorldJob(std::string name) : ledger(name) { policy.name = std::move(name); }

  JobPolicy policy;
  JobLedger ledger;
  std::int64_t new_examples = 0, memory = 0;
  double cpu_share = 1, watts = 4, run_seconds = 0;

  bool running = false, unfinished = false;
  double done = 0, saved = 0;  // Seconds of the run.
  Budget here;
  double started_at = 0;  // `done` when the sitting began.
  Verdict verdict;

  // The truth. Times are true seconds; -1: never.
  std::int64_t seen = -1, told = -1, started = -1, finished = -1, failed = -1;
  int run = 0, kills = 0, early_starts = 0;
  std::int64_t spent_day = -1;  // The runner said so.
  Budget total;
  std::map<std::int64_t, Budget> by_day;
  std::map<std::pair<int, std::int64_t>, Budget> by_run_and_night;

  bool fresh() const { return !running && !unfinished; }
  Budget rates() const { return {1, cpu_share, watts}; }
};

inline Budget Times(const Budget& a, double b) {
  return {a.wall_seconds * b, a.cpu_seconds * b, a.energy_joules * b};
}
inline void AddTo(Budget& sum, const Budget& more) {
  sum.wall_seconds += more.wall_seconds;
  sum.cpu_seconds += more.cpu_seconds;
  sum.energy_joules += more.energy_joules;
}
// Seconds at these rates until nothing is left of a budget.
inline double SecondsIn(const Budget& left, const Budget& rates) {
  double seconds = 1e9;
  if (left.wall_seconds > 0) seconds = std::min(seconds, left.wall_seconds / rates.wall_seconds);
  if (left.cpu_seconds > 0) seconds = std::min(seconds, left.cpu_seconds / rates.cpu_seconds);
  if (left.energy_joules > 0) {
    seconds = std::min(seconds, left.energy_joules / rates.energy_joules);
  }
  return seconds;
}

inline bool IsOver(const Budget& used, const Budget& limit, double slack) {
  return (limit.wall_seconds > 0 && used.wall_seconds > limit.wall_seconds + slack) ||
         (limit.cpu_seconds > 0 && used.cpu_seconds > limit.cpu_seconds + slack) ||
         (limit.energy_joules > 0 && used.energy_joules > limit.energy_joules + slack);
}

inline DeviceFacts GoodFacts() {
  DeviceFacts facts;
  facts.power = PowerSource::kExternal;
  facts.battery = 0.9;
  facts.memory_available = 1000;
  facts.disk_free = std::int64_t{1} << 40;
  return facts;
}

class Dice : public Philox {
 public:
  using Philox::Philox;

  bool Chance(double part) { return static_cast<double>(NextFloat()) < part; }
  std::uint32_t Below(std::uint32_t bound) { return NextBelow(bound); }

  WorldJob Job(std::uint32_t index) {
    WorldJob job("job" + std::to_string(index));
    JobPolicy& p = job.policy;
    p.enabled = Chance(0.95);
    for (std::uint32_t i = Chance(0.5) ? 0 : 1 + Below(2); i > 0; --i) {
      const int begins = static_cast<int>(30 * Below(48)), ends = static_cast<int>(30 * Below(49));
      const auto weekdays = Chance(0.7) ? 127 : 1 + Below(127);
      p.windows.push_back({begins, ends, static_cast<std::uint8_t>(weekdays)});
    }
    p.conditions = {Chance(0.7), OneOf({0.0, 0.2, 0.5}), Chance(0.4), Chance(0.7), Chance(0.5)};
    p.min_interval_seconds = OneOf({0.0, 3600.0, 43200.0, 108000.0});
    p.min_new_examples = OneOf({0, 5, 20});
    if (index > 0 && Chance(0.15)) p.after = {"job" + std::to_string(Below(index))};
    p.deadline_seconds = Chance(0.7) ? 0 : OneOf({86400.0, 259200.0});
    p.per_run = {Limit(600), Limit(300), Limit(900)};
    p.per_day = {Limit(600), Limit(300), Limit(900)};
    p.weight = OneOf({0.5, 1.0, 2.0});
    p.priority = Chance(0.8) ? 0 : 1;
    p.backoff = {60 + 540.0 * NextFloat(), 2, OneOf({7200.0, 86400.0}), 0.2};
    job.memory = OneOf({0, 300, 700});
    job.cpu_share = 0.2 + 0.8 * NextFloat();
    job.watts = 1 + 3 * NextFloat();
    job.run_seconds = 100 + 1400 * NextFloat();
    return job;
  }

  DeviceFacts Facts() {
    DeviceFacts facts;
    facts.power = Chance(0.8) ? PowerSource::kExternal : static_cast<PowerSource>(Below(3));
    facts.battery = Chance(0.1) ? -1 : static_cast<double>(NextFloat());
    facts.low_power_mode = Chance(0.1);
    facts.thermal = Chance(0.8) ? ThermalState::kNominal : static_cast<ThermalState>(Below(4));
    facts.memory_pressure = static_cast<MemoryPressure>(Chance(0.8) ? 0 : Below(3));
    facts.user_idle = Chance(0.8);
    facts.foreground = Chance(0.1);
    facts.protected_data = Chance(0.95);
    facts.memory_available = Chance(0.2) ? -1 : 200 + Below(1000);
    facts.disk_free = Chance(0.9) ? std::int64_t{1} << 40 : std::int64_t{Below(1 << 29)};
    facts.cpu_usable = Chance(0.95);
    facts.ane_usable = Chance(0.2);
    return facts;
  }

 private:
  template <typename T, std::size_t kCount>
  T OneOf(const T (&values)[kCount]) {
    return values[Below(kCount)];
  }
  double Limit(double least) { return Chance(0.6) ? 0 : least * (1 + 4 * NextFloat()); }
};

}  // namespace attune::policy_world
