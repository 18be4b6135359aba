// The course of a training run, as a table and as a drawing.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace attune {

struct LossPoint {
  std::int64_t step = 0;
  double loss = 0;
};

struct LossCurve {
  std::vector<LossPoint> training;  // Every step that was not skipped.
  std::vector<LossPoint> held_out;  // Where it was measured.
};

// At most `limit` points of each kind, evenly chosen, the first and the last of them
// among those. REQUIRES: 2 or more.
LossCurve Thinned(const LossCurve& curve, std::size_t limit);

// "step,training_loss,held_out_loss", one line a step that has either.
std::string CurveAsCsv(const LossCurve& curve);

// A self-contained SVG, readable on light and dark ground: training loss, its
// exponential average, held-out loss, axes and a legend. Losses that are no
// number from 0 to a million are left out. A pure function of the curve.
std::string CurveAsSvg(const LossCurve& curve, const std::string& title);

}  // namespace attune
