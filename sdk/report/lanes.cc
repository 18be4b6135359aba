#include "report/lanes.h"

#include <algorithm>

#include "base/strings.h"
#include "report/wording.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

constexpr std::int32_t kNoon = 12 * 3600;

double SecondsAfterNoon(const LocalTime& time) {
  return SecondOfDay(time.unix_seconds, time.utc_offset_seconds - kNoon);
}

std::int64_t NightOfTime(const LocalTime& time) {
  return NightOf(time.unix_seconds, time.utc_offset_seconds);
}

class Builder {
 public:
  explicit Builder(const ReportInput& input) : input_(input) {
    out_.last = input.last;
    out_.first = std::max(input.first, input.last - (kMaxNights - 1));
    out_.jobs.assign(input.jobs.begin(), input.jobs.end());
    out_.totals.resize(out_.jobs.size());
  }

  Lanes Build() {
    if (out_.nights() <= 0) {
      out_.first = 0;
      out_.last = -1;
      return std::move(out_);
    }
    out_.lanes.resize(static_cast<std::size_t>(out_.nights()) * out_.jobs.size());
    auto summaries = Why(input_.records, input_.jobs, out_.first, out_.last);
    const std::size_t count = std::min(summaries.size(), out_.lanes.size());
    for (std::size_t i = 0; i < count; ++i) out_.lanes[i].summary = std::move(summaries[i]);
    for (std::size_t job = 0; job < out_.jobs.size(); ++job) {
      for (const ReportedSitting& sitting : SittingsOf(input_.records, out_.jobs[job])) {
        AddSitting(job, sitting);
      }
      for (const LedgerRecord& record : input_.records) {
        if (record.job == out_.jobs[job]) AddRecord(job, record);
      }
      CountNights(job);
    }
    return std::move(out_);
  }

 private:
  Lane* At(const LocalTime& time, std::size_t job) {
    const std::int64_t night = NightOfTime(time);
    if (night < out_.first || night > out_.last) return nullptr;
    return &out_.lanes[static_cast<std::size_t>(night - out_.first) * out_.jobs.size() + job];
  }

  void AddSitting(std::size_t job, const ReportedSitting& sitting) {
    AddBars(job, sitting);
    if (Lane* lane = At(sitting.end, job); lane != nullptr) {
      const bool tells =
          sitting.how != LedgerEvent::kFinished && sitting.how != LedgerEvent::kSaved;
      if (tells) lane->marks.push_back({SecondsAfterNoon(sitting.end), sitting.how});
    }
    if (At(sitting.begin, job) == nullptr) return;
    JobTotals& totals = out_.totals[job];
    ++totals.sittings;
    totals.kills += sitting.how == LedgerEvent::kKilled;
    totals.pauses += sitting.how == LedgerEvent::kPaused || sitting.how == LedgerEvent::kExpired;
    totals.failures += sitting.how == LedgerEvent::kFailed || sitting.how == LedgerEvent::kRefused;
    totals.finished += sitting.how == LedgerEvent::kFinished;
    totals.steps += sitting.steps_here;
    totals.used.wall_seconds += sitting.used.wall_seconds;
    totals.used.cpu_seconds += sitting.used.cpu_seconds;
    totals.used.energy_joules += sitting.used.energy_joules;
  }

  // One bar a night: a sitting may go on past noon. One whose clock was set in the
  // meantime gets no more than it took.
  void AddBars(std::size_t job, const ReportedSitting& sitting) {
    const double begin = SecondsAfterNoon(sitting.begin);
    const std::int64_t night = NightOfTime(sitting.begin);
    const std::int64_t nights = NightOfTime(sitting.end) - night;
    const double took = std::max(sitting.used.wall_seconds, 0.0);
    double length = static_cast<double>(sitting.end.local() - sitting.begin.local());
    if (nights < 0 || nights > 1 || length > 2 * took + 3600) length = took;
    length = std::clamp(length, 0.0, kLaneSeconds);
    if (Lane* lane = At(sitting.begin, job); lane != nullptr) {
      lane->bars.push_back({begin, std::min(begin + length, kLaneSeconds)});
    }
    const double rest = begin + length - kLaneSeconds;
    if (rest > 0 && night + 1 >= out_.first && night + 1 <= out_.last) {
      out_.lanes[static_cast<std::size_t>(night + 1 - out_.first) * out_.jobs.size() + job]
          .bars.push_back({0, rest});
    }
  }

  void AddRecord(std::size_t job, const LedgerRecord& record) {
    const LocalTime when{record.when, record.utc_offset_seconds};
    Lane* lane = At(when, job);
    if (lane == nullptr) return;
    JobTotals& totals = out_.totals[job];
    switch (record.event) {
      case LedgerEvent::kSkipped:
        lane->skipped = record.reason;
        return;
      case LedgerEvent::kPromoted:
        ++totals.promoted;
        break;
      case LedgerEvent::kKept:
        ++totals.kept;
        break;
      case LedgerEvent::kRejected:
        ++totals.rejected;
        break;
      case LedgerEvent::kRolledBack:
        break;
      default:
        return;
    }
    lane->marks.push_back({SecondsAfterNoon(when), record.event});
  }

  void CountNights(std::size_t job) {
    for (std::int64_t night = out_.first; night <= out_.last; ++night) {
      const NightSummary& summary = out_.At(night, job).summary;
      out_.totals[job].nights_trained += summary.ran;
      out_.totals[job].nights_unexplained += !summary.ran && !summary.explained;
    }
  }

  const ReportInput& input_;
  Lanes out_;
};

}  // namespace

JobTotals Lanes::Sum() const {
  JobTotals sum;
  for (const JobTotals& job : totals) {
    sum.nights_unexplained += job.nights_unexplained;
    sum.sittings += job.sittings;
    sum.kills += job.kills;
    sum.pauses += job.pauses;
    sum.failures += job.failures;
    sum.steps += job.steps;
    sum.finished += job.finished;
    sum.promoted += job.promoted;
    sum.kept += job.kept;
    sum.rejected += job.rejected;
    sum.used.wall_seconds += job.used.wall_seconds;
    sum.used.cpu_seconds += job.used.cpu_seconds;
    sum.used.energy_joules += job.used.energy_joules;
  }
  for (std::int64_t night = first; night <= last; ++night) {
    bool any = false;
    for (std::size_t job = 0; job < jobs.size(); ++job) any = any || At(night, job).summary.ran;
    sum.nights_trained += any;
  }
  return sum;
}

Lanes LanesOf(const ReportInput& input) { return Builder(input).Build(); }

std::string SpanText(const Lanes& lanes) {
  if (lanes.nights() <= 0) return "no nights";
  if (lanes.nights() == 1) {
    return StrCat("the night of ", NightName(lanes.first), " ", DateOf(lanes.first).year);
  }
  return StrCat(lanes.nights(), " nights, ", DateText(lanes.first), " to ", DateText(lanes.last));
}

}  // namespace attune
