#include "session/loss_curve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

namespace attune {
namespace {

TEST(LossCurve, TheTableHasALineForEveryStep) {
  LossCurve curve;
  curve.held_out = {{0, 3.5}, {2, 3.25}};
  curve.training = {{1, 4}, {2, 3}};
  EXPECT_EQ(CurveAsCsv(curve),
            "step,training_loss,held_out_loss\n0,,3.500000\n1,4.000000,\n2,3.000000,3.250000\n");
}

TEST(LossCurve, ThinnedKeepsBothEndsAndTheOrder) {
  LossCurve curve;
  for (int i = 1; i <= 5000; ++i) curve.training.push_back({i, 5.0 / i});
  curve.held_out = {{0, 4.5}, {2500, 1.5}, {5000, 1.25}};
  const LossCurve thin = Thinned(curve, 100);
  ASSERT_EQ(thin.training.size(), 100u);
  EXPECT_EQ(thin.training.front().step, 1);
  EXPECT_EQ(thin.training.back().step, 5000);
  for (std::size_t i = 1; i < 100; ++i) {
    EXPECT_GT(thin.training[i].step, thin.training[i - 1].step);
  }
  EXPECT_EQ(thin.held_out.size(), 3u);
  EXPECT_EQ(CurveAsCsv(Thinned(curve, 5000)), CurveAsCsv(curve));
}

TEST(LossCurve, TheDrawingStaysInsideItsFrameAndLoadsNothing) {
  LossCurve curve;
  for (int i = 1; i <= 5000; ++i) curve.training.push_back({i, 5.0 / i});
  curve.held_out = {{0, 4.5}, {2500, 1.5}, {5000, 1.25}};
  const std::string svg = CurveAsSvg(curve, "a <b> & c");
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("a &lt;b> &amp; c"), std::string::npos);
  EXPECT_NE(svg.find("prefers-color-scheme:dark"), std::string::npos);
  EXPECT_EQ(svg.find("href"), std::string::npos);
  EXPECT_EQ(svg.find("<script"), std::string::npos);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("\"-"), std::string::npos);  // No coordinate left of the frame.
  std::size_t dots = 0;
  for (std::size_t at = svg.find("<circle"); at != std::string::npos;
       at = svg.find("<circle", at + 1)) {
    ++dots;
  }
  EXPECT_EQ(dots, 3u);
  EXPECT_LT(svg.size(), 60000u);  // Long runs are thinned.
  EXPECT_EQ(svg, CurveAsSvg(curve, "a <b> & c"));
}

TEST(LossCurve, NothingAndOnePointCanBeDrawn) {
  EXPECT_EQ(CurveAsSvg({}, "t").find("nan"), std::string::npos);
  LossCurve one;
  one.training = {{1, 2.0}};
  const std::string svg = CurveAsSvg(one, "t");
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

// A last digit that is below the resolution of the number once made the grid
// endless; the others have no place on any axis.
TEST(LossCurve, WhatNoAxisCanShowIsLeftOut) {
  LossCurve curve;
  curve.training = {{1, 2.0}, {2, std::numeric_limits<double>::quiet_NaN()}};
  curve.held_out = {{0, 3.0}, {1, std::numeric_limits<double>::infinity()}, {2, -5.0}};
  LossCurve shown;
  shown.training = {{1, 2.0}};
  shown.held_out = {{0, 3.0}};
  EXPECT_EQ(CurveAsSvg(curve, "t"), CurveAsSvg(shown, "t"));
  LossCurve huge;
  huge.training = {{1, 0x1p60}, {2, 0x1p60 + 512}};
  EXPECT_EQ(CurveAsSvg(huge, "t"), CurveAsSvg({}, "t"));
}

}  // namespace
}  // namespace attune
