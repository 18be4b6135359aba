// Every gradient rule against finite differences of the forward op, both in
// double by the reference interpreter.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/philox.h"
#include "base/strings.h"
#include "graph/op_schema.h"
#include "graph/passes/passes.h"
#include "support/graph/op_cases.h"
#include "support/status_matchers.h"

namespace attune::testing {
namespace {

// The five-point stencil is off by h^4 and rounding by 1e-16 / h, both far
// below this; what remains is the conditioning of the op.
constexpr double kStep = 1e-4;
constexpr double kTolerance = 1e-6;
// Of a long operand so many elements are checked, drawn at random.
constexpr std::size_t kProbes = 48;

double Loss(const OpProgram& program) {
  auto results = EvaluateReference(program.graph, program.feeds);
  EXPECT_OK(results);
  return results.ok() ? results->at("loss").data[0] : NAN;
}

double FiniteDifference(OpProgram* program, const std::string& leaf, std::size_t i) {
  double& x = program->feeds.at(leaf)[i];
  const double middle = x;
  const auto at = [&](double offset) {
    x = middle + offset;
    return Loss(*program);
  };
  const double slope =
      (8.0 * (at(kStep) - at(-kStep)) - (at(2 * kStep) - at(-2 * kStep))) / (12.0 * kStep);
  x = middle;
  return slope;
}

std::vector<std::size_t> Probes(std::size_t size, Philox* rng) {
  std::vector<std::size_t> probes;
  if (size <= kProbes) {
    for (std::size_t i = 0; i < size; ++i) probes.push_back(i);
  } else {
    for (std::size_t i = 0; i < kProbes; ++i) {
      probes.push_back(rng->NextBelow(static_cast<std::uint32_t>(size)));
    }
  }
  return probes;
}

// Largest error relative to the largest entry of the gradient.
double WorstError(OpProgram* loss, const std::string& leaf, const std::vector<double>& gradient) {
  double largest = 0, worst = 0;
  for (double g : gradient) largest = std::max(largest, std::abs(g));
  Philox rng(TestSeed(), 2);
  for (std::size_t i : Probes(gradient.size(), &rng)) {
    const double error = std::abs(FiniteDifference(loss, leaf, i) - gradient[i]);
    worst = std::max(worst, error / std::max(largest, 1e-3));
  }
  return worst;
}

std::vector<OpCase> CasesWithGradient() {
  std::vector<OpCase> cases = AllOpCases();
  std::erase_if(cases, [](const OpCase& op_case) { return !HasGradient(op_case); });
  return cases;
}

class FiniteDifferences : public ::testing::TestWithParam<OpCase> {};

TEST_P(FiniteDifferences, AgreeWithTheGradientGraph) {
  SCOPED_TRACE(SeedNote());
  OpProgram joint = GradientProgram(GetParam());
  ASSERT_OK(Verify(joint.graph));
  ASSERT_OK_AND_ASSIGN(auto results, EvaluateReference(joint.graph, joint.feeds));
  OpProgram loss = LossProgram(GetParam());
  ASSERT_FALSE(joint.wrt.empty());
  for (const std::string& leaf : joint.wrt) {
    const ReferenceTensor& gradient = results.at("d_" + leaf);
    ASSERT_EQ(gradient.data.size(), loss.feeds.at(leaf).size()) << leaf;
    EXPECT_LT(WorstError(&loss, leaf, gradient.data), kTolerance) << leaf;
  }
}

// The same graph as a backend gets it: joint loss, accumulating GEMMs.
TEST_P(FiniteDifferences, SurviveOptimization) {
  SCOPED_TRACE(SeedNote());
  OpProgram joint = GradientProgram(GetParam());
  ASSERT_OK_AND_ASSIGN(auto before, EvaluateReference(joint.graph, joint.feeds));
  Optimize(&joint.graph);
  ASSERT_OK(Verify(joint.graph));
  ASSERT_OK_AND_ASSIGN(auto after, EvaluateReference(joint.graph, joint.feeds));
  ASSERT_EQ(before.size(), after.size());
  for (const auto& [name, result] : before) {
    for (std::size_t i = 0; i < result.data.size(); ++i) {
      ASSERT_NEAR(result.data[i], after.at(name).data[i], 1e-12 * (1 + std::abs(result.data[i])))
          << name << " " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, FiniteDifferences, ::testing::ValuesIn(CasesWithGradient()),
                         [](const auto& param) { return param.param.name; });

TEST(FiniteDifferenceTable, NoOpWithAGradientEscapes) {
  std::set<OpKind> covered;
  for (const OpCase& op_case : CasesWithGradient()) covered.insert(op_case.op);
  std::size_t with_gradient = 0;
  for (int op = 0; op <= static_cast<int>(kLastOp); ++op) {
    const auto kind = static_cast<OpKind>(op);
    if (SchemaOf(kind).gradient == nullptr) continue;
    ++with_gradient;
    EXPECT_TRUE(covered.contains(kind)) << OpName(kind) << " has no case";
  }
  EXPECT_GT(with_gradient, 0u);
}

// An op appended to the enum must move kLastOp, or the walk above misses it.
TEST(FiniteDifferenceTableDeathTest, TheWalkEndsAtTheLastOp) {
  EXPECT_DEATH(SchemaOf(static_cast<OpKind>(static_cast<int>(kLastOp) + 1)), "unknown op");
}

// A loss whose head is trained too: cross entropy with the gradient of its
// weight, seeded with a loss scale, against the joint op that FuseLoss makes.
TEST(JointLoss, EqualsForwardAndGradientApart) {
  SCOPED_TRACE(SeedNote());
  int joint_nodes = 0;
  for (const OpCase& op_case : CasesWithGradient()) {
    if (op_case.op != OpKind::kLinearCrossEntropy) continue;
    for (const bool weight_gradient : {false, true}) {
      OpCase head = op_case;
      OpProgram program;
      Graph& graph = program.graph;
      std::vector<ValueId> operands;
      for (std::size_t i = 0; i < head.operands.size(); ++i) {
        program.feeds[OperandName(head, i)] = head.operands[i].data;
        operands.push_back(graph.AddInput(OperandName(head, i), head.operands[i].type));
      }
      const ValueId seed = graph.AddInput("seed", {DType::kF32, {1}});
      program.feeds["seed"] = {128.0};
      ASSERT_OK_AND_ASSIGN(auto loss, graph.AddNode(head.op, head.attributes, operands));
      operands.insert(operands.end(), {loss[1], seed});
      ASSERT_OK_AND_ASSIGN(auto gradients,
                           graph.AddNode(OpKind::kLinearCrossEntropyGrad,
                                         CrossEntropyAttrs{weight_gradient}, operands));
      graph.AddOutput("loss", loss[0]);
      graph.AddOutput("lse", loss[1]);
      for (std::size_t i = 0; i < gradients.size(); ++i) {
        graph.AddOutput(StrCat("d", i), gradients[i]);
      }
      ASSERT_OK_AND_ASSIGN(auto apart, EvaluateReference(graph, program.feeds));
      FuseLoss(&graph);
      ASSERT_OK(Verify(graph));
      ASSERT_EQ(graph.nodes().size(), 1u);
      joint_nodes += graph.nodes()[0].op == OpKind::kLinearCrossEntropyJoint;
      ASSERT_OK_AND_ASSIGN(auto joint, EvaluateReference(graph, program.feeds));
      for (const auto& [name, result] : apart) EXPECT_EQ(result.data, joint.at(name).data) << name;
    }
  }
  EXPECT_EQ(joint_nodes, 10);
}

}  // namespace
}  // namespace attune::testing
