#include "session/loss_curve.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>

#include "base/strings.h"

namespace attune {
namespace {

constexpr double kWidth = 720, kHeight = 400;
constexpr double kLeft = 64, kRight = 20, kTop = 48, kBottom = 52;
// More points than this are not to be told apart in the drawing.
constexpr std::size_t kMaxPoints = 1500;

std::string Fixed(double x, int digits) {
  char buffer[48];
  std::snprintf(buffer, sizeof buffer, "%.*f", digits, x);
  return buffer;
}

// Points that an axis can show: a run that diverged, or a state that lies, has
// others. ln(2^32) nats is 22.
std::vector<LossPoint> Drawable(const std::vector<LossPoint>& points) {
  constexpr double kMaxLoss = 1e6;
  std::vector<LossPoint> out;
  for (const LossPoint& point : points) {
    if (point.loss >= 0 && point.loss <= kMaxLoss) out.push_back(point);
  }
  return out;
}

// The exponential average that a reader's eye would draw: a window of a
// twentieth of the run, free of the bias towards its start.
std::vector<LossPoint> Smoothed(const std::vector<LossPoint>& points) {
  const double window = std::max(1.0, static_cast<double>(points.size()) / 20.0);
  const double keep = 1.0 - 1.0 / window;
  std::vector<LossPoint> out;
  double sum = 0, weight = 0;
  for (const LossPoint& point : points) {
    sum = keep * sum + point.loss;
    weight = keep * weight + 1;
    out.push_back({point.step, sum / weight});
  }
  return out;
}

// 1, 2 or 5 times a power of ten, so that about `count` of them fill `span`.
double TickStep(double span, double count) {
  const double raw = span / count;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= raw) return factor * power;
  }
  return 10 * power;
}

struct Axes {
  double last_step = 1;
  double low = 0, high = 1;

  explicit Axes(const LossCurve& curve) {
    double lowest = std::numeric_limits<double>::infinity(), highest = -lowest;
    for (const auto* points : {&curve.training, &curve.held_out}) {
      for (const LossPoint& point : *points) {
        last_step = std::max(last_step, static_cast<double>(point.step));
        lowest = std::min(lowest, point.loss);
        highest = std::max(highest, point.loss);
      }
    }
    if (!(lowest <= highest)) return;
    const double margin = std::max(0.05 * (highest - lowest), 0.01);
    low = std::max(0.0, lowest - margin);
    high = highest + margin;
  }
  double X(double step) const { return kLeft + step / last_step * (kWidth - kLeft - kRight); }
  double Y(double loss) const {
    return kTop + (high - loss) / (high - low) * (kHeight - kTop - kBottom);
  }
};

std::string Polyline(const Axes& axes, const std::vector<LossPoint>& points, const char* style) {
  if (points.empty()) return "";
  const std::size_t stride = (points.size() + kMaxPoints - 1) / kMaxPoints;
  std::string path;
  for (std::size_t i = 0; i < points.size(); i += stride) {
    path += StrCat(i == 0 ? "" : " ", Fixed(axes.X(static_cast<double>(points[i].step)), 1), ",",
                   Fixed(axes.Y(points[i].loss), 1));
  }
  return StrCat("<polyline class=\"", style, "\" points=\"", path, "\"/>\n");
}

std::string Text(double x, double y, const char* anchor, const std::string& text) {
  return StrCat("<text x=\"", Fixed(x, 1), "\" y=\"", Fixed(y, 1), "\" text-anchor=\"", anchor,
                "\">", text, "</text>\n");
}

std::string Line(double x1, double y1, double x2, double y2, const char* style) {
  return StrCat("<line class=\"", style, "\" x1=\"", Fixed(x1, 1), "\" y1=\"", Fixed(y1, 1),
                "\" x2=\"", Fixed(x2, 1), "\" y2=\"", Fixed(y2, 1), "\"/>\n");
}

std::string Grid(const Axes& axes) {
  std::string out;
  const double loss_step = TickStep(axes.high - axes.low, 6);
  const int digits = std::max(0, -static_cast<int>(std::floor(std::log10(loss_step))));
  for (double tick = std::ceil(axes.low / loss_step); tick * loss_step <= axes.high; ++tick) {
    const double y = axes.Y(tick * loss_step);
    out += Line(kLeft, y, kWidth - kRight, y, "grid");
    out += Text(kLeft - 8, y + 4, "end", Fixed(tick * loss_step, digits));
  }
  const double step_step = std::max(1.0, TickStep(axes.last_step, 8));
  for (double step = 0; step <= axes.last_step; step += step_step) {
    out += Line(axes.X(step), kHeight - kBottom, axes.X(step), kHeight - kBottom + 5, "axis");
    out += Text(axes.X(step), kHeight - kBottom + 20, "middle", Fixed(step, 0));
  }
  out += Line(kLeft, kTop, kLeft, kHeight - kBottom, "axis");
  out += Line(kLeft, kHeight - kBottom, kWidth - kRight, kHeight - kBottom, "axis");
  out += Text((kLeft + kWidth - kRight) / 2, kHeight - 10, "middle", "step");
  out += StrCat("<text transform=\"translate(16,", Fixed((kTop + kHeight - kBottom) / 2, 1),
                ") rotate(-90)\" text-anchor=\"middle\">loss (nats per token)</text>\n");
  return out;
}

std::string Legend() {
  struct Entry {
    const char* style;
    const char* label;
  };
  std::string out;
  double x = kWidth - kRight - 330;
  for (const Entry& entry : {Entry{"raw", "training"}, Entry{"smooth", "training, averaged"},
                             Entry{"held", "held-out"}}) {
    out += Line(x, kTop - 14, x + 22, kTop - 14, entry.style);
    out += Text(x + 28, kTop - 10, "start", entry.label);
    x += entry.style == std::string_view("smooth") ? 155 : 95;
  }
  return out;
}

std::string Escaped(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '&') {
      out += "&amp;";
    } else {
      out += c;
    }
  }
  return out;
}

constexpr const char* kStyle =
    "<style>\n"
    "svg{background:#fff}text{font:12px system-ui,sans-serif;fill:#333}.title{font-size:14px;"
    "font-weight:600}\n"
    ".grid{stroke:#e3e3e3}.axis{stroke:#777}.raw{stroke:#9db8dd;stroke-width:1;fill:none}\n"
    ".smooth{stroke:#1f5fb4;stroke-width:2;fill:none}.held{stroke:#c2410c;stroke-width:2;"
    "fill:none}.dot{fill:#c2410c}\n"
    "@media(prefers-color-scheme:dark){svg{background:#16181c}text{fill:#ddd}.grid{stroke:#2d3138}"
    ".axis{stroke:#888}\n"
    ".raw{stroke:#3d5a85}.smooth{stroke:#7fb0ff}.held{stroke:#ff9a5c}.dot{fill:#ff9a5c}}\n"
    "</style>\n";

}  // namespace

LossCurve Thinned(const LossCurve& curve, std::size_t limit) {
  const auto thinned = [&](const std::vector<LossPoint>& points) {
    if (points.size() <= limit) return points;
    std::vector<LossPoint> out;
    for (std::size_t i = 0; i < limit; ++i) {
      out.push_back(points[i * (points.size() - 1) / (limit - 1)]);
    }
    return out;
  };
  return {thinned(curve.training), thinned(curve.held_out)};
}

std::string CurveAsCsv(const LossCurve& curve) {
  struct Row {
    std::string training, held_out;
  };
  std::map<std::int64_t, Row> rows;
  for (const LossPoint& point : curve.training) rows[point.step].training = Fixed(point.loss, 6);
  for (const LossPoint& point : curve.held_out) rows[point.step].held_out = Fixed(point.loss, 6);
  std::string out = "step,training_loss,held_out_loss\n";
  for (const auto& [step, row] : rows) {
    out += StrCat(step, ",", row.training, ",", row.held_out, "\n");
  }
  return out;
}

std::string CurveAsSvg(const LossCurve& all, const std::string& title) {
  const LossCurve curve{Drawable(all.training), Drawable(all.held_out)};
  const Axes axes(curve);
  std::string out = StrCat("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ", kWidth, " ",
                           kHeight, "\" width=\"", kWidth, "\" height=\"", kHeight,
                           "\" role=\"img\">\n<title>", Escaped(title), "</title>\n", kStyle);
  out += StrCat("<text class=\"title\" x=\"", kLeft, "\" y=\"22\">", Escaped(title), "</text>\n");
  out += Grid(axes) + Legend();
  out += Polyline(axes, curve.training, "raw");
  out += Polyline(axes, Smoothed(curve.training), "smooth");
  out += Polyline(axes, curve.held_out, "held");
  for (const LossPoint& point : curve.held_out) {
    out += StrCat("<circle class=\"dot\" r=\"3\" cx=\"",
                  Fixed(axes.X(static_cast<double>(point.step)), 1), "\" cy=\"",
                  Fixed(axes.Y(point.loss), 1), "\"/>\n");
  }
  return out + "</svg>\n";
}

}  // namespace attune
