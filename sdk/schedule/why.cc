#include "schedule/why.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <utility>

#include "schedule/civil_time.h"
#include "schedule/night_sentence.h"

namespace attune {
namespace {

constexpr std::int32_t kNoon = 12 * 3600;

// Counts a reason; the one counted last stands after its equals.
void Count(Reason reason, std::vector<ReasonCount>* counts) {
  const auto same = std::find_if(counts->begin(), counts->end(),
                                 [&](const ReasonCount& c) { return c.reason == reason; });
  ReasonCount counted{reason, 1};
  if (same != counts->end()) {
    counted.count += same->count;
    counts->erase(same);
  }
  counts->push_back(counted);
}

// One job's nights. A sitting's figures count from its beginning, so what a record
// adds is what they have grown by since the one before it.
class JobFold {
 public:
  JobFold(std::int64_t first, std::vector<NightOfJob> nights)
      : first_(first), nights_(std::move(nights)) {}

  void Add(const LedgerRecord& record) {
    const std::int64_t index = NightOf(record.when, record.utc_offset_seconds) - first_;
    NightOfJob& night = At(index);
    night.on_record = true;
    night.next = record.next_attempt > 0 ? &record : nullptr;
    switch (record.event) {
      case LedgerEvent::kScheduled:
        night.scheduled = &record;
        return;
      case LedgerEvent::kSkipped:
        night.skip = &record;
        return Count(record.reason, &night.skips);
      case LedgerEvent::kRolledBack:
        night.rollback = &record;
        return;
      case LedgerEvent::kStarted:
      case LedgerEvent::kResumed:
        return Begin(record, index);
      case LedgerEvent::kKilled:
        return Kill(record);
      default:
        return GoOn(record, index);
    }
  }

  std::vector<NightOfJob> Take() {
    if (sitting_.open) At(sitting_.night).open = true;
    for (NightOfJob& night : nights_) {
      std::stable_sort(night.skips.begin(), night.skips.end(),
                       [](const auto& a, const auto& b) { return a.count < b.count; });
    }
    return std::move(nights_);
  }

 private:
  struct Sitting {
    bool open = false;
    std::int64_t night = 0;  // Of its last record.
    std::int64_t step = 0, steps_here = 0;
    double wall_seconds = 0;
  };

  // What lies before the first night or after the last is counted and dropped.
  NightOfJob& At(std::int64_t index) {
    if (index < 0 || index >= static_cast<std::int64_t>(nights_.size())) return elsewhere_;
    return nights_[static_cast<std::size_t>(index)];
  }

  void Grow(const LedgerRecord& record, std::int64_t index) {
    NightOfJob& night = At(index);
    const std::int64_t steps = std::max(record.steps_here, sitting_.steps_here);
    const double wall = std::max(record.used.wall_seconds, sitting_.wall_seconds);
    night.steps_done += steps - sitting_.steps_here;
    night.wall_seconds += wall - sitting_.wall_seconds;
    sitting_.steps_here = steps;
    sitting_.wall_seconds = wall;
    if (record.steps <= 0) return;
    night.step = record.step;
    night.steps = record.steps;
  }

  void Begin(const LedgerRecord& record, std::int64_t index) {
    // A sitting that never ended: killed, and nobody said so.
    if (sitting_.open) Killed();
    if (killed_) AfterKillBy(record);
    NightOfJob& night = At(index);
    ++night.sittings;
    if (record.event == LedgerEvent::kStarted || night.runs == 0) ++night.runs;
    sitting_ = {true, index, record.step, 0, 0};
    Grow(record, index);
  }

  // A kill belongs to the night in which the sitting last gave a sign of life, not to
  // that in which it was found.
  void Kill(const LedgerRecord& record) {
    if (!sitting_.open) {  // Its beginning is too old to be kept.
      sitting_ = {true, NightOf(record.when, record.utc_offset_seconds) - first_, record.step, 0,
                  0};
    }
    sitting_.step = std::max(sitting_.step, record.step);
    Grow(record, sitting_.night);
    Killed();
  }
  void Killed() {
    NightOfJob& night = At(sitting_.night);
    ++night.kills;
    if (night.after_kill == AfterKill::kLostNothingSaved) night.after_kill = AfterKill::kUnknown;
    killed_ = sitting_.night;
    sitting_.open = false;
  }
  void AfterKillBy(const LedgerRecord& begin) {
    NightOfJob& night = At(*std::exchange(killed_, std::nullopt));
    if (begin.event == LedgerEvent::kStarted) {
      night.after_kill = AfterKill::kBeganAnew;
    } else if (begin.step < sitting_.step) {
      night.after_kill = AfterKill::kWentBack;
      night.back_to_step = begin.step;
    } else if (night.after_kill == AfterKill::kUnknown) {
      night.after_kill = AfterKill::kLostNothingSaved;
    }
  }

  void GoOn(const LedgerRecord& record, std::int64_t index) {
    NightOfJob& night = At(index);
    sitting_.night = index;
    sitting_.step = std::max(sitting_.step, record.step);
    Grow(record, index);
    if (record.event == LedgerEvent::kSaved) {
      sitting_.open = true;
      return;
    }
    if (record.event == LedgerEvent::kFinished) {
      night.finished = true;
      return;
    }
    sitting_.open = false;
    switch (record.event) {
      case LedgerEvent::kPaused:
        return Count(record.reason, &night.pauses);
      case LedgerEvent::kExpired:
        ++night.expiries;
        return;
      case LedgerEvent::kFailed:
        ++night.failures;
        night.failure = &record;
        return;
      case LedgerEvent::kRefused:
        night.refusal = &record;
        return;
      default:
        night.verdict = &record;
    }
  }

  std::int64_t first_;
  std::vector<NightOfJob> nights_;
  NightOfJob elsewhere_;
  Sitting sitting_;
  std::optional<std::int64_t> killed_;  // The night of a kill after which nothing has begun yet.
};

}  // namespace

std::int64_t NightOf(std::int64_t unix_seconds, std::int32_t utc_offset_seconds) {
  constexpr auto kDay = static_cast<std::int32_t>(kSecondsPerDay);
  return LocalDay(unix_seconds, std::clamp(utc_offset_seconds, -kDay, kDay) - kNoon);
}

std::string NightName(std::int64_t night) {
  static constexpr std::array kDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const CivilDate date = DateOf(night);
  char text[24];
  std::snprintf(text, sizeof text, "%s %d %s", kDays[static_cast<std::size_t>(WeekdayOf(night))],
                date.day, kMonths[static_cast<std::size_t>(date.month - 1)]);
  return text;
}

std::vector<NightSummary> Why(std::span<const LedgerRecord> records,
                              std::span<const std::string> jobs, std::int64_t first,
                              std::int64_t last) {
  if (last < first) return {};
  std::vector<NightOfJob> blank(static_cast<std::size_t>(last - first) + 1);
  for (const LedgerRecord& record : records) {
    const std::int64_t index = NightOf(record.when, record.utc_offset_seconds) - first;
    if (index >= 0 && index <= last - first) blank[static_cast<std::size_t>(index)].awake = true;
  }
  std::vector<std::vector<NightOfJob>> told;
  for (const std::string& job : jobs) {
    JobFold fold(first, blank);
    for (const LedgerRecord& record : records) {
      if (record.job == job) fold.Add(record);
    }
    told.push_back(fold.Take());
  }
  std::vector<NightSummary> summaries;
  for (std::size_t night = 0; night < blank.size(); ++night) {
    for (std::size_t job = 0; job < jobs.size(); ++job) {
      const NightOfJob& of = told[job][night];
      summaries.push_back({.night = first + static_cast<std::int64_t>(night),
                           .job = jobs[job],
                           .sentence = NightSentence(of),
                           .ran = of.steps_done > 0,
                           .explained = of.on_record});
    }
  }
  return summaries;
}

}  // namespace attune
