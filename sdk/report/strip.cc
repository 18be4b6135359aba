#include "report/strip.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/strings.h"
#include "report/page.h"
#include "report/wording.h"

namespace attune {
namespace {

constexpr double kWidth = 1080, kLeft = 130, kRight = 24, kTop = 30, kRow = 34;

// The shortest that gives at most ten ticks.
double TickSeconds(double span) {
  for (const double step : {1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
                            7200.0, 10800.0, 21600.0, 43200.0}) {
    if (span / step <= 10) return step;
  }
  return std::max(86400.0, span / 10);
}

std::string EndMark(const ReportedSitting& sitting, double x, double y, double height) {
  switch (sitting.how) {
    case LedgerEvent::kKilled:
      return StrCat("<circle class=\"dm\" style=\"fill:var(--card)\" cx=\"", Fixed(x, 2),
                    "\" cy=\"", Fixed(y, 2), "\" r=\"8\"/>", MarkAt(MarkShape::kKill, x, y, 10));
    case LedgerEvent::kFailed:
    case LedgerEvent::kRefused:
      return MarkAt(MarkShape::kFailed, x, y, 12);
    case LedgerEvent::kFinished:
    case LedgerEvent::kSaved:
      return "";
    default:
      return MarkAt(MarkShape::kPause, x, y, height);
  }
}

class Strip {
 public:
  explicit Strip(const Morning& morning) : morning_(morning) {
    for (const MorningJob& job : morning.jobs) {
      for (const ReportedSitting& sitting : job.sittings) {
        begin_ = std::min(begin_, static_cast<double>(sitting.begin.local()));
        end_ = std::max(end_, static_cast<double>(sitting.end.local()));
      }
      for (const LedgerRecord& verdict : job.verdicts) end_ = std::max(end_, At(verdict));
    }
    const double margin = std::max(0.03 * (end_ - begin_), 1.0);
    begin_ -= margin;
    end_ += margin;
  }

  bool empty() const { return !(begin_ < end_); }

  std::string Draw() const {
    const double height = kTop + kRow * static_cast<double>(morning_.jobs.size()) + 6;
    std::string out = StrCat("<svg class=\"tl\" viewBox=\"0 0 ", kWidth, " ", height,
                             "\" role=\"img\">\n<title>When each job trained</title>\n");
    const double tick = TickSeconds(end_ - begin_);
    for (double at = (std::floor(begin_ / tick) + 1) * tick; at < end_; at += tick) {
      const std::string x = Fixed(X(at), 1);
      const LocalTime time{static_cast<std::int64_t>(at), 0};
      out += StrCat("<line class=\"gr\" x1=\"", x, "\" x2=\"", x, "\" y1=\"", kTop - 8, "\" y2=\"",
                    height - 4, "\"/><text class=\"big\" x=\"", x, "\" y=\"", kTop - 14,
                    "\" text-anchor=\"middle\">", ClockText(time, tick < 60), "</text>\n");
    }
    for (std::size_t job = 0; job < morning_.jobs.size(); ++job) out += Row(job);
    return out + "</svg>\n";
  }

 private:
  static double At(const LedgerRecord& record) {
    return static_cast<double>(record.when + record.utc_offset_seconds);
  }
  double X(double local) const {
    return kLeft + (local - begin_) / (end_ - begin_) * (kWidth - kLeft - kRight);
  }

  std::string Row(std::size_t index) const {
    const MorningJob& job = morning_.jobs[index];
    const double top = kTop + kRow * static_cast<double>(index), bar = kRow - 12;
    std::string out =
        StrCat("<text class=\"big we\" x=\"", kLeft - 12, "\" y=\"", top + bar / 2 + 4.5,
               "\" text-anchor=\"end\">", Escaped(job.name.substr(0, 18)),
               "</text>\n<g><rect class=\"tr\" x=\"", kLeft, "\" y=\"", top, "\" width=\"",
               kWidth - kLeft - kRight, "\" height=\"", bar, "\"/></g>\n");
    std::string marks;  // Above every bar.
    for (const ReportedSitting& sitting : job.sittings) {
      const double from = X(static_cast<double>(sitting.begin.local()));
      const double to = std::max(X(static_cast<double>(sitting.end.local())), from + 2);
      const std::string title = StrCat(
          "<title>", ClockText(sitting.begin, true), " to ", ClockText(sitting.end, true), ": ",
          Counted(sitting.steps_here, "step"), "; ", Escaped(HowItEnded(sitting)), "</title>");
      out += StrCat("<g>", title, "<rect class=\"", JobClass(index), "\" rx=\"2\" x=\"",
                    Fixed(from, 2), "\" y=\"", top, "\" width=\"", Fixed(to - from, 2),
                    "\" height=\"", bar, "\"/></g>\n");
      const std::string mark = EndMark(sitting, to, top + bar / 2, bar);
      if (!mark.empty()) marks += StrCat("<g>", title, mark, "</g>\n");
    }
    for (const LedgerRecord& verdict : job.verdicts) {
      const MarkShape shape = verdict.event == LedgerEvent::kPromoted ? MarkShape::kPromoted
                              : verdict.event == LedgerEvent::kKept   ? MarkShape::kKept
                                                                      : MarkShape::kRejected;
      marks += StrCat("<g><title>", Escaped(VerdictText(verdict)), "</title>",
                      MarkAt(shape, X(At(verdict)), top + bar / 2, 12), "</g>\n");
    }
    return out + marks;
  }

  const Morning& morning_;
  double begin_ = std::numeric_limits<double>::infinity();
  double end_ = -std::numeric_limits<double>::infinity();
};

}  // namespace

std::string StripOf(const Morning& morning) {
  const Strip strip(morning);
  return strip.empty() ? "" : strip.Draw();
}

}  // namespace attune
