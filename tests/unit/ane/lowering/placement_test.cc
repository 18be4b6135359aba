// What runs where, in which order, and how much of it is moved.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "ane/compiler/lowering/placement.h"
#include "graph/builder.h"
#include "support/status_matchers.h"
#include "unit/ane/lowering/decoder_programs.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

using attune::testing::TestSeed;
using testing::LogitsProgram;
using testing::LossProgram;
using testing::OpProgram;
using testing::TinyDecoder;

Result<Lowered> LowerProgram(const OpProgram& program, const CompilerOptions& options = {}) {
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  return Lower(program.graph, frozen.views, options);
}

template <typename T>
std::size_t CountSteps(const Plan& plan) {
  return static_cast<std::size_t>(
      std::count_if(plan.steps.begin(), plan.steps.end(),
                    [](const Step& step) { return std::holds_alternative<T>(step); }));
}

// "H" for host nodes, "D" for programs.
std::string Turns(const Plan& plan) {
  std::string turns;
  for (const Step& step : plan.steps) {
    if (std::holds_alternative<RunHost>(step)) turns += 'H';
    if (std::holds_alternative<RunPrograms>(step)) turns += 'D';
  }
  return turns;
}

const Placement& PlacementOf(const Plan& plan, OpKind op) {
  for (std::size_t n = 0; n < plan.graph.nodes().size(); ++n) {
    if (plan.graph.nodes()[n].op == op) return plan.placements[n];
  }
  ATTUNE_CHECK(false && "no such op in the graph");
  return plan.placements[0];
}

TEST(Placement, GenerationTurnsToTheHostForEveryAttention) {
  for (const auto family : {DecoderFamily::kGpt2, DecoderFamily::kLlama, DecoderFamily::kQwen2,
                            DecoderFamily::kQwen3}) {
    SCOPED_TRACE(DecoderFamilyName(family));
    for (const std::int64_t tokens : {1, 16}) {
      DecoderConfig config = TinyDecoder(family);
      config.layers = 3;
      const auto lowered = LowerProgram(LogitsProgram(config, tokens, 5, TestSeed()));
      ASSERT_OK(lowered);
      // Embedding, then [norm, qkv], attention, [o, mlp, norm, qkv], ..., last row, logits.
      EXPECT_EQ(Turns(lowered->plan), "HDHDHDHDH");
      EXPECT_EQ(lowered->regions.size(), 4u);
      EXPECT_EQ(PlacementOf(lowered->plan, OpKind::kAttention).reason, "over a cache");
      EXPECT_EQ(PlacementOf(lowered->plan, OpKind::kEmbedding).reason, "gather");
    }
  }
}

TEST(Placement, TrainingIsOneForwardAndOneBackwardRegion) {
  for (const auto family : {DecoderFamily::kGpt2, DecoderFamily::kLlama, DecoderFamily::kQwen2,
                            DecoderFamily::kQwen3}) {
    SCOPED_TRACE(DecoderFamilyName(family));
    const OpProgram program = LossProgram({.config = TinyDecoder(family)}, TestSeed());
    CompilerOptions options;
    options.head = HeadPlacement::kHost;
    const auto on_host = LowerProgram(program, options);
    ASSERT_OK(on_host);
    EXPECT_EQ(Turns(on_host->plan), "HDHD");
    EXPECT_EQ(on_host->regions[0].name, "forward 0");
    EXPECT_EQ(on_host->regions[1].name, "backward 1");
    options.head = HeadPlacement::kDevice;
    const auto on_device = LowerProgram(program, options);
    ASSERT_OK(on_device);
    EXPECT_EQ(Turns(on_device->plan), "HDD");
    EXPECT_EQ(CountSteps<LossTail>(on_device->plan), 1u);
    EXPECT_TRUE(PlacementOf(on_device->plan, OpKind::kLinearCrossEntropyJoint).on_device);
  }
}

TEST(Placement, TrainingMovesOnlyActivationsAdaptersAndGradients) {
  const OpProgram program = LossProgram({.config = TinyDecoder(DecoderFamily::kLlama)}, TestSeed());
  CompilerOptions options;
  options.head = HeadPlacement::kHost;
  const auto lowered = LowerProgram(program, options);
  ASSERT_OK(lowered);
  std::size_t trainable = 0;
  for (const Value& value : program.graph.values()) {
    trainable += value.leaf == Leaf::kParameter && value.trainable;
  }
  // The embedded rows and the gradient of the last hidden state go in beside the
  // adapters; the last hidden state and the adapters' gradients come out.
  EXPECT_EQ(CountSteps<Upload>(lowered->plan), trainable + 2);
  EXPECT_EQ(CountSteps<Download>(lowered->plan), trainable + 1);
  EXPECT_EQ(CountSteps<MakeMask>(lowered->plan), 1u);
  EXPECT_EQ(CountSteps<MakeRotation>(lowered->plan), 1u);
  EXPECT_GT(lowered->plan.uploads, 0);
  EXPECT_GT(lowered->plan.downloads, 0);
  EXPECT_GT(lowered->plan.host_flops, 0);
}

TEST(Placement, HeadGoesWhereItIsCheaper) {
  const auto place = [](std::int64_t vocabulary, std::int64_t width, std::int64_t rows) {
    Graph graph;
    GraphBuilder b(&graph);
    const ValueId x = graph.AddInput("x", {DType::kF32, {rows, width}});
    const ValueId weight = graph.AddParameter("w", {DType::kF32, {vocabulary, width}}, false);
    const ValueId labels = graph.AddInput("labels", {DType::kI32, {rows}});
    const ValueId weights = graph.AddInput("weights", {DType::kF32, {rows}});
    graph.AddOutput("loss", b.LinearCrossEntropy(x, weight, labels, weights));
    return PlaceNodes(graph, {}, std::vector<std::int64_t>(graph.values().size(), 1)).at(0);
  };
  EXPECT_EQ(place(32000, 768, 256).where, Where::kHead);
  EXPECT_NE(place(32000, 768, 256).reason.find("ms on the device"), std::string::npos);
}

TEST(Placement, TrainableHeadStaysOnTheHost) {
  const OpProgram program = LossProgram(
      {.config = TinyDecoder(DecoderFamily::kGpt2), .training = testing::Training::kFull},
      TestSeed());
  CompilerOptions options;
  options.head = HeadPlacement::kDevice;
  const auto lowered = LowerProgram(program, options);
  ASSERT_OK(lowered);
  EXPECT_FALSE(PlacementOf(lowered->plan, OpKind::kLinearCrossEntropyJoint).on_device);
}

// embedding -> add -> softmax -> linear, add, mul -> softmax.
OpProgram TwoIslands() {
  OpProgram program;
  Graph& graph = program.graph;
  GraphBuilder b(&graph);
  const ValueId table = graph.AddParameter("table", {DType::kF32, {5, 4}}, false);
  const ValueId ids = graph.AddInput("ids", {DType::kI32, {3}});
  const ValueId w = graph.AddParameter("w", {DType::kF32, {4, 4}}, false);
  const ValueId rows = b.Embedding(table, ids);
  const ValueId first = b.Softmax(b.Add(rows, rows));
  const ValueId y = b.Linear(first, w);
  graph.AddOutput("y", b.Softmax(b.Mul(b.Add(y, first), y)));
  ATTUNE_CHECK(b.status().ok());
  program.feeds["ids"] = {1, 4, 0};
  for (int i = 0; i < 20; ++i) program.feeds["table"].push_back(0.25 * (i % 7) - 0.5);
  for (int i = 0; i < 16; ++i) program.feeds["w"].push_back(0.125 * (i % 5));
  return program;
}

TEST(Placement, SmallIslandsGoToTheHost) {
  const OpProgram program = TwoIslands();
  CompilerOptions options;
  const auto lowered = LowerProgram(program, options);
  ASSERT_OK(lowered);
  EXPECT_EQ(Turns(lowered->plan), "HDH");
  EXPECT_NE(lowered->plan.placements[1].reason.find("island of 1 nodes"), std::string::npos);
  EXPECT_TRUE(lowered->plan.placements[3].on_device);
  options.smallest_island = 1;
  const auto all = LowerProgram(program, options);
  ASSERT_OK(all);
  EXPECT_EQ(Turns(all->plan), "HDHDH");
}

// Norms of single heads are on the device as long as nobody else sees the heads apart.
TEST(Placement, HeadsApartAreTheHostsWhereItReadsThem) {
  for (const bool read : {false, true}) {
    OpProgram program;
    Graph& graph = program.graph;
    GraphBuilder b(&graph);
    const ValueId x = graph.AddInput("x", {DType::kF32, {3, 8}});
    const ValueId w = graph.AddParameter("w", {DType::kF32, {4}}, true);
    const ValueId norm = b.RmsNorm(b.Reshape(b.Add(x, x), {6, 4}), w, 0.1f);
    graph.AddOutput("y", b.Mul(b.Reshape(norm, {3, 8}), x));
    if (read) graph.AddOutput("heads", norm);
    for (int i = 0; i < 24; ++i) program.feeds["x"].push_back(0.5 * (i % 7) - 1);
    program.feeds["w"] = {1, -2, 0.5, 1};
    CompilerOptions options;
    options.smallest_island = 1;
    const auto lowered = LowerProgram(program, options);
    ASSERT_OK(lowered);
    EXPECT_EQ(Turns(lowered->plan), read ? "DHDHD" : "D");
    testing::PlanRunner runner(*lowered, program.feeds);
    const auto want = EvaluateReference(program.graph, program.feeds);
    ASSERT_OK(want);
    EXPECT_LT(testing::LargestError(runner.Run(), *want), 1e-9);
  }
}

TEST(Placement, NothingForTheDeviceIsAnError) {
  CompilerOptions options;
  options.smallest_island = 4;
  const auto lowered = LowerProgram(TwoIslands(), options);
  ASSERT_FALSE(lowered.ok());
  EXPECT_EQ(lowered.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(lowered.status().ToString().find("none of 7 nodes"), std::string::npos);
}

TEST(Placement, MissingFrozenWeightIsAnError) {
  const OpProgram program = TwoIslands();
  const auto lowered = Lower(program.graph, {}, {});
  ASSERT_FALSE(lowered.ok());
  EXPECT_EQ(lowered.status().code(), StatusCode::kInvalidArgument);
}

std::int64_t CountPrims(const Lowered& lowered, Prim prim) {
  std::int64_t count = 0;
  for (const Region& region : lowered.regions) {
    count += std::count_if(region.nodes.begin(), region.nodes.end(),
                           [prim](const IrNode& node) { return node.prim == prim; });
  }
  return count;
}

// Low-rank factors that are frozen are baked like any weight, their rank padded.
TEST(Placement, FrozenLinearsAreConvolutionsButOnM3Ultra) {
  Graph graph;
  GraphBuilder b(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {5, 64}});
  const ValueId down = graph.AddParameter("a", {DType::kF32, {4, 64}}, false);
  const ValueId up = graph.AddParameter("b", {DType::kF32, {64, 4}}, false);
  graph.AddOutput("y", b.Add(x, b.Linear(b.Linear(x, down), up)));
  OpProgram program;
  program.graph = graph;
  program.feeds = {{"a", std::vector<double>(256, 0.5)}, {"b", std::vector<double>(256, 0.25)}};
  for (const Chip chip : {Chip::kM4, Chip::kM3Ultra}) {
    CompilerOptions options;
    options.target.chip = chip;
    const auto lowered = LowerProgram(program, options);
    ASSERT_OK(lowered);
    EXPECT_EQ(CountPrims(*lowered, Prim::kConv), chip == Chip::kM4 ? 2 : 0);
    EXPECT_EQ(CountPrims(*lowered, Prim::kMatMul), chip == Chip::kM4 ? 0 : 2);
    for (const Weight& weight : lowered->regions[0].weights) {
      EXPECT_EQ(RowsOf(weight) * ColumnsOf(weight), 64 * 32);
    }
  }
}

// Constants are written once, what is fed each run.
TEST(Placement, ConstantsAreUploadedOnce) {
  Graph graph;
  GraphBuilder b(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {3, 4}});
  Tensor literal(DType::kF32, {3, 4});
  const ValueId c = graph.AddConstant("c", std::move(literal));
  graph.AddOutput("y", b.Mul(b.Add(x, c), b.Add(x, x)));
  const auto lowered = Lower(graph, {}, {});
  ASSERT_OK(lowered);
  for (const Step& step : lowered->plan.steps) {
    const auto* upload = std::get_if<Upload>(&step);
    EXPECT_TRUE(upload == nullptr || upload->once == (upload->value == c));
  }
  EXPECT_EQ(lowered->plan.uploads, 3 * 4 * 4);
}

}  // namespace
}  // namespace attune::ane
