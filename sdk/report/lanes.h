// What a picture of nights is drawn from: a lane a night and job, with what happened
// in it as seconds after noon.
//
// Threads: values and pure functions.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/report.h"
#include "report/reported_sitting.h"

namespace attune {

inline constexpr double kLaneSeconds = 86400;
// More nights than these are not drawn: the latest are.
inline constexpr std::int64_t kMaxNights = 4000;

struct LaneBar {
  double from = 0, to = 0;
};
struct LaneMark {
  double at = 0;
  LedgerEvent event = LedgerEvent::kPaused;
};
struct Lane {
  NightSummary summary;
  std::vector<LaneBar> bars;
  std::vector<LaneMark> marks;
  Reason skipped = Reason::kNone;  // The latest reason not to run.
};

struct JobTotals {
  std::int64_t nights_trained = 0, nights_unexplained = 0;
  std::int64_t sittings = 0, kills = 0, pauses = 0, failures = 0, steps = 0;
  std::int64_t finished = 0, promoted = 0, kept = 0, rejected = 0;
  Budget used;
};

struct Lanes {
  std::int64_t first = 0, last = -1;  // Nights.
  std::vector<std::string> jobs;
  std::vector<Lane> lanes;        // By night, then by job.
  std::vector<JobTotals> totals;  // By job, of these nights.

  std::int64_t nights() const { return last - first + 1; }
  const Lane& At(std::int64_t night, std::size_t job) const {
    return lanes[static_cast<std::size_t>(night - first) * jobs.size() + job];
  }
  // Of all jobs; `nights_trained`: on which any has trained.
  JobTotals Sum() const;
};

Lanes LanesOf(const ReportInput& input);

// "365 nights, 1 Jan 2025 to 31 Dec 2025"; "the night of Sat 21 Nov 2026".
std::string SpanText(const Lanes& lanes);

}  // namespace attune
