// What is emitted, parsed and executed by code that shares nothing with the emitter
// computes what the region says.

#include <gtest/gtest.h>

#include "ane/compiler/compile.h"
#include "ane/compiler/passes.h"
#include "support/ane/image_runner.h"
#include "support/ane/random_region.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

using testing::RandomRegion;
using testing::RegionBuilder;

testing::SurfaceData Executed(const RegionBuilder& b, ElementType element,
                              testing::SurfaceData data) {
  const Result<ProgramImage> image = Emit(b.region(), b.surfaces(), element);
  EXPECT_OK(image);
  if (!image.ok()) return {};
  SerialParallel serial;
  EXPECT_OK(testing::RunImage(*image, ExactNumerics(), &serial, &data));
  testing::SurfaceData out;
  for (const RegionOutput& output : b.region().outputs) {
    out[output.surface] = data[output.surface];
  }
  return out;
}

TEST(Execute, EmittedRegionsComputeWhatTheySay) {
  SCOPED_TRACE(attune::testing::SeedNote());
  for (std::uint64_t i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    RegionBuilder b = RandomRegion::Make(attune::testing::TestSeed() + i);
    FoldConstants(&b.region());  // Primitives of scalars alone are not emitted.
    RemoveDeadCode(&b.region());
    if (i % 2 == 0) Optimize(&b.region());
    const testing::SurfaceData data = b.Data();
    const testing::SurfaceData wanted = testing::OutputsOf(b.region(), data);
    EXPECT_LT(testing::Distance(wanted, Executed(b, ElementType::kF32, data)), 1e-4);
    // Weights and scalars of fp16; everything else as before.
    EXPECT_LT(testing::Distance(wanted, Executed(b, ElementType::kF16, data)), 0.05);
  }
}

TEST(Execute, IntegerWeightsAreWithinHalfAStep) {
  RegionBuilder b;
  const TensorId weight = b.ConvWeight(16, 64);
  b.region().weights[0].storage = WeightStorage::kInt8;
  b.Output(b.Conv(b.Input(64, 32), weight));
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData wanted = testing::OutputsOf(b.region(), data);
  const double distance = testing::Distance(wanted, Executed(b, ElementType::kF16, data));
  EXPECT_GT(distance, 0);
  EXPECT_LT(distance, 64 * 0.6 / 127);
}

// A row of at most sixteen different numbers has them all in its palette.
TEST(Execute, PalettesHoldEveryNumberOfARowWithFew) {
  RegionBuilder b;
  auto matrix = std::make_shared<Tensor>(DType::kF32, Shape{15, 65});
  for (std::int64_t i = 0; i < 15 * 65; ++i) {
    matrix->f32()[static_cast<std::size_t>(i)] =
        static_cast<float>(i / 65 + 1) * 0.125f * static_cast<float>(i % 65 % 16 - 8);
  }
  const TensorId weight = b.Weight(matrix, {15, 65, 1, 1});
  b.region().weights[0].storage = WeightStorage::kPalette4;
  b.Output(b.Conv(b.Input(65, 32), weight));
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData wanted = testing::OutputsOf(b.region(), data);
  EXPECT_LT(testing::Distance(wanted, Executed(b, ElementType::kF16, data)), 1e-4);
}

TEST(Execute, PalettesComeNearRandomRows) {
  RegionBuilder b;
  const TensorId weight = b.ConvWeight(16, 256);
  b.region().weights[0].storage = WeightStorage::kPalette4;
  b.Output(b.Conv(b.Input(256, 32), weight));
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData wanted = testing::OutputsOf(b.region(), data);
  // Uniform in [-1, 1): steps of an eighth, so an error of 1 / sqrt(12 * 64) each.
  EXPECT_LT(testing::Distance(wanted, Executed(b, ElementType::kF32, data)), 2.0);
}

// The tails and copies that the emitter adds change nothing.
TEST(Execute, TailsThatAreMadeSafeKeepTheirNumbers) {
  RegionBuilder b;
  const TensorId x = b.Read(b.Surface(64, 32), {1, 2, 32, 32});
  const TensorId square = b.MatMul(x, x);
  b.Output(b.Reshape(square, {1, 1, 64, 32}));
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData wanted = testing::OutputsOf(b.region(), data);
  EXPECT_LT(testing::Distance(wanted, Executed(b, ElementType::kF32, data)), 1e-5);
}

}  // namespace
}  // namespace attune::ane
