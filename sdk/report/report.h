// Pictures of the ledger for people: a timeline of nights and a morning report, as
// text for a terminal and as one HTML file that needs nothing else.
//
// Everything that comes from a file is escaped. Threads: pure functions.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "schedule/ledger.h"
#include "schedule/why.h"

namespace attune {

struct ReportInput {
  std::span<const LedgerRecord> records;
  std::span<const std::string> jobs;
  std::int64_t first = 0, last = 0;  // Nights.
};

// One row a night and job: when it ran, paused, was killed, and why not.
std::string TimelineText(const ReportInput& input);
std::string TimelineHtml(const ReportInput& input);

// Of one generation that a night has made.
struct ReportedCurve {
  std::string job;
  std::uint64_t generation = 0;
  std::string svg;  // See session/loss_curve.h; ours, put in as it is.
};

// A night's ledger, loss curves, gate verdicts and estimated energy.
std::string MorningText(const ReportInput& input, std::span<const ReportedCurve> curves);
std::string MorningHtml(const ReportInput& input, std::span<const ReportedCurve> curves);

}  // namespace attune
