#include <algorithm>
#include <map>

#include "base/strings.h"
#include "report/lanes.h"
#include "report/page.h"
#include "report/report.h"
#include "report/wording.h"
#include "schedule/civil_time.h"

namespace attune {
namespace {

constexpr double kWidth = 480, kLeft = 44, kRight = 6, kTop = 16;

double X(double seconds) { return kLeft + seconds / kLaneSeconds * (kWidth - kLeft - kRight); }

std::string Rect(double x, double y, double width, double height, std::string_view style) {
  return StrCat("<rect class=\"", style, "\" x=\"", Fixed(x, 2), "\" y=\"", Fixed(y, 2),
                "\" width=\"", Fixed(width, 2), "\" height=\"", Fixed(height, 2), "\"/>");
}

MarkShape ShapeOf(LedgerEvent event) {
  switch (event) {
    case LedgerEvent::kKilled:
      return MarkShape::kKill;
    case LedgerEvent::kPaused:
    case LedgerEvent::kExpired:
      return MarkShape::kPause;
    case LedgerEvent::kFailed:
    case LedgerEvent::kRefused:
      return MarkShape::kFailed;
    case LedgerEvent::kPromoted:
      return MarkShape::kPromoted;
    case LedgerEvent::kKept:
      return MarkShape::kKept;
    case LedgerEvent::kRejected:
    case LedgerEvent::kRolledBack:
      return MarkShape::kRejected;
    default:
      return MarkShape::kNone;
  }
}

// The nights of one month, a row each with a lane a job.
class MonthChart {
 public:
  MonthChart(const Lanes& lanes, std::int64_t first, std::int64_t last)
      : lanes_(lanes), first_(first), last_(last) {
    const auto jobs = static_cast<double>(std::max<std::size_t>(lanes.jobs.size(), 1));
    lane_ = jobs == 1 ? 9 : 6.5;
    row_ = jobs * lane_ + 3.5;
    height_ = kTop + static_cast<double>(last - first + 1) * row_ + 4;
  }

  std::string Draw() const {
    std::string out = StrCat("<svg class=\"tl\" viewBox=\"0 0 ", kWidth, " ", Fixed(height_, 1),
                             "\" role=\"img\">\n");
    out += Rect(X(9 * 3600.0), kTop - 2, X(19 * 3600.0) - X(9 * 3600.0), height_ - kTop, "dusk");
    for (const int hour : {0, 6, 12, 18, 24}) out += Axis(hour);
    for (std::int64_t night = first_; night <= last_; ++night) out += Row(night);
    return out + "</svg>\n";
  }

 private:
  std::string Axis(int hour) const {
    const double x = X(hour * 3600.0);
    const int shown = (hour + 12) % 24;
    const char* anchor = hour == 24 ? "end" : "middle";
    return StrCat("<line class=\"gr\" x1=\"", Fixed(x, 1), "\" x2=\"", Fixed(x, 1), "\" y1=\"",
                  kTop - 3, "\" y2=\"", Fixed(height_ - 2, 1), "\"/><text x=\"", Fixed(x, 1),
                  "\" y=\"9\" text-anchor=\"", anchor, "\">", shown < 10 ? "0" : "", shown,
                  "</text>\n");
  }

  std::string Row(std::int64_t night) const {
    const double top = kTop + static_cast<double>(night - first_) * row_;
    const std::string name = NightName(night);
    const bool weekend = WeekdayOf(night) >= 5;
    // "Sat 21" of "Sat 21 Nov".
    std::string out = StrCat("<text x=\"", kLeft - 6, "\" y=\"", Fixed(top + row_ / 2 + 1.4, 1),
                             "\" text-anchor=\"end\"", weekend ? " class=\"we\"" : "", ">",
                             Escaped(name.substr(0, name.rfind(' '))), "</text>\n");
    for (std::size_t job = 0; job < lanes_.jobs.size(); ++job) {
      out += DrawLane(lanes_.At(night, job), name, job, top + static_cast<double>(job) * lane_);
    }
    return out;
  }

  std::string DrawLane(const Lane& lane, const std::string& night, std::size_t job,
                       double top) const {
    const double bar = lane_ - 1;
    const bool unexplained = !lane.summary.ran && !lane.summary.explained;
    std::string out =
        StrCat("<g><title>", Escaped(night), ", ", Escaped(lanes_.jobs[job]), ": ",
               Escaped(lane.summary.sentence), "</title>",
               Rect(kLeft, top, X(kLaneSeconds) - kLeft, bar, unexplained ? "tr un" : "tr"));
    for (const LaneBar& one : lane.bars) {
      constexpr double kLeastWidth = 1.6;  // A minute must be seen too.
      out += Rect(X(one.from), top, std::max(X(one.to) - X(one.from), kLeastWidth), bar,
                  JobClass(job));
    }
    for (const LaneMark& mark : lane.marks) {
      out += MarkAt(ShapeOf(mark.event), X(mark.at), top + bar / 2, bar * 0.9);
    }
    return out + "</g>\n";
  }

  const Lanes& lanes_;
  std::int64_t first_, last_;
  double lane_ = 9, row_ = 12, height_ = 0;
};

std::string Months(const Lanes& lanes) {
  std::string out = "<section class=\"months\">\n";
  for (std::int64_t first = lanes.first; first <= lanes.last;) {
    const CivilDate date = DateOf(first);
    std::int64_t last = first;
    while (last < lanes.last && DateOf(last + 1).month == date.month) ++last;
    out += StrCat("<article class=\"card\"><h2>", MonthName(date.month), " ", date.year, "</h2>\n",
                  MonthChart(lanes, first, last).Draw(), "</article>\n");
    first = last + 1;
  }
  return out + "</section>\n";
}

// On how many nights each reason was the last one not to train.
std::string Reasons(const Lanes& lanes) {
  std::map<Reason, std::vector<std::int64_t>> nights;
  std::int64_t most = 1;
  for (std::size_t i = 0; i < lanes.lanes.size(); ++i) {
    const Lane& lane = lanes.lanes[i];
    if (lane.summary.ran || lane.skipped == Reason::kNone) continue;
    auto& counts = nights[lane.skipped];
    counts.resize(lanes.jobs.size());
    most = std::max(most, ++counts[i % lanes.jobs.size()]);
  }
  if (nights.empty()) return "";
  std::string out =
      "<article class=\"card\" style=\"margin-top:16px\"><h2>Why nothing was trained</h2>\n"
      "<p class=\"soft\">Nights on which a job did not train, by the last reason there was."
      "</p>\n<div class=\"scroll\"><table>\n<tr><th>reason</th>";
  for (const std::string& job : lanes.jobs) {
    out += StrCat("<th class=\"n\">", Escaped(job), "</th><th style=\"width:22%\"></th>");
  }
  out += "</tr>\n";
  for (const auto& [reason, counts] : nights) {
    out += StrCat("<tr><td>", Escaped(ReasonSentence(reason)), "</td>");
    for (std::size_t job = 0; job < counts.size(); ++job) {
      const double part = static_cast<double>(counts[job]) / static_cast<double>(most);
      out += StrCat("<td class=\"n\">", counts[job], "</td><td>");
      if (counts[job] > 0) {
        out += StrCat("<span class=\"bar ", JobClass(job),
                      "\" style=\"width:", Fixed(100 * part, 1), "%\"></span>");
      }
      out += "</td>";
    }
    out += "</tr>\n";
  }
  return out + "</table></div></article>\n";
}

std::string Tiles(const Lanes& lanes) {
  const JobTotals sum = lanes.Sum();
  return StrCat("<section class=\"tiles\">\n",
                Tile(StrCat(sum.nights_trained, " of ", lanes.nights()), "nights with training"),
                Tile(StrCat(sum.nights_unexplained), "nights without an explanation"),
                Tile(StrCat(sum.finished), "runs finished"), Tile(StrCat(sum.steps), "steps"),
                Tile(DurationText(sum.used.wall_seconds), "at it"),
                Tile(StrCat(sum.pauses), "pauses"), Tile(StrCat(sum.kills), "kills survived"),
                Tile(StrCat(sum.promoted, " / ", sum.kept, " / ", sum.rejected),
                     "promoted / kept / rejected"),
                Tile(EnergyText(sum.used.energy_joules), "estimated energy"), "</section>\n");
}

}  // namespace

std::string TimelineHtml(const ReportInput& input) {
  const Lanes lanes = LanesOf(input);
  std::string body = StrCat("<header><h1>What happened at night</h1>\n<p class=\"soft\">",
                            Escaped(SpanText(lanes)),
                            "; each row runs from noon to noon, local time. Point at a row to read "
                            "why.</p></header>\n",
                            Tiles(lanes), "<div class=\"legend\">\n");
  for (std::size_t job = 0; job < lanes.jobs.size(); ++job) {
    body += StrCat("<span><i class=\"swatch ", JobClass(job), "\"></i>", Escaped(lanes.jobs[job]),
                   "</span>\n");
  }
  body += StrCat(MarkLegend(), "</div>\n", Months(lanes), Reasons(lanes));
  return Page(StrCat("Attune: ", SpanText(lanes)), body);
}

}  // namespace attune
