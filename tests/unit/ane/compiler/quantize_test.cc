#include <gtest/gtest.h>

#include <cmath>

#include "ane/compiler/weight_data.h"
#include "base/philox.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

// Rows of normal numbers, each row of another size.
Weight Normal(Tensor* source, std::int64_t rows, std::int64_t columns) {
  *source = Tensor(DType::kF32, Shape{rows, columns});
  Philox random(7);
  for (std::int64_t i = 0; i < rows * columns; ++i) {
    source->f32()[static_cast<std::size_t>(i)] =
        random.NextNormal() * static_cast<float>(1 + i / columns);
  }
  WeightPiece piece;
  piece.source = source->view();
  piece.rows = rows;
  piece.columns = columns;
  Weight weight;
  weight.name = "w";
  weight.dims = {rows, columns, 1, 1};
  weight.pieces = {piece};
  return weight;
}

// Max, "Quantizing for minimum distortion" (1960): sixteen levels for a normal
// distribution leave 0.009497 of its variance.
TEST(Palette, ComesNearTheLeastErrorForNormalNumbers) {
  constexpr std::int64_t kRows = 4, kColumns = 8192;
  Tensor source;
  const Weight weight = Normal(&source, kRows, kColumns);
  ASSERT_OK_AND_ASSIGN(const PaletteWeight palette, PaletteRows(weight, ElementType::kF16));
  ASSERT_EQ(palette.palettes.size(), kRows * 16u);
  for (std::int64_t row = 0; row < kRows; ++row) {
    double error = 0;
    for (std::int64_t i = row * kColumns; i < (row + 1) * kColumns; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const unsigned both = static_cast<unsigned>(palette.indices[at / 2]);
      const unsigned index = at % 2 == 0 ? both & 15u : both >> 4;
      const float colour = palette.palettes[static_cast<std::size_t>(row) * 16 + index];
      error += std::pow(static_cast<double>(source.f32()[at] - colour), 2);
    }
    EXPECT_LT(error / kColumns / std::pow(1.0 + static_cast<double>(row), 2), 0.0099);
  }
}

TEST(Int8, GivesEveryRowItsOwnScale) {
  Tensor source;
  const Weight weight = Normal(&source, 4, 512);
  ASSERT_OK_AND_ASSIGN(const Int8Weight quantized, QuantizeRows(weight, ElementType::kF32));
  for (std::size_t i = 0; i < quantized.data.size(); ++i) {
    const float scale = quantized.scales[i / 512];
    EXPECT_NEAR(source.f32()[i], static_cast<float>(quantized.data[i]) * scale, 0.501f * scale);
  }
  EXPECT_GT(quantized.scales[3], 2 * quantized.scales[0]);
}

TEST(Int8, TakesRowsOfZeros) {
  Tensor source(DType::kF32, Shape{2, 32});
  WeightPiece piece;
  piece.source = source.view();
  piece.rows = 2;
  piece.columns = 32;
  Weight weight;
  weight.dims = {2, 32, 1, 1};
  weight.pieces = {piece};
  ASSERT_OK_AND_ASSIGN(const Int8Weight quantized, QuantizeRows(weight, ElementType::kF16));
  EXPECT_EQ(quantized.scales, (std::vector<float>{1, 1}));
  EXPECT_EQ(quantized.data, std::vector<std::int8_t>(64, 0));
}

}  // namespace
}  // namespace attune::ane
