// Surfaces that the host fills, against the reference kernels of the ops they replace.

#include "ane/runtime/step_surfaces.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "base/philox.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "graph/reference.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

std::vector<std::byte> Dirty(const PlaneLayout& layout) {
  return std::vector<std::byte>(static_cast<std::size_t>(layout.bytes()), std::byte{0x3C});
}

TEST(Mask, ACausalOneSeesWhatCameBeforeInItsOwnSequence) {
  for (const ElementType element : {ElementType::kF16, ElementType::kF32}) {
    const MakeMask step{0, AttentionMask::kCausal, /*batch=*/3, /*rows=*/15, kNoValue, kNoValue};
    const PlaneLayout layout{element, 32, 32, 32 * SizeOf(element)};
    auto surface = Dirty(layout);
    FillMask(step, {}, {}, layout, surface.data());
    for (std::int64_t query = 0; query < 32; ++query) {
      for (std::int64_t key = 0; key < 32; ++key) {
        const bool sees = query < 15 && key < 15 && query / 5 == key / 5 && key <= query;
        ASSERT_EQ(ReadElement(surface.data(), layout, query, key), sees ? 0.0f : kMasked)
            << query << " sees " << key;
      }
    }
  }
}

TEST(Mask, AFullOneSeesItsSequenceAndABoundedOneItsRange) {
  const PlaneLayout layout{ElementType::kF16, 8, 32, 64};
  auto surface = Dirty(layout);
  FillMask({0, AttentionMask::kFull, 2, 8, kNoValue, kNoValue}, {}, {}, layout, surface.data());
  for (std::int64_t query = 0; query < 8; ++query) {
    for (std::int64_t key = 0; key < 32; ++key) {
      const bool sees = key < 8 && query / 4 == key / 4;
      ASSERT_EQ(ReadElement(surface.data(), layout, query, key), sees ? 0.0f : kMasked);
    }
  }
  const std::vector<std::int32_t> lo = {0, 0, 2, 2, 1, 0, 3, -5}, hi = {1, 2, 3, 4, 1, 4, 4, 99};
  FillMask({0, AttentionMask::kBounded, 2, 8, 0, 1}, lo, hi, layout, surface.data());
  for (std::int64_t query = 0; query < 8; ++query) {
    const auto at = static_cast<std::size_t>(query);
    for (std::int64_t key = 0; key < 32; ++key) {
      const std::int64_t local = key - query / 4 * 4;
      const bool sees = local >= 0 && local < 4 && local >= lo[at] && local < hi[at];
      ASSERT_EQ(ReadElement(surface.data(), layout, query, key), sees ? 0.0f : kMasked)
          << query << " sees " << key;
    }
  }
}

// x cos + (P x) sin of the reference's pairs is what the rope op gives.
TEST(Rotation, CosineAndSineAreThoseOfTheRopeOp) {
  constexpr std::int64_t kRows = 5, kDim = 8, kPositions = 11;
  Philox random(3, 0);
  const auto draw = [&] { return static_cast<float>(random.NextBelow(1000)) / 500.0f - 1.0f; };
  std::vector<float> table(kPositions * kDim);
  for (float& value : table) value = draw();
  const std::vector<std::int32_t> positions = {0, 10, 3, 3, 7};
  for (const RopeLayout rope : {RopeLayout::kRotateHalf, RopeLayout::kInterleaved}) {
    Graph graph;
    GraphBuilder builder(&graph);
    const ValueId x = graph.AddInput("x", {DType::kF32, {kRows, kDim}});
    const ValueId p = graph.AddInput("p", {DType::kI32, {kRows}});
    const ValueId t = graph.AddInput("t", {DType::kF32, {kPositions, kDim}});
    graph.AddOutput("y", builder.Rope(x, p, t, {kDim, rope, false}));
    ReferenceFeeds feeds;
    for (std::int64_t i = 0; i < kRows * kDim; ++i) feeds["x"].push_back(draw());
    feeds["p"].assign(positions.begin(), positions.end());
    feeds["t"].assign(table.begin(), table.end());
    ASSERT_OK_AND_ASSIGN(auto results, EvaluateReference(graph, feeds));

    const PlaneLayout layout{ElementType::kF32, kDim, 32, 128};
    auto cosine = Dirty(layout), sine = Dirty(layout);
    FillRotation({0, 1, p, t, kDim, rope}, positions, table, layout, cosine.data(), sine.data());
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t d = 0; d < kDim; ++d) {
        const bool half = rope == RopeLayout::kRotateHalf;
        const bool first = half ? d < kDim / 2 : d % 2 == 0;
        const std::int64_t step = half ? kDim / 2 : 1;
        const double partner =
            feeds["x"][static_cast<std::size_t>(row * kDim + (first ? d + step : d - step))];
        const double here = feeds["x"][static_cast<std::size_t>(row * kDim + d)];
        const double got =
            here * double{ReadElement(cosine.data(), layout, d, row)} +
            (first ? -partner : partner) * double{ReadElement(sine.data(), layout, d, row)};
        ASSERT_NEAR(got, results.at("y").data[static_cast<std::size_t>(row * kDim + d)], 1e-6);
      }
    }
    EXPECT_EQ(ReadElement(cosine.data(), layout, 0, kRows), 0.0f) << "padding";
  }
}

TEST(DropoutMask, KeepsBitForBitWhatTheDropoutOpKeeps) {
  constexpr std::int64_t kRows = 13, kColumns = 7;
  const DropoutAttrs attrs{.probability = 0.3f, .salt = 9};
  const std::vector<std::int32_t> seed = {123456, -7};
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {kRows, kColumns}});
  const ValueId s = graph.AddInput("s", {DType::kI32, {2}});
  graph.AddOutput("y", builder.Dropout(x, s, attrs));
  ReferenceFeeds feeds;
  feeds["x"].assign(kRows * kColumns, 1.0);
  feeds["s"].assign(seed.begin(), seed.end());
  ASSERT_OK_AND_ASSIGN(auto results, EvaluateReference(graph, feeds));
  const PlaneLayout layout{ElementType::kF32, kColumns, 32, 128};
  auto surface = Dirty(layout);
  FillDropout({0, s, attrs, kRows, kColumns}, seed, layout, surface.data());
  std::int64_t kept = 0;
  for (std::int64_t i = 0; i < kRows * kColumns; ++i) {
    const float got = ReadElement(surface.data(), layout, i % kColumns, i / kColumns);
    const auto want = static_cast<float>(results.at("y").data[static_cast<std::size_t>(i)]);
    ASSERT_EQ(got == 0, want == 0) << i;
    ASSERT_FLOAT_EQ(got, want);
    kept += got != 0;
  }
  EXPECT_GT(kept, kRows * kColumns / 2);
  EXPECT_LT(kept, kRows * kColumns);
  EXPECT_EQ(ReadElement(surface.data(), layout, 0, kRows), 0.0f) << "padding";
}

TEST(Indices, AreNamedWhenTheyAreOutOfRange) {
  const std::vector<std::int32_t> indices = {0, 4, 5};
  EXPECT_OK(CheckIndices("labels", indices, 6));
  const Status status = CheckIndices("labels", indices, 5);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "labels[2] is 5, must be in [0, 5)");
  EXPECT_FALSE(CheckIndices("labels", std::vector<std::int32_t>{-1}, 5).ok());
}

}  // namespace
}  // namespace attune::ane
