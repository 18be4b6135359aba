#include "base/strings.h"
#include "report/morning.h"
#include "report/wording.h"

namespace attune {
namespace {

std::string SittingLine(const ReportedSitting& sitting) {
  return StrCat("    ", ClockText(sitting.begin, true), " to ", ClockText(sitting.end, true), "  ",
                Counted(sitting.steps_here, "step"), ", to ", sitting.step, " of ", sitting.steps,
                "; ", DurationText(sitting.used.cpu_seconds), " of CPU; ", HowItEnded(sitting),
                "\n");
}

std::string VerdictLines(const LedgerRecord& verdict) {
  std::string out = StrCat("  gate: ", VerdictText(verdict), "\n");
  if (verdict.candidate_loss > 0) {
    out += StrCat("    nats per token on messages set aside: base ", Fixed(verdict.base_loss, 3),
                  ", serving ", Fixed(verdict.serving_loss, 3), ", candidate ",
                  Fixed(verdict.candidate_loss, 3), "\n    ", GainText(verdict), "\n");
  }
  return out;
}

}  // namespace

std::string MorningText(const ReportInput& input, std::span<const ReportedCurve> curves) {
  const Morning morning = MorningOf(input, curves);
  std::string out = StrCat(morning.span, "\n", morning.sentence, "\nAbout ",
                           EnergyText(morning.sum.used.energy_joules), " used, as estimated.\n");
  for (const MorningJob& job : morning.jobs) {
    out += StrCat("\n", job.name, ": ", StateOf(job), "\n");
    for (const NightSummary& night : job.nights) {
      out += StrCat("  ", NightName(night.night), ": ", night.sentence, "\n");
    }
    if (!job.sittings.empty()) out += "  sittings:\n";
    for (const ReportedSitting& sitting : job.sittings) out += SittingLine(sitting);
    for (const LedgerRecord& verdict : job.verdicts) out += VerdictLines(verdict);
    out += StrCat("  next attempt: ", NextAttemptText(job), "\n");
  }
  return out;
}

}  // namespace attune
