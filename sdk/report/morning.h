// What a morning report says, before it is text or HTML.
//
// Threads: values and pure functions.

#pragma once

#include <string>
#include <vector>

#include "report/lanes.h"
#include "report/report.h"

namespace attune {

struct MorningJob {
  std::string name;
  std::vector<NightSummary> nights;
  std::vector<ReportedSitting> sittings;
  std::vector<LedgerRecord> verdicts;  // Of the gate, and rollbacks.
  std::vector<std::string> curves;     // SVG.
  JobTotals totals;
  LocalTime next_attempt;  // 0: none is on record.
};

struct Morning {
  std::string span;      // "the night of Sat 21 Nov 2026".
  std::string sentence;  // What all of it came to.
  JobTotals sum;
  std::int64_t nights = 0;
  std::vector<MorningJob> jobs;
};

Morning MorningOf(const ReportInput& input, std::span<const ReportedCurve> curves);

// "promoted", "paused": the last that happened.
std::string StateOf(const MorningJob& job);
// "22 Nov 2026, 02:15", or that a change of facts is awaited.
std::string NextAttemptText(const MorningJob& job);
// "generation 3 promoted: better".
std::string VerdictText(const LedgerRecord& verdict);
// "gain over what served at least +3.1 %; loss on the anchor set +0.4 %".
std::string GainText(const LedgerRecord& verdict);

}  // namespace attune
