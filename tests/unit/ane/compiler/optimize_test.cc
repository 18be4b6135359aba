#include <gtest/gtest.h>

#include "ane/compiler/compile.h"
#include "ane/compiler/passes.h"
#include "support/ane/random_region.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

using testing::Distance;
using testing::OutputsOf;
using testing::RandomRegion;
using testing::RegionBuilder;

std::int64_t Count(const Region& region, Prim prim) {
  return std::ranges::count(region.nodes, prim, &IrNode::prim);
}

// --- Properties, over random regions ---

struct Pass {
  const char* name;
  void (*run)(Region*);
};
void PrintTo(const Pass& pass, std::ostream* out) { *out << pass.name; }

class EveryPass : public ::testing::TestWithParam<Pass> {};

TEST_P(EveryPass, KeepsRegionsSoundAndTheirMeaning) {
  SCOPED_TRACE(attune::testing::SeedNote());
  for (std::uint64_t i = 0; i < 40; ++i) {
    SCOPED_TRACE(i);
    RegionBuilder b = RandomRegion::Make(attune::testing::TestSeed() + i);
    ASSERT_OK(Verify(b.region(), b.surfaces()));
    const testing::SurfaceData data = b.Data();
    const testing::SurfaceData before = OutputsOf(b.region(), data);
    GetParam().run(&b.region());
    ASSERT_OK(Verify(b.region(), b.surfaces()));
    ASSERT_LT(Distance(before, OutputsOf(b.region(), data)), 1e-6) << Print(b.region());
  }
}

TEST_P(EveryPass, FindsNothingToDoASecondTime) {
  for (std::uint64_t i = 0; i < 40; ++i) {
    RegionBuilder b = RandomRegion::Make(attune::testing::TestSeed() + i);
    for (int round = 0; round < 3; ++round) Optimize(&b.region());
    const std::string once = Print(b.region());
    GetParam().run(&b.region());
    RemoveDeadCode(&b.region());
    EXPECT_EQ(Print(b.region()), once);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Optimize, EveryPass,
    ::testing::Values(Pass{"RemoveDeadCode", RemoveDeadCode},
                      Pass{"EliminateCommonSubexpressions", EliminateCommonSubexpressions},
                      Pass{"EliminateIdentities", EliminateIdentities},
                      Pass{"FoldConstants", FoldConstants}, Pass{"FoldScales", FoldScales},
                      Pass{"MergeWeights", MergeWeights}, Pass{"WidenProducts", WidenProducts},
                      Pass{"Optimize", Optimize}),
    [](const auto& instance) { return std::string(instance.param.name); });

// --- What each of them does ---

TEST(DeadCode, DropsNodesLeavesAndWeightsThatNothingReads) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.Conv(b.Input(32, 32), b.ConvWeight(32, 32));
  const TensorId weight = b.ConvWeight(16, 32);
  b.Output(b.Conv(x, weight));
  RemoveDeadCode(&b.region());
  EXPECT_EQ(b.region().nodes.size(), 1u);
  EXPECT_EQ(b.region().weights.size(), 1u);
  EXPECT_EQ(b.region().tensors.size(), 3u);
  EXPECT_OK(Verify(b.region(), b.surfaces()));
}

TEST(CommonSubexpressions, BakesEqualNumbersOnce) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  const auto matrix = b.Matrix(32, 32);
  const auto copy = std::make_shared<Tensor>(ToF32(matrix->view()));
  const TensorId y = b.Conv(x, b.Weight(matrix, {32, 32, 1, 1}));
  const TensorId z = b.Conv(y, b.Weight(copy, {32, 32, 1, 1}));
  b.Output(b.Conv(z, b.Weight(matrix, {32, 32, 1, 1}, true)));
  EliminateCommonSubexpressions(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(b.region().weights.size(), 2u);  // The transposed one is another.
}

TEST(CommonSubexpressions, TakesSumsInEitherOrderAndDifferencesNot) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32), y = b.Input(32, 32);
  b.Output(b.Add(x, y));
  b.Output(b.Add(y, x));
  b.Output(b.Binary(Prim::kSub, x, y));
  b.Output(b.Binary(Prim::kSub, y, x));
  EliminateCommonSubexpressions(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kAdd), 1);
  EXPECT_EQ(Count(b.region(), Prim::kSub), 2);
}

TEST(Identities, RemovesWhatDoesNothing) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  TensorId y = b.Unary(Prim::kIdentity, b.Mul(b.Scalar(1), b.Add(x, b.Scalar(0))));
  y = b.Reshape(b.Reshape(y, {1, 4, 8, 32}), {1, 32, 1, 32});
  y = b.Transpose(b.Transpose(y, {0, 3, 1, 2}), {0, 2, 3, 1});
  const TensorId most = b.Slice(y, {0, 0, 0, 0}, {1, 24, 1, 32});
  y = b.Concat({most, b.Slice(y, {0, 24, 0, 0}, {1, 8, 1, 32})}, 1);
  b.Output(b.Unary(Prim::kTanh, y));
  EliminateIdentities(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(b.region().nodes.size(), 1u) << Print(b.region());
}

TEST(Identities, KeepsADifferenceFromZeroAndAOneThatBroadcasts) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.Output(b.Binary(Prim::kSub, b.Scalar(0), x));
  b.Output(b.Concat(
      {b.Slice(x, {0, 8, 0, 0}, {1, 24, 1, 32}), b.Slice(x, {0, 0, 0, 0}, {1, 8, 1, 32})}, 1));
  EliminateIdentities(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kSub), 1);
  EXPECT_EQ(Count(b.region(), Prim::kConcat), 1);
}

TEST(Identities, JoinsTransposesInTheirOrder) {
  RegionBuilder b;
  const TensorId x = b.Read(b.Surface(64, 32), {1, 4, 16, 32});
  b.Output(b.Transpose(b.Transpose(x, {0, 2, 1, 3}), {0, 1, 3, 2}));
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData before = OutputsOf(b.region(), data);
  EliminateIdentities(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kTranspose), 1);
  ASSERT_OK(Verify(b.region(), b.surfaces()));
  EXPECT_EQ(Distance(before, OutputsOf(b.region(), data)), 0);
}

TEST(Identities, SlicesTheOperandOfAConcatenation) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32), y = b.Input(16, 32);
  const TensorId joined = b.Concat({x, y}, 1);
  b.Output(b.Slice(joined, {0, 32, 0, 0}, {1, 16, 1, 32}));  // All of y.
  b.Output(b.Slice(joined, {0, 36, 0, 0}, {1, 8, 1, 32}));   // A part of it.
  b.Output(b.Slice(joined, {0, 28, 0, 0}, {1, 8, 1, 32}));   // Across both.
  EliminateIdentities(&b.region());
  EXPECT_EQ(b.region().outputs[0].tensor, y);
  ASSERT_EQ(Count(b.region(), Prim::kSlice), 2);
  EXPECT_EQ(b.region().nodes[1].inputs[0], y);
  EXPECT_EQ(b.region().nodes[1].begin[1], 4);
  EXPECT_EQ(b.region().nodes[2].inputs[0], joined);
}

TEST(FoldConstants, JoinsFactorsThatFp16HoldsTogether) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.Output(b.Mul(b.Mul(x, b.Scalar(0.5f)), b.Scalar(0.25f)));
  // 2^-20 would be subnormal: two steps keep their precision.
  b.Output(b.Mul(b.Mul(x, b.Scalar(0x1p-10f)), b.Scalar(0x1p-10f)));
  FoldConstants(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kMul), 3) << Print(b.region());
}

TEST(FoldConstants, ScalesBakedVectors) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  const TensorId vector = b.Weight(b.Matrix(32, 1), {1, 32, 1, 1});
  b.Output(b.Mul(x, b.Mul(b.Mul(vector, b.Scalar(0.5f)), b.Scalar(3))));
  FoldConstants(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kMul), 1);
  ASSERT_EQ(b.region().weights.size(), 1u);
  EXPECT_EQ(b.region().weights[0].pieces[0].scale, 1.5f);
}

TEST(FoldScales, PutsFactorsIntoWeightsBesideThem) {
  for (const bool before : {false, true}) {
    RegionBuilder b;
    TensorId x = b.Input(32, 32);
    const TensorId weight = b.ConvWeight(16, 32);
    if (before) x = b.Mul(x, b.Scalar(0.125f));
    x = b.Conv(x, weight);
    if (!before) x = b.Mul(x, b.Scalar(0.125f));
    b.Output(x);
    FoldScales(&b.region());
    RemoveDeadCode(&b.region());
    ASSERT_EQ(b.region().nodes.size(), 1u);
    EXPECT_EQ(b.region().weights[0].pieces[0].scale, 0.125f);
  }
}

TEST(FoldScales, ScalesTheSmallerOperandOfAProductBeforeIt) {
  RegionBuilder b;
  const TensorId weight = b.ConvWeight(32, 32);
  const TensorId q = b.Reshape(b.Conv(b.Input(32, 128), weight), {1, 4, 8, 128});
  const TensorId k = b.Reshape(b.Input(32, 128), {1, 4, 8, 128});
  b.Output(b.Mul(b.MatMul(q, k, true), b.Scalar(0.35f)));
  FoldScales(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(b.region().nodes.back().prim, Prim::kMatMul);
  ASSERT_EQ(Count(b.region(), Prim::kMul), 1);
  EXPECT_EQ(b.dims(b.region().nodes.back().inputs[0]), (Dims{1, 4, 8, 128}));
}

// Nothing is made larger, and nothing that others read.
TEST(FoldScales, LeavesFactorsThatWouldDoHarm) {
  for (const float factor : {2.0f, 0x1p-9f, -1.5f}) {
    RegionBuilder b;
    b.Output(b.Mul(b.Conv(b.Input(32, 32), b.ConvWeight(16, 32)), b.Scalar(factor)));
    FoldScales(&b.region());
    EXPECT_EQ(Count(b.region(), Prim::kMul), 1) << factor;
  }
  RegionBuilder b;
  const TensorId y = b.Conv(b.Input(32, 32), b.ConvWeight(16, 32));
  b.Output(b.Mul(y, b.Scalar(0.5f)));
  b.Output(b.Unary(Prim::kTanh, y));
  FoldScales(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kMul), 1);
}

// A sum's ones are large where products of small terms would be lost.
TEST(FoldScales, LeavesWeightsThatWereChosenForTheirRange) {
  RegionBuilder b;
  b.Output(b.Mul(b.Conv(b.Input(32, 32), b.ConvWeight(16, 32)), b.Scalar(0.125f)));
  b.region().weights[0].fixed = true;
  FoldScales(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kMul), 1);
  EXPECT_EQ(b.region().weights[0].pieces[0].scale, 1.0f);
}

TEST(FoldScales, LeavesWeightsThatOthersReadAsTheyAre) {
  RegionBuilder b;
  const TensorId weight = b.ConvWeight(32, 32);
  const TensorId y = b.Conv(b.Input(32, 32), weight);
  b.Output(b.Mul(b.Conv(b.Unary(Prim::kTanh, y), weight), b.Scalar(0.5f)));
  FoldScales(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(b.region().weights.size(), 1u);
  EXPECT_EQ(Count(b.region(), Prim::kMul), 1);
}

TEST(MergeWeights, StacksConvolutionsOverOneInput) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  for (int i = 0; i < 3; ++i) b.Output(b.Conv(x, b.ConvWeight(8 * (i + 1), 32)));
  MergeWeights(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConv), 1);
  EXPECT_EQ(Count(b.region(), Prim::kSlice), 3);
  ASSERT_EQ(b.region().weights.size(), 1u);
  EXPECT_EQ(b.region().weights[0].dims, (Dims{48, 32, 1, 1}));
  EXPECT_EQ(b.region().nodes[0].label, "node 0, node 1, node 2");
}

// The other form of a linear, for a chip that is faster at it.
TEST(MergeWeights, StacksConstantsOfProductsOverOneInput) {
  RegionBuilder b;
  const TensorId x = b.Reshape(b.Input(64, 32), {1, 1, 64, 32});
  for (int i = 0; i < 3; ++i) {
    const std::int64_t rows = 8 * (i + 1);
    b.Output(b.MatMul(b.Weight(b.Matrix(rows, 64), {1, 1, rows, 64}), x));
  }
  const testing::SurfaceData data = b.Data();
  const testing::SurfaceData before = OutputsOf(b.region(), data);
  MergeWeights(&b.region());
  RemoveDeadCode(&b.region());
  ASSERT_OK(Verify(b.region(), b.surfaces()));
  EXPECT_EQ(Count(b.region(), Prim::kMatMul), 1);
  EXPECT_EQ(b.region().weights[0].dims, (Dims{1, 1, 48, 64}));
  EXPECT_LT(Distance(before, OutputsOf(b.region(), data)), 1e-9);
}

TEST(MergeWeights, JoinsConvolutionsIntoOneSum) {
  RegionBuilder b;
  const TensorId base = b.Input(16, 32);
  TensorId sum = base;
  for (int i = 0; i < 3; ++i) {
    const TensorId x = b.Input(32, 32);
    sum = b.Add(sum, b.Conv(x, b.ConvWeight(16, 32)));
  }
  b.Output(sum);
  MergeWeights(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConv), 1);
  EXPECT_EQ(Count(b.region(), Prim::kAdd), 1);
  ASSERT_EQ(b.region().weights.size(), 1u);
  EXPECT_EQ(b.region().weights[0].dims, (Dims{16, 96, 1, 1}));
}

TEST(MergeWeights, LeavesSumsThatAreReadOnTheWay) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32), y = b.Input(32, 32);
  const TensorId first = b.Conv(x, b.ConvWeight(16, 32));
  b.Output(b.Unary(Prim::kTanh, first));
  b.Output(b.Add(first, b.Conv(y, b.ConvWeight(16, 32))));
  MergeWeights(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConv), 2);
  EXPECT_EQ(Count(b.region(), Prim::kConcat), 0);
}

TEST(MergeWeights, LeavesPartialSumsThatAreReadOnTheWay) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32), y = b.Input(32, 32), z = b.Input(16, 32);
  const TensorId partial = b.Add(z, b.Conv(x, b.ConvWeight(16, 32)));
  b.Output(partial);
  b.Output(b.Add(partial, b.Conv(y, b.ConvWeight(16, 32))));
  MergeWeights(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConcat), 0);
}

TEST(MergeWeights, StaysBelowTheLargestExtents) {
  RegionBuilder b;
  const TensorId x = b.Input(8, 32);
  for (int i = 0; i < 3; ++i) b.Output(b.Conv(x, b.ConvWeight(8000, 8)));
  MergeWeights(&b.region());
  RemoveDeadCode(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConv), 2);  // 16000 and 8000 channels.
}

TEST(MergeWeights, KeepsBakedIntegersApartFromFractions) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.Output(b.Conv(x, b.ConvWeight(16, 32)));
  b.Output(b.Conv(x, b.ConvWeight(16, 32)));
  const TensorId y = b.Input(32, 32), z = b.Input(32, 32);
  b.Output(b.Add(b.Conv(y, b.ConvWeight(16, 32)), b.Conv(z, b.ConvWeight(16, 32))));
  b.region().weights[1].storage = b.region().weights[3].storage = WeightStorage::kInt8;
  MergeWeights(&b.region());
  EXPECT_EQ(Count(b.region(), Prim::kConv), 4);
}

TEST(WidenProducts, RepeatsExtentsThatAreRefused) {
  for (const bool transposed : {false, true}) {
    RegionBuilder b;
    const TensorId x = b.Read(b.Surface(6, 32), {1, 3, 2, 32});
    const TensorId y = b.Unary(Prim::kTanh, x);
    const TensorId scores = b.MatMul(x, y, true);      // Over two channels.
    b.Output(b.MatMul(x, scores, false, transposed));  // Two rows.
    b.Output(b.MatMul(scores, x, transposed, true));   // Two columns.
    b.surfaces().back() = {"narrow", 3 * 32, 2};
    const testing::SurfaceData data = b.Data();
    const testing::SurfaceData before = OutputsOf(b.region(), data);
    WidenProducts(&b.region());
    ASSERT_OK(Verify(b.region(), b.surfaces()));
    EXPECT_LT(Distance(before, OutputsOf(b.region(), data)), 1e-9);
    for (const IrNode& node : b.region().nodes) {
      if (node.prim != Prim::kMatMul) continue;
      for (const TensorId input : node.inputs) {
        EXPECT_GE(std::min(b.dims(input)[2], b.dims(input)[3]), 32);
      }
    }
  }
}

}  // namespace
}  // namespace attune::ane
