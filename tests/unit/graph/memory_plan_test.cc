// The memory plan against an independent reading of its contract: liveness is
// computed here from scratch, and a graph is run inside the planned arena.

#include "graph/memory_plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "base/strings.h"
#include "graph/builder.h"
#include "graph/op_schema.h"
#include "graph/passes/passes.h"
#include "support/graph/random_graph.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

constexpr std::uint64_t kGraphs = 300;

// Half of the graphs as written, half as a backend gets them.
OpProgram PlannedProgram(std::uint64_t i) {
  OpProgram program = RandomProgram(TestSeed() + i, {.operators = 18});
  if (i % 2 == 0) Optimize(&program.graph);
  if (i % 4 == 0) Recompute(&program.graph, "loss", PlanMemory(program.graph).bytes / 2);
  return program;
}

struct Life {
  std::int32_t first = -1;  // Node that computes the value.
  std::int32_t last = -1;   // Node that reads it last; nodes().size() for outputs.
};

std::vector<Life> Lives(const Graph& graph) {
  std::vector<Life> lives(graph.values().size());
  const auto life = [&](ValueId id) -> Life& { return lives[static_cast<std::size_t>(id)]; };
  const auto count = static_cast<std::int32_t>(graph.nodes().size());
  for (std::int32_t n = 0; n < count; ++n) {
    const Node& node = graph.nodes()[static_cast<std::size_t>(n)];
    for (ValueId id : node.outputs) life(id) = {n, n};
    for (ValueId id : node.inputs) life(id).last = n;
  }
  for (const NamedValue& output : graph.outputs()) life(output.value).last = count;
  return lives;
}

bool Overlap(const Graph& graph, const MemoryPlan& plan, ValueId a, ValueId b) {
  const std::int64_t at_a = plan.offsets[static_cast<std::size_t>(a)];
  const std::int64_t at_b = plan.offsets[static_cast<std::size_t>(b)];
  if (at_a < 0 || at_b < 0) return false;
  return at_a < at_b + graph.value(b).type.bytes() && at_b < at_a + graph.value(a).type.bytes();
}

// The value whose bytes `id` is a mere reshape of.
ValueId Origin(const Graph& graph, const std::vector<std::int32_t>& producers, ValueId id) {
  while (true) {
    const std::int32_t producer = producers[static_cast<std::size_t>(id)];
    if (producer < 0) return id;
    const Node& node = graph.nodes()[static_cast<std::size_t>(producer)];
    if (!SchemaOf(node.op).aliases_input) return id;
    id = node.inputs[0];
  }
}

// A node may write over an operand it reads element by element, or over the
// accumulator of a GEMM that it does not read otherwise.
bool MayOverwrite(const Graph& graph, const std::vector<std::int32_t>& producers, const Node& node,
                  ValueId operand) {
  const auto is_operand = [&](int i) {
    return i >= 0 && static_cast<std::size_t>(i) < node.inputs.size() &&
           Origin(graph, producers, node.inputs[static_cast<std::size_t>(i)]) ==
               Origin(graph, producers, operand);
  };
  if (SchemaOf(node.op).aliases_input) return is_operand(0);
  if (const int accumulator = AccumulateInput(node); accumulator >= 0) {
    int reads = 0;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) reads += is_operand(static_cast<int>(i));
    return is_operand(accumulator) && reads == 1;
  }
  if (node.op == OpKind::kAdd || node.op == OpKind::kMul) return is_operand(0) || is_operand(1);
  return is_operand(SchemaOf(node.op).in_place_input);
}

TEST(MemoryPlan, NoTwoLiveValuesShareBytes) {
  for (std::uint64_t i = 0; i < kGraphs && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    const Graph graph = PlannedProgram(i).graph;
    const MemoryPlan plan = PlanMemory(graph);
    const auto lives = Lives(graph);
    const auto producers = graph.Producers();
    const auto count = static_cast<ValueId>(graph.values().size());
    for (ValueId a = 0; a < count; ++a) {
      for (ValueId b = 0; b < count; ++b) {
        const Life &old = lives[static_cast<std::size_t>(a)],
                   &young = lives[static_cast<std::size_t>(b)];
        if (a == b || old.first < 0 || young.first < 0 || old.first > young.first) continue;
        if (!Overlap(graph, plan, a, b) || old.last < young.first) continue;
        if (Origin(graph, producers, a) == Origin(graph, producers, b)) continue;
        ASSERT_NE(old.first, young.first) << "%" << a << " and %" << b << " of one node";
        const Node& node = graph.nodes()[static_cast<std::size_t>(young.first)];
        ASSERT_EQ(old.last, young.first) << "%" << b << " clobbers %" << a << "\n" << Print(graph);
        ASSERT_TRUE(MayOverwrite(graph, producers, node, a))
            << OpName(node.op) << " %" << b << " over %" << a << "\n"
            << Print(graph);
        ASSERT_EQ(plan.offsets[static_cast<std::size_t>(a)],
                  plan.offsets[static_cast<std::size_t>(b)]);
      }
    }
  }
}

TEST(MemoryPlan, IsAlignedBoundedAndComplete) {
  for (std::uint64_t i = 0; i < kGraphs && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    const Graph graph = PlannedProgram(i).graph;
    const MemoryPlan plan = PlanMemory(graph);
    ASSERT_EQ(plan.offsets.size(), graph.values().size());
    EXPECT_GE(plan.bytes, plan.lower_bound_bytes);
    const auto producers = graph.Producers();
    for (ValueId id = 0; id < static_cast<ValueId>(graph.values().size()); ++id) {
      const std::int64_t offset = plan.offsets[static_cast<std::size_t>(id)];
      const bool computed = producers[static_cast<std::size_t>(id)] >= 0;
      const ValueId origin = Origin(graph, producers, id);
      const bool in_leaf = graph.value(origin).leaf != Leaf::kNone;
      EXPECT_EQ(offset >= 0, computed && !in_leaf) << "%" << id;
      if (offset < 0) continue;
      EXPECT_EQ(offset % 64, 0) << "%" << id;
      EXPECT_LE(offset + graph.value(id).type.bytes(), plan.bytes) << "%" << id;
    }
  }
}

// Runs a graph in the planned arena. Elements are doubles, so that the result
// must equal the plain interpreter's to the bit: every offset counts double.
class ArenaInterpreter {
 public:
  ArenaInterpreter(const OpProgram& program, const MemoryPlan& plan)
      : graph_(program.graph),
        plan_(plan),
        arena_(static_cast<std::size_t>(plan.bytes / 4 + 1),
               std::numeric_limits<double>::quiet_NaN()) {
    for (const Value& value : graph_.values()) {
      const auto feed = program.feeds.find(value.name);
      leaves_.push_back(value.leaf == Leaf::kNone || feed == program.feeds.end()
                            ? std::vector<double>()
                            : feed->second);
    }
  }

  void Run() {
    for (const Node& node : graph_.nodes()) {
      std::vector<ReferenceTensor> operands;
      for (ValueId id : node.inputs) operands.push_back({graph_.value(id).type, Read(id)});
      std::vector<const ReferenceTensor*> inputs;
      for (const ReferenceTensor& operand : operands) inputs.push_back(&operand);
      const auto results = EvaluateNode(graph_, node, inputs);
      for (std::size_t i = 0; i < results.size(); ++i) Write(node.outputs[i], results[i].data);
    }
  }

  std::vector<double> Read(ValueId id) const {
    const std::int64_t offset = plan_.offsets[static_cast<std::size_t>(id)];
    if (offset < 0) return leaves_[Storage(id)];
    const auto begin = arena_.begin() + offset / 4;
    return {begin, begin + graph_.shape(id).elements()};
  }

 private:
  std::size_t Storage(ValueId id) const {
    return static_cast<std::size_t>(plan_.storage[static_cast<std::size_t>(id)]);
  }
  void Write(ValueId id, const std::vector<double>& data) {
    const std::int64_t offset = plan_.offsets[static_cast<std::size_t>(id)];
    if (offset < 0) {
      leaves_[Storage(id)] = data;
    } else {
      std::copy(data.begin(), data.end(), arena_.begin() + offset / 4);
    }
  }

  const Graph& graph_;
  const MemoryPlan& plan_;
  std::vector<double> arena_;  // NaN until written: a read too early shows.
  std::vector<std::vector<double>> leaves_;
};

TEST(MemoryPlan, RunningInsideTheArenaGivesEveryBit) {
  for (std::uint64_t i = 0; i < kGraphs && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    const OpProgram program = PlannedProgram(i);
    const MemoryPlan plan = PlanMemory(program.graph);
    ArenaInterpreter arena(program, plan);
    arena.Run();
    ASSERT_OK_AND_ASSIGN(auto plain, EvaluateReference(program.graph, program.feeds));
    for (const NamedValue& output : program.graph.outputs()) {
      ASSERT_EQ(arena.Read(output.value), plain.at(output.name).data) << output.name;
    }
  }
}

TEST(MemoryPlan, AChainOfElementwiseOpsTakesOneBlock) {
  Graph graph;
  GraphBuilder builder(&graph);
  ValueId x = graph.AddInput("x", {DType::kF32, {16, 16}});
  for (int i = 0; i < 5; ++i) x = builder.Unary(UnaryFunction::kSilu, x);
  graph.AddOutput("y", x);
  ASSERT_OK(builder.status());
  const MemoryPlan plan = PlanMemory(graph);
  EXPECT_EQ(plan.bytes, 16 * 16 * 4);
  EXPECT_EQ(plan.lower_bound_bytes, plan.bytes);
}

// An operand that the program also returns, or that a later node reads, keeps
// its bytes.
TEST(MemoryPlan, AnOutputIsNeverWrittenOver) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {4, 16}});
  const ValueId a = builder.Unary(UnaryFunction::kSilu, x);
  const ValueId b = builder.Scale(a, 2.0f);
  graph.AddOutput("a", builder.Reshape(a, {64}));
  graph.AddOutput("b", b);
  ASSERT_OK(builder.status());
  const MemoryPlan plan = PlanMemory(graph);
  EXPECT_NE(plan.offsets[static_cast<std::size_t>(a)], plan.offsets[static_cast<std::size_t>(b)]);
  EXPECT_EQ(plan.bytes, 2 * 4 * 16 * 4);
}

// h W^T + h reads h to the end: the sum cannot be made where h lies.
TEST(MemoryPlan, AGemmDoesNotAccumulateOverItsOwnOperand) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {4, 4}});
  const ValueId w = graph.AddParameter("w", {DType::kF32, {4, 4}}, true);
  const ValueId h = builder.Scale(x, 2.0f);
  graph.AddOutput("y", builder.Add(builder.Linear(h, w), h));
  ASSERT_OK(builder.status());
  FuseAccumulate(&graph);
  ASSERT_EQ(graph.nodes().size(), 2u);
  ASSERT_EQ(AccumulateInput(graph.nodes()[1]), 2);
  const MemoryPlan plan = PlanMemory(graph);
  const ValueId y = graph.nodes()[1].outputs[0];
  EXPECT_NE(plan.offsets[static_cast<std::size_t>(y)], plan.offsets[static_cast<std::size_t>(h)]);
}

TEST(MemoryPlan, LeavesAndTheirReshapesTakeNothing) {
  Graph graph;
  GraphBuilder builder(&graph);
  const ValueId x = graph.AddInput("x", {DType::kF32, {4, 16}});
  const ValueId y = builder.Reshape(x, {16, 4});
  graph.AddOutput("y", y);
  ASSERT_OK(builder.status());
  const MemoryPlan plan = PlanMemory(graph);
  EXPECT_EQ(plan.bytes, 0);
  EXPECT_EQ(plan.offsets[static_cast<std::size_t>(y)], -1);
  EXPECT_EQ(plan.storage[static_cast<std::size_t>(y)], x);
}

}  // namespace
}  // namespace attune::testing
