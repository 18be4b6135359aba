#include <algorithm>

#include "base/strings.h"
#include "report/lanes.h"
#include "report/report.h"
#include "report/wording.h"

namespace attune {
namespace {

constexpr std::size_t kColumns = 48;  // Half an hour each.

std::size_t ColumnOf(double seconds) {
  const double column = seconds / (kLaneSeconds / kColumns);
  return static_cast<std::size_t>(std::clamp(column, 0.0, kColumns - 1.0));
}

char Letter(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kKilled:
      return 'x';
    case LedgerEvent::kPaused:
    case LedgerEvent::kExpired:
      return '|';
    case LedgerEvent::kFailed:
    case LedgerEvent::kRefused:
      return '!';
    case LedgerEvent::kPromoted:
      return '^';
    default:
      return 0;
  }
}

std::string Drawn(const Lane& lane) {
  std::string row(kColumns, '.');
  for (const LaneBar& bar : lane.bars) {
    for (std::size_t i = ColumnOf(bar.from); i <= ColumnOf(bar.to); ++i) row[i] = '=';
  }
  for (const LaneMark& mark : lane.marks) {
    char& column = row[ColumnOf(mark.at)];
    // Of several in half an hour the kill is what must not be missed.
    const char letter = Letter(mark.event);
    if (letter != 0 && column != 'x') column = letter;
  }
  return row;
}

std::string Padded(std::string_view text, std::size_t width) {
  return StrCat(text, std::string(text.size() < width ? width - text.size() : 0, ' '));
}

std::string TotalsLine(const Lanes& lanes, std::size_t job, std::size_t name_width) {
  const JobTotals& totals = lanes.totals[job];
  return StrCat("  ", Padded(lanes.jobs[job], name_width), "  trained on ", totals.nights_trained,
                " of ", Counted(lanes.nights(), "night"), ": ", Counted(totals.steps, "step"),
                " in ", DurationText(totals.used.wall_seconds), ", ",
                Counted(totals.sittings, "sitting"), " (paused ", totals.pauses, ", killed ",
                totals.kills, "), ", Counted(totals.finished, "run"), " finished, ",
                totals.promoted, " promoted, about ", EnergyText(totals.used.energy_joules), "\n");
}

}  // namespace

std::string TimelineText(const ReportInput& input) {
  const Lanes lanes = LanesOf(input);
  std::size_t name_width = 0;
  for (const std::string& job : lanes.jobs) name_width = std::max(name_width, job.size());
  std::string out = StrCat(SpanText(lanes), "\n");
  for (std::size_t job = 0; job < lanes.jobs.size(); ++job) {
    out += TotalsLine(lanes, job, name_width);
  }
  out += "  = trained, | paused, x killed, ! failed, ^ promoted\n\n";
  out += StrCat(std::string(12 + name_width + 2, ' '), "12          18          00          06\n");
  for (std::int64_t night = lanes.first; night <= lanes.last; ++night) {
    for (std::size_t job = 0; job < lanes.jobs.size(); ++job) {
      const Lane& lane = lanes.At(night, job);
      out += StrCat(Padded(job == 0 ? NightName(night) : "", 10), "  ",
                    Padded(lanes.jobs[job], name_width), "  ", Drawn(lane), "  ",
                    lane.summary.sentence, "\n");
    }
  }
  return out;
}

}  // namespace attune
