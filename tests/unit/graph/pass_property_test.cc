// Random graphs before and after each pass: the same results, and still a
// graph that verifies.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/strings.h"
#include "graph/memory_plan.h"
#include "graph/passes/passes.h"
#include "support/graph/random_graph.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

constexpr std::uint64_t kGraphs = 300;

using Results = std::map<std::string, ReferenceTensor>;

Results Evaluate(const OpProgram& program) {
  auto results = EvaluateReference(program.graph, program.feeds);
  EXPECT_OK(results);
  return results.ok() ? *std::move(results) : Results();
}

// Relative to the largest entry of each result; 0 demands equal bits.
void ExpectEqual(const Results& want, const Results& got, double tolerance) {
  ASSERT_EQ(want.size(), got.size());
  for (const auto& [name, tensor] : want) {
    ASSERT_TRUE(got.contains(name)) << name;
    const ReferenceTensor& other = got.at(name);
    ASSERT_EQ(tensor.type, other.type) << name;
    double largest = 1;
    for (double x : tensor.data) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < tensor.data.size(); ++i) {
      ASSERT_TRUE(std::isfinite(tensor.data[i])) << name;
      ASSERT_LE(std::abs(tensor.data[i] - other.data[i]), tolerance * largest) << name << " " << i;
    }
  }
}

void ExpectKeeps(const std::function<void(Graph*)>& pass, double tolerance,
                 const RandomGraphOptions& options = {}) {
  for (std::uint64_t i = 0; i < kGraphs && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    OpProgram program = RandomProgram(TestSeed() + i, options);
    ASSERT_OK(Verify(program.graph));
    const Results before = Evaluate(program);
    const std::size_t nodes = program.graph.nodes().size();
    pass(&program.graph);
    ASSERT_OK(Verify(program.graph));
    EXPECT_LE(program.graph.nodes().size(), nodes);
    ExpectEqual(before, Evaluate(program), tolerance);
  }
}

TEST(PassProperty, DeadCodeRemovalKeepsEveryBit) { ExpectKeeps(RemoveDeadCode, 0); }
TEST(PassProperty, CommonSubexpressionsKeepEveryBit) {
  ExpectKeeps(EliminateCommonSubexpressions, 0);
}
// Scale factors of these graphs are powers of two: joining them is exact.
TEST(PassProperty, IdentitiesKeepEveryBit) { ExpectKeeps(EliminateIdentities, 0); }
TEST(PassProperty, LossFusionKeepsEveryBit) { ExpectKeeps(FuseLoss, 0); }
TEST(PassProperty, AccumulateFusionKeepsTheResults) { ExpectKeeps(FuseAccumulate, 1e-12); }
TEST(PassProperty, OptimizeKeepsTheResults) { ExpectKeeps(Optimize, 1e-12); }
// A folded literal is f32, the interpreter is not.
TEST(PassProperty, FoldingRoundsLiteralsToF32Only) {
  ExpectKeeps(FoldConstants, 1e-4, {.constants = true});
  ExpectKeeps(Optimize, 1e-4, {.constants = true});
}
TEST(PassProperty, OptimizeTwiceChangesNothing) {
  for (std::uint64_t i = 0; i < kGraphs; ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    OpProgram program = RandomProgram(TestSeed() + i);
    Optimize(&program.graph);
    const std::string once = Print(program.graph);
    RemoveDeadCode(&program.graph);
    EliminateIdentities(&program.graph);
    EliminateCommonSubexpressions(&program.graph);
    EXPECT_EQ(Print(program.graph), once);
  }
}

// Recomputation trades time for memory: every bit stays, the peak is the one
// the memory plan of the new graph has, and never grows.
TEST(PassProperty, RecomputeKeepsEveryBitAtEveryBudget) {
  int rewritten = 0;
  for (std::uint64_t i = 0; i < kGraphs && !HasFailure(); ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    OpProgram program = RandomProgram(TestSeed() + i, {.operators = 20});
    Optimize(&program.graph);
    const Results before = Evaluate(program);
    const std::int64_t peak = PlanMemory(program.graph).bytes;
    for (const std::int64_t percent : {100, 95, 85, 70, 50, 0}) {
      SCOPED_TRACE(StrCat(percent, " % of ", peak));
      OpProgram tight = program;
      const std::int64_t budget = peak * percent / 100;
      const RecomputePlan plan = Recompute(&tight.graph, "loss", budget);
      ASSERT_OK(Verify(tight.graph));
      ExpectEqual(before, Evaluate(tight), 0);
      EXPECT_EQ(PlanMemory(tight.graph).bytes, plan.peak_bytes);
      EXPECT_LE(plan.peak_bytes, peak);
      EXPECT_LE(plan.values, plan.candidates);
      if (plan.values == 0) {
        EXPECT_EQ(Print(tight.graph), Print(program.graph));
      }
      rewritten += plan.values > 0;
    }
  }
  EXPECT_GT(rewritten, 100);
}

// Whatever a stingier budget reaches, a wider one that would admit it reaches.
TEST(PassProperty, RecomputeMeetsEveryBudgetItIsAbleTo) {
  for (std::uint64_t i = 0; i < kGraphs; ++i) {
    SCOPED_TRACE(StrCat("graph ", i, " of ", SeedNote()));
    OpProgram program = RandomProgram(TestSeed() + i, {.operators = 20});
    Optimize(&program.graph);
    const std::int64_t peak = PlanMemory(program.graph).bytes;
    std::int64_t reached = peak;
    for (std::int64_t percent = 100; percent >= 40; percent -= 5) {
      Graph tight = program.graph;
      reached = std::min(reached, Recompute(&tight, "loss", peak * percent / 100).peak_bytes);
    }
    Graph generous = program.graph;
    EXPECT_LE(Recompute(&generous, "loss", reached).peak_bytes, reached);
  }
}

}  // namespace
}  // namespace attune::testing
