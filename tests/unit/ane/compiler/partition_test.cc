#include <gtest/gtest.h>

#include <chrono>
#include <set>

#include "ane/compiler/compile.h"
#include "ane/compiler/work.h"
#include "support/ane/random_region.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

using testing::Distance;
using testing::RandomRegion;
using testing::RegionBuilder;

// Runs the parts in order and gives what the whole region writes.
testing::SurfaceData RunParts(const Region& whole, const std::vector<Region>& parts,
                              testing::SurfaceData data) {
  for (const Region& part : parts) testing::Interpret(part, &data);
  testing::SurfaceData out;
  for (const RegionOutput& output : whole.outputs) out[output.surface] = data.at(output.surface);
  return out;
}

std::int64_t WeightsOf(const Region& region) {
  std::int64_t weights = 0;
  for (const Weight& weight : region.weights) weights += TensorsOf(weight);
  return weights;
}

std::int64_t SurfacesOf(const Region& region) {
  std::set<SurfaceId> surfaces;
  for (const IrTensor& tensor : region.tensors) {
    if (tensor.origin == Origin::kSurface) surfaces.insert(tensor.surface);
  }
  for (const RegionOutput& output : region.outputs) surfaces.insert(output.surface);
  return static_cast<std::int64_t>(surfaces.size());
}

// A chain of layers, each a convolution with a residual.
RegionBuilder Chain(int layers, std::int64_t channels = 8) {
  RegionBuilder b;
  TensorId x = b.Input(channels, 32);
  for (int i = 0; i < layers; ++i) {
    x = b.Add(x, b.Unary(Prim::kTanh, b.Conv(x, b.ConvWeight(channels, channels))));
  }
  b.Output(x);
  return b;
}

TEST(Partition, KeepsTheMeaningOfRandomRegionsUnderTightLimits) {
  SCOPED_TRACE(attune::testing::SeedNote());
  std::size_t programs = 0;
  for (std::uint64_t i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    RegionBuilder b = RandomRegion::Make(attune::testing::TestSeed() + i, 30);
    const testing::SurfaceData data = b.Data();
    const testing::SurfaceData before = testing::OutputsOf(b.region(), data);
    if (i % 2 == 0) Optimize(&b.region());
    CompilerOptions options;
    options.max_weights = 2 + static_cast<std::int64_t>(i % 3);
    options.max_ops = 12 + static_cast<std::int64_t>(i % 20);
    options.max_surfaces = 24;
    ASSERT_OK_AND_ASSIGN(const std::vector<Region> parts,
                         Partition(b.region(), options, &b.surfaces()));
    for (const Region& part : parts) {
      ASSERT_OK(Verify(part, b.surfaces()));
      EXPECT_LE(WeightsOf(part), options.max_weights);
      EXPECT_LE(static_cast<std::int64_t>(part.nodes.size()), options.max_ops);
      EXPECT_LE(SurfacesOf(part), options.max_surfaces);
    }
    programs += parts.size();
    EXPECT_LT(Distance(before, RunParts(b.region(), parts, data)), 1e-6);
  }
  EXPECT_GT(programs, 100u);  // They were cut.
}

TEST(Partition, LeavesASmallRegionWhole) {
  RegionBuilder b = Chain(4);
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), {}, &b.surfaces()));
  ASSERT_EQ(parts.size(), 1u);
  EXPECT_EQ(parts[0].name, "test");
  EXPECT_EQ(b.surfaces().size(), 2u);
}

TEST(Partition, UsesAsFewProgramsAsTheWeightsAllow) {
  RegionBuilder b = Chain(64);
  CompilerOptions options;
  options.max_weights = 15;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  EXPECT_EQ(parts.size(), 5u);
  EXPECT_EQ(parts[1].name, "test 2");
}

// Only the residual crosses: within a layer two values would. Nine programs are needed
// either way.
TEST(Partition, CutsWhereLeastCrosses) {
  RegionBuilder b = Chain(54);
  CompilerOptions options;
  options.max_ops = 20;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  for (const Region& part : parts) EXPECT_EQ(SurfacesOf(part), 2) << Print(part);
}

TEST(Partition, CountsIntegerWeightsTwiceAndEqualOnesOnce) {
  RegionBuilder b = Chain(8);
  for (Weight& weight : b.region().weights) weight.storage = WeightStorage::kInt8;
  CompilerOptions options;
  options.max_weights = 8;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  EXPECT_EQ(parts.size(), 2u);

  RegionBuilder shared;
  TensorId x = shared.Input(8, 32);
  const TensorId weight = shared.ConvWeight(8, 8);
  for (int i = 0; i < 20; ++i) x = shared.Unary(Prim::kTanh, shared.Conv(x, weight));
  shared.Output(x);
  options.max_weights = 1;
  ASSERT_OK_AND_ASSIGN(const auto one, Partition(shared.region(), options, &shared.surfaces()));
  EXPECT_EQ(one.size(), 1u);
}

TEST(Partition, LimitsInputsAndOutputsTogether) {
  RegionBuilder b;
  TensorId x = b.Input(8, 32);
  for (int i = 0; i < 40; ++i) {
    x = b.Add(b.Unary(Prim::kTanh, x), b.Input(8, 32));
    b.Output(x);
  }
  CompilerOptions options;
  options.max_surfaces = 10;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  for (const Region& part : parts) EXPECT_LE(SurfacesOf(part), 10);
  // Four layers have four inputs and outputs each, and what enters them.
  EXPECT_EQ(parts.size(), 10u);
}

TEST(Partition, SplitsByBytesOfWeights) {
  RegionBuilder b = Chain(8, 64);  // 8 KiB each.
  CompilerOptions options;
  options.max_blob_bytes = 3 * 8192;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  EXPECT_EQ(parts.size(), 3u);
}

TEST(Partition, NamesTheNodeAndTheLimitThatCannotBeMet) {
  RegionBuilder b = Chain(2, 64);
  CompilerOptions options;
  options.max_blob_bytes = 8191;
  const Status status = Partition(b.region(), options, &b.surfaces()).status();
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  EXPECT_NE(status.message().find("conv of node 0"), std::string::npos) << status.ToString();
  EXPECT_NE(status.message().find("8192 bytes of weights, limit 8191"), std::string::npos);
}

TEST(Partition, RefusesExtentsThatSomeChipsDoNotTake) {
  RegionBuilder b;
  b.Output(b.Unary(Prim::kTanh, b.Input(32, 16416)));
  const Status status = Partition(b.region(), {}, &b.surfaces()).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_NE(status.message().find("16416 on axis 3, limit 16384"), std::string::npos);
}

// A value whose width is no multiple of 32 stays inside: the cut moves.
TEST(Partition, NeverCutsThroughNarrowValues) {
  RegionBuilder b;
  TensorId x = b.Input(8, 32);
  for (int i = 0; i < 12; ++i) {
    const TensorId narrow = b.Reduce(Prim::kReduceMax, x, 3);
    x = b.Binary(Prim::kSub, b.Unary(Prim::kTanh, x), narrow);
  }
  b.Output(x);
  CompilerOptions options;
  options.max_ops = 4;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  EXPECT_EQ(parts.size(), 12u);
  for (const SurfaceSpec& spec : b.surfaces()) EXPECT_EQ(spec.width % 32, 0);
}

// Reshaped inputs are reshaped again where they are read.
TEST(Partition, TakesLooksAtInputsAgain) {
  RegionBuilder b;
  const TensorId table = b.Reshape(b.Input(8, 32), {1, 1, 8, 32});
  const TensorId minus = b.Mul(table, b.Scalar(-1));
  TensorId x = b.Read(b.Surface(16, 32), {1, 2, 8, 32});
  for (int i = 0; i < 12; ++i) {
    x = b.Add(b.Unary(Prim::kTanh, x), b.Binary(Prim::kMaximum, table, minus));
  }
  b.Output(x);
  CompilerOptions options;
  options.max_ops = 10;
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(b.region(), options, &b.surfaces()));
  ASSERT_GT(parts.size(), 2u);
  for (const Region& part : parts) EXPECT_EQ(SurfacesOf(part), 3);
}

TEST(Partition, IsDeterministicAndQuickForThousandsOfNodes) {
  RegionBuilder a = Chain(1500), b = Chain(1500);
  const auto start = std::chrono::steady_clock::now();
  ASSERT_OK_AND_ASSIGN(const auto parts, Partition(a.region(), {}, &a.surfaces()));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 5.0);  // Far above what it takes; sanitizers are slow.
  ASSERT_OK_AND_ASSIGN(const auto again, Partition(b.region(), {}, &b.surfaces()));
  ASSERT_EQ(parts.size(), again.size());
  for (std::size_t i = 0; i < parts.size(); ++i) EXPECT_EQ(Print(parts[i]), Print(again[i]));
}

// --- Work ---

TEST(Work, CountsArithmeticBytesAndOperations) {
  RegionBuilder b;
  const TensorId x = b.Input(64, 32);
  const TensorId y = b.Conv(x, b.ConvWeight(32, 64));
  const TensorId heads = b.Reshape(y, {1, 4, 8, 32});
  const TensorId scores = b.Softmax(b.MatMul(heads, heads, true), 2);
  b.Output(b.Reduce(Prim::kReduceMax, scores, 2));
  const Work work = WorkOf(b.region(), b.surfaces(), ElementType::kF16);
  EXPECT_EQ(work.product_flops, 2.0 * 4 * 32 * 32 * 8);
  EXPECT_EQ(work.matrix_flops, 2.0 * 32 * 64 * 32 + work.product_flops);
  EXPECT_EQ(work.elementwise_flops, 6.0 * 4 * 32 * 32);  // Five of them the softmax.
  EXPECT_EQ(work.weight_bytes, 32.0 * 64 * 2);
  EXPECT_EQ(work.surface_bytes, 2.0 * (64 * 32 + 4 * 32));
  EXPECT_EQ(work.ops, 5);
  // Written: y, the product, its softmax, the output; read: y twice, the other two.
  EXPECT_EQ(work.internal_bytes, 2.0 * (3 * 32 * 32 + 4 * 4 * 32 * 32 + 4 * 32));
  EXPECT_EQ(work.largest_live_bytes, 2.0 * 2 * 4 * 32 * 32);
}

// They are in their surfaces; only what is read again has to stay on the chip.
TEST(Work, KeepsOutputsOnTheChipUntilTheyAreLastReadOnly) {
  RegionBuilder b;
  TensorId x = b.Input(64, 32);
  for (int i = 0; i < 6; ++i) {
    x = b.Conv(x, b.ConvWeight(64, 64));
    b.Output(x);
  }
  const Work work = WorkOf(b.region(), b.surfaces(), ElementType::kF16);
  EXPECT_EQ(work.largest_live_bytes, 2.0 * 2 * 64 * 32);  // What a node reads and writes.
}

TEST(Work, CountsIntegerWeightsWithTheirScales) {
  RegionBuilder b;
  b.Output(b.Conv(b.Input(64, 32), b.ConvWeight(32, 64)));
  b.region().weights[0].storage = WeightStorage::kInt8;
  EXPECT_EQ(WorkOf(b.region(), b.surfaces(), ElementType::kF16).weight_bytes, 32 * 64 + 32 * 2);
}

}  // namespace
}  // namespace attune::ane
