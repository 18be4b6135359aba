#include <algorithm>

#include "base/strings.h"
#include "report/morning.h"
#include "report/page.h"
#include "report/strip.h"
#include "report/wording.h"

namespace attune {
namespace {

// Of a year's sittings the latest are listed.
constexpr std::size_t kMaxRows = 200;

std::string_view BadgeClass(const std::string& state) {
  if (state == LedgerEventName(LedgerEvent::kPromoted)) return "good";
  if (state == LedgerEventName(LedgerEvent::kKept)) return "meh";
  const bool bad = state == LedgerEventName(LedgerEvent::kRejected) ||
                   state == LedgerEventName(LedgerEvent::kFailed) ||
                   state == LedgerEventName(LedgerEvent::kRefused) ||
                   state == LedgerEventName(LedgerEvent::kKilled) ||
                   state == LedgerEventName(LedgerEvent::kRolledBack);
  return bad ? "bad" : "soft";
}

std::string Sittings(const MorningJob& job) {
  if (job.sittings.empty()) return "";
  std::string out =
      "<h3>Sittings</h3>\n<div class=\"scroll\"><table>\n<tr><th>from</th><th>to</th>"
      "<th class=\"n\">steps</th><th class=\"n\">reached</th><th class=\"n\">CPU</th>"
      "<th class=\"n\">energy</th><th>ended because</th></tr>\n";
  const std::size_t skipped = job.sittings.size() - std::min(job.sittings.size(), kMaxRows);
  for (std::size_t i = skipped; i < job.sittings.size(); ++i) {
    const ReportedSitting& sitting = job.sittings[i];
    out += StrCat("<tr><td>", ClockText(sitting.begin, true), "</td><td>",
                  ClockText(sitting.end, true), "</td><td class=\"n\">", sitting.steps_here,
                  "</td><td class=\"n\">", sitting.step, " of ", sitting.steps,
                  "</td><td class=\"n\">", DurationText(sitting.used.cpu_seconds),
                  "</td><td class=\"n\">", EnergyText(sitting.used.energy_joules), "</td><td>",
                  Escaped(HowItEnded(sitting)), "</td></tr>\n");
  }
  return out + "</table></div>\n";
}

std::string LossRow(const char* name, double loss, double worst, std::string_view style) {
  return StrCat("<tr><td>", name, "</td><td class=\"n\">", Fixed(loss, 3),
                "</td><td style=\"width:55%\"><span class=\"bar ", style,
                "\" style=\"width:", Fixed(worst > 0 ? 100 * loss / worst : 0, 1),
                "%\"></span></td></tr>\n");
}

std::string Verdict(const LedgerRecord& verdict, std::size_t job) {
  std::string out = StrCat("<p class=\"say\"><b>", Escaped(VerdictText(verdict)), "</b></p>\n");
  if (!(verdict.candidate_loss > 0)) return out;
  const double worst = std::max({verdict.base_loss, verdict.serving_loss, verdict.candidate_loss});
  const std::string colour = JobClass(job);
  out += "<table>\n<tr><th style=\"width:34%\">nats per token</th><th></th><th></th></tr>\n";
  out += LossRow("bare base model", verdict.base_loss, worst, colour);
  out += LossRow("what served before", verdict.serving_loss, worst, colour);
  out += LossRow("this candidate", verdict.candidate_loss, worst, colour);
  return out + StrCat("</table>\n<p class=\"soft say\">", GainText(verdict), ".</p>\n");
}

std::string Job(const MorningJob& job, std::size_t index) {
  const std::string state = StateOf(job);
  std::string out = StrCat("<article class=\"card\"><h2><i class=\"swatch ", JobClass(index),
                           "\"></i>", Escaped(job.name), " <span class=\"badge ", BadgeClass(state),
                           "\">", Escaped(state), "</span></h2>\n");
  for (const NightSummary& night : job.nights) {
    out += StrCat("<p class=\"say\">",
                  job.nights.size() > 1 ? StrCat("<b>", NightName(night.night), "</b> ") : "",
                  Escaped(night.sentence), "</p>\n");
  }
  out += StrCat("<p class=\"soft\">Next attempt: ", Escaped(NextAttemptText(job)), ".</p>\n");
  if (!job.verdicts.empty() || !job.curves.empty()) {
    out += "<div class=\"two\">\n<div>";
    if (!job.verdicts.empty()) out += "<h3>Gate</h3>\n";
    for (const LedgerRecord& verdict : job.verdicts) out += Verdict(verdict, index);
    out += "</div>\n<div>";
    if (!job.curves.empty()) out += "<h3>How it learned</h3>\n";
    for (const std::string& svg : job.curves) {
      out += StrCat("<div class=\"curve\">", svg, "</div>\n");
    }
    out += "</div>\n</div>\n";
  }
  return out + Sittings(job) + "</article>\n";
}

}  // namespace

std::string MorningHtml(const ReportInput& input, std::span<const ReportedCurve> curves) {
  const Morning morning = MorningOf(input, curves);
  const JobTotals& sum = morning.sum;
  std::string body =
      StrCat("<header><p class=\"soft\">Morning report, ", Escaped(morning.span), "</p>\n<h1>",
             Escaped(morning.sentence), "</h1></header>\n<section class=\"tiles\">\n",
             Tile(StrCat(sum.steps), "steps"), Tile(DurationText(sum.used.wall_seconds), "at it"),
             Tile(StrCat(sum.sittings), "sittings"), Tile(StrCat(sum.pauses), "pauses"),
             Tile(StrCat(sum.kills), "kills survived"), Tile(StrCat(sum.promoted), "promoted"),
             Tile(EnergyText(sum.used.energy_joules), "estimated energy"), "</section>\n");
  const std::string strip = StripOf(morning);
  if (!strip.empty()) {
    body += StrCat(
        "<article class=\"card\"><h2>The course of the night</h2>\n<div "
        "class=\"legend\" style=\"margin:6px 0\">",
        MarkLegend(), "</div>\n<div class=\"scroll\">", strip, "</div></article>\n");
  }
  for (std::size_t i = 0; i < morning.jobs.size(); ++i) body += Job(morning.jobs[i], i);
  return Page(StrCat("Attune: ", morning.span), body);
}

}  // namespace attune
