// Matrices into surfaces and back.

#include "ane/runtime/transfers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "base/half.h"
#include "base/philox.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

std::vector<float> Numbers(std::int64_t count) {
  Philox random(11, 0);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(random.NextBelow(20001)) / 1000.0f - 10.0f;
  return values;
}

// A surface full of what another matrix left there.
std::vector<std::byte> Dirty(const PlaneLayout& layout) {
  return std::vector<std::byte>(static_cast<std::size_t>(layout.bytes()), std::byte{0x3C});
}

class Transfers : public ::testing::TestWithParam<ElementType> {
 protected:
  float Rounded(float value) const {
    return GetParam() == ElementType::kF16 ? F32FromF16(F16FromF32(value)) : value;
  }
  SerialParallel parallel_;
};

TEST_P(Transfers, EveryElementLiesInItsColumnsPlaneAndTheRestIsZero) {
  const struct {
    MatrixExtent extent;
    std::int64_t channels, width, gap;
  } cases[] = {{{7, 5}, 5, 32, 0},
               {{40, 33}, 48, 64, 64},
               {{1, 300}, 300, 32, 0},
               {{96, 1}, 1, 96, 128},
               {{300, 257}, 257, 320, 0}};
  for (const auto& c : cases) {
    const PlaneLayout layout{GetParam(), c.channels, c.width, c.width * SizeOf(GetParam()) + c.gap};
    const auto matrix = Numbers(c.extent.rows * c.extent.columns);
    auto surface = Dirty(layout);
    UploadMatrix(matrix.data(), c.extent, layout, surface.data(), parallel_);
    for (std::int64_t channel = 0; channel < c.channels; ++channel) {
      for (std::int64_t w = 0; w < c.width; ++w) {
        const bool inside = channel < c.extent.columns && w < c.extent.rows;
        const auto at = static_cast<std::size_t>(w * c.extent.columns + channel);
        ASSERT_EQ(ReadElement(surface.data(), layout, channel, w),
                  inside ? Rounded(matrix[at]) : 0.0f)
            << channel << ", " << w;
      }
    }
  }
}

TEST_P(Transfers, WhatIsReadBackIsWhatWasWritten) {
  const MatrixExtent extent{50, 70};
  const PlaneLayout layout{GetParam(), 96, 64, 64 * SizeOf(GetParam())};
  const auto matrix = Numbers(extent.rows * extent.columns);
  auto surface = Dirty(layout);
  UploadMatrix(matrix.data(), extent, layout, surface.data(), parallel_);
  std::vector<float> back(matrix.size());
  DownloadMatrix(surface.data(), layout, extent, back.data(), parallel_);
  for (std::size_t i = 0; i < back.size(); ++i) ASSERT_EQ(back[i], Rounded(matrix[i])) << i;
}

TEST_P(Transfers, ANumberThatIsNotFiniteIsSeenWhereverItIs) {
  const PlaneLayout layout{GetParam(), 3, 32, 32 * SizeOf(GetParam())};
  for (const float bad : {INFINITY, -INFINITY, NAN}) {
    for (const std::int64_t at : {0, 31, 50, 95}) {
      std::vector<std::byte> surface(static_cast<std::size_t>(layout.bytes()));
      EXPECT_TRUE(IsFinite(surface.data(), layout));
      WriteElement(bad, layout, at / 32, at % 32, surface.data());
      EXPECT_FALSE(IsFinite(surface.data(), layout)) << at;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Transfers, ::testing::Values(ElementType::kF16, ElementType::kF32),
                         [](const auto& tested) {
                           return tested.param == ElementType::kF16 ? "f16" : "f32";
                         });

TEST(TransferExtents, AVectorIsARowOrAColumn) {
  const SurfaceSpec bias{"bias", 64, 32}, per_row{"lse", 1, 64};
  ASSERT_OK_AND_ASSIGN(const MatrixExtent row, ExtentIn({64}, bias));
  EXPECT_EQ(row.rows, 1);
  EXPECT_EQ(row.columns, 64);
  ASSERT_OK_AND_ASSIGN(const MatrixExtent column, ExtentIn({50}, per_row));
  EXPECT_EQ(column.rows, 50);
  EXPECT_EQ(column.columns, 1);
  ASSERT_OK_AND_ASSIGN(const MatrixExtent matrix, ExtentIn({20, 3, 8}, {"x", 64, 64}));
  EXPECT_EQ(matrix.rows, 60);
  EXPECT_EQ(matrix.columns, 8);
}

TEST(TransferExtents, WhatDoesNotFitIsRefusedWithBothShapes) {
  const Status status = ExtentIn({40, 8}, {"scores", 8, 32}).status();
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  for (const char* part : {"scores", "[40, 8]", "[1, 8, 1, 32]"}) {
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
}

TEST(TransferLayouts, ASymbolMustBeThePlansSurface) {
  SymbolLayout symbol{"s3", ElementType::kF16, 8, 1, 32, 64, 64};
  EXPECT_OK(LayoutOf(symbol, {"q", 8, 32}));
  EXPECT_EQ(LayoutOf(symbol, {"q", 8, 64}).status().code(), StatusCode::kInternal);
  symbol.plane_stride = 62;
  EXPECT_EQ(LayoutOf(symbol, {"q", 8, 32}).status().code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace attune::ane
