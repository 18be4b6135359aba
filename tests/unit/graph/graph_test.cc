// The verifier, the printer, differentiation and the LoRA rewrite.

#include "graph/graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/philox.h"
#include "base/strings.h"
#include "graph/builder.h"
#include "graph/differentiate.h"
#include "graph/lora.h"
#include "graph/passes/passes.h"
#include "graph/reference.h"
#include "support/graph/random_graph.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

ValueType F32(Shape shape) { return {DType::kF32, shape}; }

std::int64_t CountOf(const Graph& graph, OpKind op) {
  return std::count_if(graph.nodes().begin(), graph.nodes().end(),
                       [op](const Node& node) { return node.op == op; });
}

// Two linears over a frozen base with a loss on top.
struct TwoLayers {
  Graph graph;
  ValueId x, first, second, loss, seed;
};

TwoLayers MakeTwoLayers(bool with_loss = true) {
  TwoLayers m;
  GraphBuilder builder(&m.graph);
  m.x = m.graph.AddInput("x", F32({2, 3}));
  m.first = m.graph.AddParameter("first.weight", F32({4, 3}), false);
  m.second = m.graph.AddParameter("second.weight", F32({4, 4}), false);
  const ValueId h = builder.Unary(UnaryFunction::kSilu, builder.Linear(m.x, m.first));
  const ValueId y = builder.Linear(h, m.second);
  if (!with_loss) {
    m.graph.AddOutput("y", y);
    return m;
  }
  const ValueId head = m.graph.AddParameter("head.weight", F32({5, 4}), false);
  const ValueId labels = m.graph.AddInput("labels", {DType::kI32, {2}});
  const ValueId weights = m.graph.AddInput("weights", F32({2}));
  m.loss = builder.LinearCrossEntropy(y, head, labels, weights);
  m.graph.AddOutput("loss", m.loss);
  m.seed = m.graph.AddInput("seed", F32({1}));
  EXPECT_OK(builder.status());
  return m;
}

// --- Verify ---

// The message with which a graph whose nodes `spoil` has changed is refused.
template <typename Spoil>
std::string Refusal(const Spoil& spoil) {
  Graph graph = MakeTwoLayers().graph;
  EXPECT_OK(Verify(graph));
  std::vector<Node> nodes = graph.nodes();
  spoil(&graph, &nodes);
  graph.set_nodes(std::move(nodes));
  const Status status = Verify(graph);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

bool Says(const std::string& message, std::string_view part) {
  return message.find(part) != std::string::npos;
}

TEST(Verify, RefusesAUseBeforeTheDefinition) {
  const auto message =
      Refusal([](Graph*, std::vector<Node>* nodes) { std::swap((*nodes)[0], (*nodes)[1]); });
  EXPECT_TRUE(Says(message, "used before it is computed")) << message;
}

TEST(Verify, RefusesASecondDefinition) {
  const auto message =
      Refusal([](Graph*, std::vector<Node>* nodes) { nodes->push_back(nodes->front()); });
  EXPECT_TRUE(Says(message, "computed twice")) << message;
  const auto leaf = Refusal([](Graph* graph, std::vector<Node>* nodes) {
    Node node{OpKind::kScale, ScaleAttrs{1}, {*graph->FindLeaf("x")}, {*graph->FindLeaf("x")}};
    nodes->push_back(node);
  });
  EXPECT_TRUE(Says(leaf, "computed twice")) << leaf;
}

TEST(Verify, RefusesATypeThatIsNotTheRules) {
  const auto message = Refusal([](Graph*, std::vector<Node>* nodes) {
    (*nodes)[0].inputs[1] = (*nodes)[2].inputs[1];  // [4, 4] for [4, 3].
  });
  EXPECT_TRUE(Says(message, "linear")) << message;
  const auto result = Refusal([](Graph* graph, std::vector<Node>* nodes) {
    (*nodes)[0].outputs[0] = graph->AddValue({"odd", F32({9}), Leaf::kNone, false, nullptr});
  });
  EXPECT_TRUE(Says(result, "[9]") && Says(result, "[2, 4]")) << result;
}

TEST(Verify, RefusesIdsOutOfRange) {
  for (const ValueId id : {-1, 1000}) {
    Refusal([&](Graph*, std::vector<Node>* nodes) { (*nodes)[0].inputs[0] = id; });
    Refusal([&](Graph*, std::vector<Node>* nodes) { (*nodes)[0].outputs[0] = id; });
  }
  Refusal([](Graph*, std::vector<Node>* nodes) { (*nodes)[0].outputs.clear(); });
}

TEST(Verify, RefusesDuplicateNamesAndMissingOutputs) {
  Graph twice = MakeTwoLayers().graph;
  twice.AddInput("first.weight", F32({1}));
  EXPECT_TRUE(Says(Verify(twice).message(), "first.weight"));

  Graph outputs = MakeTwoLayers().graph;
  outputs.AddOutput("loss", *outputs.FindOutput("loss"));
  EXPECT_TRUE(Says(Verify(outputs).message(), "two outputs are called loss"));

  Graph missing = MakeTwoLayers().graph;
  missing.AddOutput("ghost", missing.AddValue({"g", F32({1}), Leaf::kNone, false, nullptr}));
  EXPECT_TRUE(Says(Verify(missing).message(), "ghost"));
}

TEST(GraphBuilder, KeepsTheFirstErrorAndStopsThere) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", F32({2, 3}));
  const ValueId bad = builder.MatMul(x, x);
  EXPECT_EQ(bad, kNoValue);
  EXPECT_EQ(builder.Split(bad, 2)[1], kNoValue);
  builder.Add(bad, x);
  EXPECT_TRUE(Says(builder.status().message(), "matmul")) << builder.status().ToString();
  EXPECT_TRUE(graph.nodes().empty());
}

// --- Print ---

TEST(Print, ShowsAJointGraph) {
  TwoLayers m = MakeTwoLayers();
  const ValueId wrt[] = {m.second};
  ASSERT_OK_AND_ASSIGN(const auto gradients, Differentiate(&m.graph, m.loss, m.seed, wrt));
  m.graph.AddOutput("d_second", gradients[0]);
  EXPECT_EQ(Print(m.graph),
            "%0:f32[2, 3] = input x\n"
            "%1:f32[4, 3] = frozen first.weight\n"
            "%2:f32[4, 4] = frozen second.weight\n"
            "%6:f32[5, 4] = frozen head.weight\n"
            "%7:i32[2] = input labels\n"
            "%8:f32[2] = input weights\n"
            "%11:f32[1] = input seed\n"
            "%3:f32[2, 4] = linear(%0 x, %1 first.weight) {scale=1}\n"
            "%4:f32[2, 4] = unary(%3) {silu}\n"
            "%5:f32[2, 4] = linear(%4, %2 second.weight) {scale=1}\n"
            "%9:f32[1], %10:f32[2] = linear_cross_entropy(%5, %6 head.weight, %7 labels, "
            "%8 weights)\n"
            "%12:f32[2, 4] = linear_cross_entropy_grad(%5, %6 head.weight, %7 labels, %8 weights, "
            "%10, %11 seed)\n"
            "%13:f32[4, 4] = matmul(%12, %4) {scale=1, transpose_a}\n"
            "return loss = %9\n"
            "return d_second = %13\n");
}

TEST(Print, EqualGraphsPrintEqualTextAndOthersDoNot) {
  std::set<std::string> texts;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const std::string text = Print(RandomProgram(TestSeed() + i).graph);
    EXPECT_EQ(text, Print(RandomProgram(TestSeed() + i).graph));
    texts.insert(text);
  }
  EXPECT_EQ(texts.size(), 50u);
}

// --- Differentiate ---

TEST(Differentiate, BuildsOnlyWhatTheAdapterNeeds) {
  TwoLayers m = MakeTwoLayers();
  const std::size_t forward = m.graph.nodes().size();
  const ValueId wrt[] = {m.second};
  ASSERT_OK(Differentiate(&m.graph, m.loss, m.seed, wrt));
  // The gradient of the loss and one weight gradient: nothing below `second`.
  EXPECT_EQ(m.graph.nodes().size(), forward + 2);
  EXPECT_EQ(CountOf(m.graph, OpKind::kMatMul), 1);
  EXPECT_EQ(CountOf(m.graph, OpKind::kUnaryGrad), 0);
}

TEST(Differentiate, SkipsWeightGradientsOfFrozenLayersOnTheWay) {
  TwoLayers m = MakeTwoLayers();
  const ValueId wrt[] = {m.first};
  ASSERT_OK(Differentiate(&m.graph, m.loss, m.seed, wrt));
  EXPECT_EQ(CountOf(m.graph, OpKind::kMatMul), 1);  // first.weight
  EXPECT_EQ(CountOf(m.graph, OpKind::kUnaryGrad), 1);
  EXPECT_EQ(CountOf(m.graph, OpKind::kLinear), 3);  // One more: dh = dy W.
}

TEST(Differentiate, LoraTrainsAAndBAlone) {
  TwoLayers m = MakeTwoLayers();
  ASSERT_OK_AND_ASSIGN(const auto branches, InjectLora(&m.graph, {{{"second", 2, 0.5f}}, 0}));
  const ValueId wrt[] = {branches[0].a, branches[0].b};
  ASSERT_OK(Differentiate(&m.graph, *m.graph.FindOutput("loss"), m.seed, wrt));
  EXPECT_EQ(CountOf(m.graph, OpKind::kMatMul), 2);
  EXPECT_EQ(CountOf(m.graph, OpKind::kUnaryGrad), 0);
  EXPECT_EQ(CountOf(m.graph, OpKind::kLinear), 5);  // Two, A, B, and d(x A^T).
}

TEST(Differentiate, RefusesWhatItCannotDifferentiate) {
  TwoLayers m = MakeTwoLayers();
  const ValueId unused = m.graph.AddParameter("unused", F32({1}), true);
  const ValueId wrt[] = {unused};
  EXPECT_TRUE(Says(Differentiate(&m.graph, m.loss, m.seed, wrt).status().message(), "unused"));
  const ValueId none[] = {m.first};
  EXPECT_EQ(Differentiate(&m.graph, m.first, m.seed, none).status().code(),
            StatusCode::kInvalidArgument);

  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", F32({3, 1}));
  const ValueId sum = builder.ReduceSum(x);
  const ValueId x_only[] = {x};
  const Status status =
      Differentiate(&graph, sum, graph.AddInput("seed", F32({1})), x_only).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_TRUE(Says(status.message(), "reduce_sum")) << status.message();
}

// The loss weights depend on w here; a gradient without that path would be
// wrong, and nobody would see it.
TEST(Differentiate, RefusesAnOperandWithoutAGradientInsteadOfDroppingIt) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId w = graph.AddParameter("w", F32({2, 3}), true);
  const ValueId head = graph.AddParameter("head", F32({4, 3}), false);
  const ValueId labels = graph.AddInput("labels", {DType::kI32, {2}});
  const ValueId weights = builder.Reshape(builder.Slice(w, 0, 1), {2});
  const ValueId loss = builder.LinearCrossEntropy(w, head, labels, weights);
  ASSERT_OK(builder.status());
  const ValueId wrt[] = {w};
  const Status status = Differentiate(&graph, loss, graph.AddInput("seed", F32({1})), wrt).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_TRUE(Says(status.message(), "linear_cross_entropy")) << status.message();
}

TEST(Differentiate, RefusesAGradientThroughAStatistic) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", F32({1, 3}));
  const ValueId w = graph.AddParameter("w", F32({3}), false);
  const auto norm = builder.Emit(OpKind::kRmsNorm, NormAttrs{}, {x, w});
  ASSERT_OK(builder.status());
  const ValueId wrt[] = {x};
  const Status status =
      Differentiate(&graph, norm[1], graph.AddInput("seed", F32({1})), wrt).status();
  EXPECT_EQ(status.code(), StatusCode::kUnsupported);
  EXPECT_TRUE(Says(status.message(), "rms_norm")) << status.message();
}

// --- InjectLora ---

ReferenceFeeds FeedsFor(const Graph& graph) {
  ReferenceFeeds feeds;
  Philox rng(TestSeed(), 5);
  for (const Value& value : graph.values()) {
    if (value.leaf != Leaf::kInput && value.leaf != Leaf::kParameter) continue;
    for (std::int64_t i = 0; i < value.type.shape.elements(); ++i) {
      feeds[value.name].push_back(rng.NextNormal());
    }
  }
  return feeds;
}

// y = h W^T + s (h A^T) B^T, written by hand for the second of two layers.
TEST(InjectLora, IsThePeftFormula) {
  SCOPED_TRACE(SeedNote());
  TwoLayers m = MakeTwoLayers(/*with_loss=*/false);
  ASSERT_OK_AND_ASSIGN(const auto branches, InjectLora(&m.graph, {{{"second", 2, 0.75f}}, 0}));
  ASSERT_EQ(branches.size(), 1u);
  EXPECT_EQ(m.graph.value(branches[0].a).name, "second.lora_A.weight");
  EXPECT_EQ(m.graph.value(branches[0].b).name, "second.lora_B.weight");
  EXPECT_TRUE(m.graph.value(branches[0].a).trainable && m.graph.value(branches[0].b).trainable);

  Graph by_hand;
  GraphBuilder builder(&by_hand);
  const ValueId x = by_hand.AddInput("x", F32({2, 3}));
  const ValueId first = by_hand.AddParameter("first.weight", F32({4, 3}), false);
  const ValueId second = by_hand.AddParameter("second.weight", F32({4, 4}), false);
  const ValueId a = by_hand.AddParameter("second.lora_A.weight", F32({2, 4}), true);
  const ValueId b = by_hand.AddParameter("second.lora_B.weight", F32({4, 2}), true);
  const ValueId h =
      builder.Unary(UnaryFunction::kSilu, builder.MatMul(x, first, {.transpose_b = true}));
  const ValueId base = builder.MatMul(h, second, {.transpose_b = true});
  const ValueId low = builder.MatMul(h, a, {.transpose_b = true});
  const ValueId delta = builder.Scale(builder.MatMul(low, b, {.transpose_b = true}), 0.75f);
  by_hand.AddOutput("y", builder.Add(base, delta));
  ASSERT_OK(builder.status());

  const ReferenceFeeds feeds = FeedsFor(by_hand);
  ASSERT_OK_AND_ASSIGN(const auto want, EvaluateReference(by_hand, feeds));
  ASSERT_OK_AND_ASSIGN(const auto got, EvaluateReference(m.graph, feeds));
  for (std::size_t i = 0; i < want.at("y").data.size(); ++i) {
    EXPECT_NEAR(got.at("y").data[i], want.at("y").data[i], 1e-13);
  }
}

TEST(InjectLora, AFreshBranchChangesNothing) {
  TwoLayers m = MakeTwoLayers(/*with_loss=*/false);
  const Graph before = m.graph;
  const LoraSpec spec{{{"first", 2, 1.0f}, {"second", 1, 2.0f}}, 0.5f};
  ASSERT_OK(InjectLora(&m.graph, spec));
  ReferenceFeeds feeds = FeedsFor(m.graph);
  feeds["dropout_seed"] = {3, 4};
  for (const char* b : {"first.lora_B.weight", "second.lora_B.weight"}) {
    std::fill(feeds[b].begin(), feeds[b].end(), 0.0);
  }
  ASSERT_OK_AND_ASSIGN(const auto want, EvaluateReference(before, feeds));
  ASSERT_OK_AND_ASSIGN(const auto got, EvaluateReference(m.graph, feeds));
  EXPECT_EQ(got.at("y").data, want.at("y").data);
}

TEST(InjectLora, NamesEveryUnknownModuleAndLeavesTheGraph) {
  TwoLayers m = MakeTwoLayers();
  const std::string before = Print(m.graph);
  const Status status = InjectLora(&m.graph, {{{"second"}, {"third"}, {"fourth"}}, 0}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(Says(status.message(), "third") && Says(status.message(), "fourth"));
  EXPECT_FALSE(Says(status.message(), "second")) << status.message();
  EXPECT_EQ(Print(m.graph), before);

  EXPECT_FALSE(InjectLora(&m.graph, {{{"second", 0}}, 0}).ok());
  EXPECT_FALSE(InjectLora(&m.graph, {{{"second", 2}}, 1.5f}).ok());
  EXPECT_EQ(Print(m.graph), before);
}

TEST(InjectLora, TellsTheLinearsApart) {
  EXPECT_EQ(LinearModules(MakeTwoLayers().graph), (std::vector<std::string>{"first", "second"}));
}

// --- Passes, one shape each ---

struct Chain {
  Graph graph;
  GraphBuilder builder{&graph};
  ValueId x = graph.AddInput("x", F32({4, 6}));
};

TEST(Passes, DeadCodeGoes) {
  Chain c;
  c.builder.Unary(UnaryFunction::kTanh, c.builder.Scale(c.x, 2));
  c.graph.AddOutput("y", c.builder.Scale(c.x, 3));
  RemoveDeadCode(&c.graph);
  EXPECT_EQ(c.graph.nodes().size(), 1u);
}

TEST(Passes, ConstantsFold) {
  Chain c;
  Tensor two(DType::kF32, {1, 2});
  two.f32()[0] = 2;
  const ValueId k = c.graph.AddConstant("k", std::move(two));
  c.graph.AddOutput("y", c.builder.Scale(c.builder.Add(k, k), 2));
  FoldConstants(&c.graph);
  EXPECT_TRUE(c.graph.nodes().empty());
  const Value& folded = c.graph.value(*c.graph.FindOutput("y"));
  ASSERT_EQ(folded.leaf, Leaf::kConstant);
  EXPECT_EQ(folded.literal->f32()[0], 8.0f);
}

TEST(Passes, IdentitiesGo) {
  Chain c;
  ValueId y = c.builder.Scale(c.x, 1);
  y = c.builder.Reshape(c.builder.Reshape(y, {6, 4}), {4, 6});
  y = c.builder.Transpose(c.builder.Transpose(y));
  y = c.builder.Cast(c.builder.Scale(c.builder.Scale(y, 2), 0.5f), DType::kF32);
  c.graph.AddOutput("y", y);
  ASSERT_OK(c.builder.status());
  EliminateIdentities(&c.graph);
  RemoveDeadCode(&c.graph);
  EXPECT_TRUE(c.graph.nodes().empty());
  EXPECT_EQ(*c.graph.FindOutput("y"), c.x);
}

TEST(Passes, EqualExpressionsMergeAndDifferentAttributesDoNot) {
  Chain c;
  const ValueId a = c.builder.Scale(c.x, 2), b = c.builder.Scale(c.x, 2);
  const ValueId other = c.builder.Scale(c.x, 3);
  c.graph.AddOutput("y", c.builder.Add(c.builder.Add(a, b), other));
  EliminateCommonSubexpressions(&c.graph);
  EXPECT_EQ(CountOf(c.graph, OpKind::kScale), 2);
  EXPECT_OK(Verify(c.graph));
}

TEST(Passes, ALowRankBranchBecomesOneAccumulatingGemm) {
  TwoLayers m = MakeTwoLayers();
  ASSERT_OK(InjectLora(&m.graph, {{{"second", 2, 0.5f}}, 0}));
  Optimize(&m.graph);
  EXPECT_EQ(CountOf(m.graph, OpKind::kAdd), 0);
  EXPECT_EQ(CountOf(m.graph, OpKind::kLinear), 4);
}

TEST(Passes, ASumThatIsReadTwiceIsNotFused) {
  Chain c;
  const ValueId w = c.graph.AddParameter("w", F32({6, 6}), false);
  const ValueId product = c.builder.Linear(c.x, w);
  c.graph.AddOutput("sum", c.builder.Add(product, c.x));
  c.graph.AddOutput("product", product);
  FuseAccumulate(&c.graph);
  EXPECT_EQ(CountOf(c.graph, OpKind::kAdd), 1);
}

TEST(Passes, RecomputeLeavesAGraphThatFits) {
  OpProgram program = RandomProgram(TestSeed());
  const std::string before = Print(program.graph);
  const RecomputePlan plan = Recompute(&program.graph, "loss", std::int64_t{1} << 40);
  EXPECT_EQ(plan.values, 0);
  EXPECT_EQ(Print(program.graph), before);
}

}  // namespace
}  // namespace attune::testing
