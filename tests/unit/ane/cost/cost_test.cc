#include "ane/cost/cost.h"

#include <gtest/gtest.h>

#include <array>

namespace attune::ane {
namespace {

// Round numbers, so that expectations can be worked out in the head.
ChipCost RoundChip() {
  ChipCost chip;
  chip.floor_seconds = 1;
  chip.matrix_rate = 100;
  chip.product_rate = 10;
  chip.elementwise_rate = 50;
  chip.weight_bandwidth = 20;
  chip.surface_bandwidth = 40;
  chip.onchip_bytes = 1000;
  chip.compile_seconds = 5;
  chip.compile_seconds_per_byte = 0.5;
  chip.wake_seconds = 7;
  chip.idle_seconds = 60;
  chip.active_watts = 3;
  chip.floor_watts = 2;
  chip.joules_per_byte = 0.25;
  chip.host_rate = 8;
  chip.host_bandwidth = 4;
  return chip;
}

double Seconds(const Work& work) { return PredictEvaluation(RoundChip(), work).seconds; }

TEST(Cost, AnEvaluationOfNothingTakesTheFloor) {
  EXPECT_DOUBLE_EQ(Seconds({}), 1);
  EXPECT_DOUBLE_EQ(PredictEvaluation(RoundChip(), {}).joules, 2);
}

TEST(Cost, KindsOfArithmeticAddUp) {
  Work work;
  work.matrix_flops = 300;
  work.elementwise_flops = 100;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 3 + 2);
}

TEST(Cost, KindsOfBytesAddUp) {
  Work work;
  work.weight_bytes = 60;
  work.surface_bytes = 80;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 3 + 2);
}

TEST(Cost, ArithmeticAndMovingOverlap) {
  Work work;
  work.matrix_flops = 300;
  work.weight_bytes = 40;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 3);
  work.weight_bytes = 100;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 5);
}

TEST(Cost, IntermediateResultsAreMovedAsFarAsTheyDoNotFit) {
  Work work;
  work.internal_bytes = 400;
  work.largest_live_bytes = 1000;
  EXPECT_DOUBLE_EQ(Seconds(work), 1);
  work.largest_live_bytes = 4000;  // Three quarters outside: 300 bytes.
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 15);
}

TEST(Cost, ProductsAreSlowAsFarAsTheyDoNotFit) {
  Work work;
  work.matrix_flops = 400;
  work.product_flops = 400;
  work.largest_live_bytes = 1000;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 4);
  work.largest_live_bytes = 2000;
  EXPECT_DOUBLE_EQ(Seconds(work), 1 + 2 + 20);
}

TEST(Cost, EnergyIsOfTheFloorOfArithmeticAndOfBytes) {
  Work work;
  work.matrix_flops = 300;
  work.weight_bytes = 8;
  work.surface_bytes = 4;
  EXPECT_DOUBLE_EQ(PredictEvaluation(RoundChip(), work).joules, 2 + 9 + 3);
}

TEST(Cost, TheFirstEvaluationsAreSlower) {
  const ChipCost chip = RoundChip();
  double before = 1e9;
  for (const std::int64_t k : {0, 1, 2, 3}) {
    const double now = PredictEvaluation(chip, {}, k, 0).seconds;
    EXPECT_LT(now, before) << k;
    before = now;
  }
  EXPECT_DOUBLE_EQ(before, 1);
  EXPECT_DOUBLE_EQ(PredictEvaluation(chip, {}, 1000, 0).seconds, 1);
}

TEST(Cost, IdlenessIsPaidForOnceItLastedLongEnough) {
  const ChipCost chip = RoundChip();
  EXPECT_DOUBLE_EQ(PredictEvaluation(chip, {}, 9, 59.9).seconds, 1);
  EXPECT_DOUBLE_EQ(PredictEvaluation(chip, {}, 9, 60).seconds, 8);
  EXPECT_DOUBLE_EQ(PredictEvaluation(chip, {}, 9, 60).joules, 2 + 14);
}

TEST(Cost, CompilingGrowsWithTheWeights) {
  Work work;
  EXPECT_DOUBLE_EQ(PredictCompile(RoundChip(), work), 5);
  work.weight_bytes = 6;
  EXPECT_DOUBLE_EQ(PredictCompile(RoundChip(), work), 8);
}

TEST(Cost, TheHostComputesAndMovesAtOnce) {
  EXPECT_DOUBLE_EQ(PredictHost(RoundChip(), 16, 4), 2);
  EXPECT_DOUBLE_EQ(PredictHost(RoundChip(), 16, 12), 3);
}

TEST(Cost, WorkAddsUpButNotItsWorkingSet) {
  Work a, b;
  a.matrix_flops = 1, a.largest_live_bytes = 5, a.ops = 2;
  b.matrix_flops = 2, b.largest_live_bytes = 3, b.ops = 4;
  b.product_flops = 3, b.elementwise_flops = 4, b.weight_bytes = 5;
  b.surface_bytes = 6, b.internal_bytes = 7;
  a += b;
  EXPECT_EQ(a.matrix_flops, 3);
  EXPECT_EQ(a.product_flops, 3);
  EXPECT_EQ(a.elementwise_flops, 4);
  EXPECT_EQ(a.weight_bytes, 5);
  EXPECT_EQ(a.surface_bytes, 6);
  EXPECT_EQ(a.internal_bytes, 7);
  EXPECT_EQ(a.largest_live_bytes, 5);
  EXPECT_EQ(a.ops, 6);
}

constexpr std::array<double Work::*, 7> kParts = {
    &Work::matrix_flops,  &Work::product_flops,  &Work::elementwise_flops,  &Work::weight_bytes,
    &Work::surface_bytes, &Work::internal_bytes, &Work::largest_live_bytes,
};

Work LayerOfAModel() {
  Work work;
  work.matrix_flops = 4e9;
  work.product_flops = 1e9;
  work.elementwise_flops = 1e7;
  work.weight_bytes = 1.4e7;
  work.surface_bytes = 4e6;
  work.internal_bytes = 2e7;
  work.largest_live_bytes = 6e6;
  return work;
}

// More of anything never takes less time or energy, on any chip and for any balance
// of arithmetic and moving.
TEST(Chips, MoreWorkNeverCostsLess) {
  for (int c = 0; c < kChips; ++c) {
    SCOPED_TRACE(c);
    const ChipCost& chip = CostOf(static_cast<Chip>(c));
    for (const auto part : kParts) {
      for (const double scale : {0.01, 1.0, 100.0}) {
        Work work = LayerOfAModel();
        work.weight_bytes *= scale;
        const Prediction less = PredictEvaluation(chip, work);
        work.*part *= 1.7;
        const Prediction more = PredictEvaluation(chip, work);
        EXPECT_GE(more.seconds, less.seconds);
        EXPECT_GE(more.joules, less.joules);
      }
    }
  }
}

TEST(Chips, EveryConstantIsOfItsOrderOfMagnitude) {
  for (int c = 0; c < kChips; ++c) {
    SCOPED_TRACE(c);
    const ChipCost& chip = CostOf(static_cast<Chip>(c));
    EXPECT_GT(chip.floor_seconds, 2e-5);
    EXPECT_LT(chip.floor_seconds, 1e-3);
    EXPECT_GT(chip.matrix_rate, 5e12);
    EXPECT_LT(chip.matrix_rate, 4e13);
    EXPECT_GT(chip.product_rate, 1e12);
    EXPECT_LE(chip.product_rate, chip.matrix_rate);
    EXPECT_GE(chip.int8_factor, 1);
    EXPECT_LE(chip.int8_factor, 2);
    EXPECT_GT(chip.elementwise_rate, 1e10);
    EXPECT_GT(chip.weight_bandwidth, 2e10);
    EXPECT_LT(chip.weight_bandwidth, 3e11);
    EXPECT_GT(chip.surface_bandwidth, 1e10);
    EXPECT_GT(chip.onchip_bytes, 1e6);
    EXPECT_GT(chip.compile_seconds, 5e-3);
    EXPECT_GT(chip.load_seconds, 1e-3);
    EXPECT_GT(chip.contention, 1);
    EXPECT_GT(chip.active_watts, 0.5);
    EXPECT_LT(chip.active_watts, 20);
    EXPECT_GT(chip.host_rate, 1e11);
    EXPECT_GT(chip.host_bandwidth, 1e10);
    EXPECT_GT(UncertaintyOf(static_cast<Chip>(c)), 1);
    EXPECT_LT(UncertaintyOf(static_cast<Chip>(c)), 3);
  }
  EXPECT_GT(StepUncertainty().half, 1);
  EXPECT_GE(StepUncertainty().most, StepUncertainty().half);
}

// A published figure that no constant was fitted to: the stack of 96 convolutions of
// 512 channels over 64 columns, 0.302 ms on an M4.
TEST(Chips, AStackOfConvolutionsOnAnM4TakesWhatWasPublished) {
  Work work;
  work.matrix_flops = 96.0 * 2 * 512 * 512 * 64;
  work.weight_bytes = 512 * 512 * 2;  // The benchmark's layers share their weights.
  work.surface_bytes = 2 * 512 * 64 * 4;
  const double seconds = PredictEvaluation(CostOf(Chip::kM4), work).seconds;
  EXPECT_NEAR(seconds, 0.302e-3, 0.302e-3 * (UncertaintyOf(Chip::kM4) - 1));
}

}  // namespace
}  // namespace attune::ane
