// Invented users. The numbers are guesses at habits, not measurements; what matters
// is that each kind of trouble a device can give comes up in each year.

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/philox.h"
#include "schedule/civil_time.h"
#include "simulation/trace.h"

namespace attune {
namespace {

constexpr double kMinute = 60, kHour = 3600, kDay = 86400;
// 2025-01-01 12:00 in Berlin.
constexpr std::int64_t kBegin = 1735729200;
constexpr std::int32_t kWinter = 3600, kSummer = 7200;

struct Habits {
  // Hours after noon, and how far they stray.
  double bed = 10.5, bed_strays = 0.75;
  double wake = 19, wake_strays = 0.5;
  double charges = 0.97;        // Nights on a charger, of all.
  double charging_hours = 24;   // At most; then it is taken off.
  double idle_nights = 1;       // Nights without use, of all.
  double saver_days = 0.02;     // Days in low-power mode.
  double wakes_at_night = 0.2;  // Nights in which it is picked up.
  double evening_level = 0.35;  // Of the battery.
};

Habits HabitsOf(UserKind kind, int day) {
  switch (kind) {
    case UserKind::kEveryNight:
      break;
    case UserKind::kErratic:
      return {.bed = 10.5,
              .bed_strays = 2.5,
              .wake = 19,
              .wake_strays = 2,
              .charges = 0.55,
              .charging_hours = 6,
              .idle_nights = 0.8,
              .saver_days = 0.15,
              .wakes_at_night = 0.4,
              .evening_level = 0.25};
    case UserKind::kNeverIdle:
      return {.bed = 12,
              .wake = 18,
              .charges = 0.98,
              .idle_nights = 0.04,
              .wakes_at_night = 1,
              .evening_level = 0.5};
    case UserKind::kPowerSaver:
      return {.charges = 0.7, .charging_hours = 2.5, .saver_days = 0.75, .evening_level = 0.2};
    case UserKind::kShiftWorker:
      // A week each of early, late and night shifts.
      switch (day / 7 % 3) {
        case 0:
          return {.bed = 8.5, .wake = 16.5, .charges = 0.9};
        case 1:
          return {.bed = 13.5, .wake = 21.5, .charges = 0.9};
        default:
          return {.bed = 20.5, .wake = 27, .charges = 0.9, .evening_level = 0.25};
      }
  }
  return {};
}

enum class Fact { kPower, kBattery, kSaver, kHeat, kPressure, kIdle, kUnlocked, kMemory, kDisk };

// A change that is not yet in its place among the others.
struct Change {
  TracePoint point;
  Fact fact = Fact::kPower;
  double value = 0;
};

void Apply(Fact fact, double value, DeviceFacts* facts) {
  const bool on = value > 0;
  switch (fact) {
    case Fact::kPower:
      facts->power = on ? PowerSource::kExternal : PowerSource::kBattery;
      return;
    case Fact::kBattery:
      facts->battery = std::round(std::clamp(value, 0.01, 1.0) * 100) / 100;
      return;
    case Fact::kSaver:
      facts->low_power_mode = on;
      return;
    case Fact::kHeat:
      facts->thermal = static_cast<ThermalState>(value);
      return;
    case Fact::kPressure:
      facts->memory_pressure = static_cast<MemoryPressure>(value);
      return;
    case Fact::kIdle:
      facts->user_idle = on;
      facts->foreground = false;
      return;
    case Fact::kUnlocked:
      facts->protected_data = on;
      return;
    case Fact::kMemory:
      facts->memory_available = static_cast<std::int64_t>(value) << 20;
      return;
    case Fact::kDisk:
      facts->disk_free = static_cast<std::int64_t>(value) << 20;
      return;
  }
}

class Maker {
 public:
  Maker(UserKind kind, int days, std::uint64_t seed)
      : kind_(kind), days_(days), random_(seed, 1 + static_cast<std::uint64_t>(kind)) {}

  Trace Make() {
    Set(0, Fact::kPower, 0);
    Set(0, Fact::kBattery, 0.8);
    Set(0, Fact::kIdle, 1);
    Set(0, Fact::kMemory, 1500);
    Set(0, Fact::kDisk, 20 * 1024);
    for (int day = 0; day < days_; ++day) AddDay(day);
    AddSummerTime();
    return Assembled();
  }

 private:
  double Uniform(double low, double high) {
    return low + (high - low) * static_cast<double>(random_.NextFloat());
  }
  bool Chance(double probability) { return static_cast<double>(random_.NextFloat()) < probability; }
  double Around(double mean, double strays) {
    return mean + strays * std::clamp(static_cast<double>(random_.NextNormal()), -2.0, 2.0);
  }

  void Set(double at, Fact fact, double value) {
    Change change;
    change.point.at = at;
    change.fact = fact;
    change.value = value;
    changes_.push_back(change);
  }
  void Add(double at, TraceEvent event, double seconds, std::int64_t count = 0) {
    Change change;
    change.point.at = at;
    change.point.event = event;
    change.point.seconds = std::llround(seconds);
    change.point.count = count;
    changes_.push_back(change);
  }
  void For(double at, double seconds, Fact fact, double value, double then) {
    Set(at, fact, value);
    Set(at + seconds, fact, then);
  }

  void AddDay(int day) {
    const Habits habits = HabitsOf(kind_, day);
    const double noon = day * kDay;
    const double bed = noon + Around(habits.bed, habits.bed_strays) * kHour;
    const double wake =
        std::max(bed + 3 * kHour, noon + Around(habits.wake, habits.wake_strays) * kHour);
    AddUse(noon, bed);
    AddUse(wake, noon + kDay);
    AddCharging(habits, noon, bed, wake);
    AddSleep(habits, bed, wake);
    Set(noon, Fact::kSaver, Chance(habits.saver_days) ? 1 : 0);
    for (const double hour : {1.0, 5.0, 9.0, 20.0}) {
      Add(noon + Around(hour, 0.3) * kHour, TraceEvent::kExamples, 0,
          static_cast<std::int64_t>(Uniform(0, 14)));
    }
    AddTrouble(day, noon, bed, wake);
  }

  // Waking hours: it lies there, is taken up, is laid down.
  void AddUse(double from, double to) {
    for (double at = from + Uniform(0, kHour); at < to; at += Uniform(0.3, 2) * kHour) {
      const double use = Uniform(5, 40) * kMinute;
      For(at, std::min(use, to - at), Fact::kIdle, 0, 1);
      at += use;
    }
  }

  void AddCharging(const Habits& habits, double noon, double bed, double wake) {
    const double evening = std::clamp(Around(habits.evening_level, 0.12), 0.05, 0.9);
    Set(noon + 3 * kHour, Fact::kBattery, (evening + 0.7) / 2);
    Set(bed - 10 * kMinute, Fact::kBattery, evening);
    if (!Chance(habits.charges)) {
      Set(wake, Fact::kBattery, evening - 0.05);
      // Somewhere in the day, for a while.
      const double plugged = wake + Uniform(0.2, 2) * kHour;
      For(plugged, Uniform(0.5, 1.5) * kHour, Fact::kPower, 1, 0);
      Set(plugged + 30 * kMinute, Fact::kBattery, evening + 0.3);
      return;
    }
    const double plugged = bed - Uniform(0, 20) * kMinute;
    const double taken_off =
        std::min(wake + Uniform(0, 20) * kMinute, plugged + habits.charging_hours * kHour);
    For(plugged, taken_off - plugged, Fact::kPower, 1, 0);
    for (double at = plugged + kHour / 2, level = evening; at < taken_off && level < 1;
         at += kHour / 2) {
      level = std::min(1.0, level + 0.2);
      Set(at, Fact::kBattery, level);
    }
    if (Chance(0.2))
      For(plugged + Uniform(0.2, 1) * kHour, Uniform(10, 60) * kMinute, Fact::kHeat, 1, 0);
    if (Chance(0.06))
      For(plugged + Uniform(1.2, 3) * kHour, Uniform(5, 30) * kMinute, Fact::kHeat, 2, 0);
  }

  void AddSleep(const Habits& habits, double bed, double wake) {
    if (!Chance(habits.idle_nights)) {
      // A screen that is looked at all night, with pauses too short to train in.
      for (double at = bed; at < wake; at += 22 * kMinute) {
        For(at, Uniform(20.5, 21.9) * kMinute, Fact::kIdle, 0, 1);
      }
      return;
    }
    if (Chance(habits.wakes_at_night)) {
      For(Uniform(bed + 0.2 * kHour, wake - 0.5 * kHour), Uniform(1, 12) * kMinute, Fact::kIdle, 0,
          1);
    }
  }

  void AddTrouble(int day, double noon, double bed, double wake) {
    // What ends processes does so mostly at night, when this one is at work.
    if (Chance(0.3)) Add(bed + Uniform(0, 3) * kHour, TraceEvent::kKill, 0);
    if (Chance(0.04)) {
      for (double at = bed; at < bed + 3 * kHour; at += Uniform(1, 9) * kMinute) {
        Add(at, TraceEvent::kKill, 0);
      }
    }
    if (Chance(0.05)) {
      const double at = Chance(0.5) ? Uniform(bed, wake) : Uniform(noon, bed);
      Add(at, TraceEvent::kReboot, Uniform(40, 600));
      // Until its user types the passcode.
      For(at, (at > bed ? wake - at : Uniform(1, 30) * kMinute), Fact::kUnlocked, 0, 1);
    }
    if (Chance(0.15)) {
      For(Uniform(noon, noon + kDay), Uniform(2, 40) * kMinute, Fact::kPressure,
          Chance(0.3) ? 2 : 1, 0);
    }
    if (Chance(0.1)) For(Uniform(bed, wake), Uniform(10, 180) * kMinute, Fact::kMemory, 150, 1500);
    if (day % 170 == 60) For(noon, 4 * kDay + 3 * kHour, Fact::kDisk, 90, 12 * 1024);
    AddClockTrouble(day, bed);
  }

  // A clock that is a little off and corrected; one that a dead battery sets back by
  // years, until the network says better; one that somebody sets ahead by mistake.
  void AddClockTrouble(int day, double bed) {
    const double at = bed + Uniform(-2, 4) * kHour;
    if (Chance(0.02)) Add(at, TraceEvent::kClockJump, Uniform(-900, 900));
    double wrong = 0;
    if (day % 120 == 40) wrong = -std::round(Uniform(300, 4000) * 86400);
    if (day % 120 == 90) wrong = std::round(Uniform(1, 30) * 3600);
    if (wrong == 0) return;
    Add(at, TraceEvent::kClockJump, wrong);
    Add(at + Uniform(0.5, 20) * kHour, TraceEvent::kClockJump, -wrong);
  }

  void AddSummerTime() {
    const std::int64_t first = LocalDay(kBegin, kWinter);
    for (std::int64_t day = first; day <= first + days_; ++day) {
      const CivilDate date = DateOf(day);
      const bool last_sunday = WeekdayOf(day) == 6 && date.day >= 25;
      if (!last_sunday || (date.month != 3 && date.month != 10)) continue;
      // At 01:00 UTC.
      const double at = static_cast<double>(MidnightOf(day, 0) + 3600 - kBegin);
      Add(at, TraceEvent::kZone, date.month == 3 ? kSummer : kWinter);
    }
  }

  Trace Assembled() {
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const Change& a, const Change& b) { return a.point.at < b.point.at; });
    Trace trace;
    trace.begin = kBegin;
    trace.utc_offset_seconds = kWinter;
    trace.seconds = days_ * kDay;
    DeviceFacts facts;
    for (Change& change : changes_) {
      TracePoint& point = change.point;
      point.at = std::round(point.at * 1000) / 1000;
      if (point.at < 0 || point.at > trace.seconds) continue;
      if (point.event == TraceEvent::kFacts) {
        const DeviceFacts before = facts;
        Apply(change.fact, change.value, &facts);
        if (facts == before) continue;
      }
      point.facts = facts;
      trace.points.push_back(point);
    }
    return trace;
  }

  UserKind kind_;
  int days_;
  Philox random_;
  std::vector<Change> changes_;
};

}  // namespace

Trace MakeTrace(UserKind kind, int days, std::uint64_t seed) {
  return Maker(kind, days, seed).Make();
}

}  // namespace attune
