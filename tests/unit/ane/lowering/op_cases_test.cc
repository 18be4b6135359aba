// Every op of the graph, alone and with its gradient, and random mixtures of them:
// lowered and run in double they equal the reference.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "support/graph/op_cases.h"
#include "support/graph/random_graph.h"
#include "support/status_matchers.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

using attune::testing::AllOpCases;
using attune::testing::ForwardProgram;
using attune::testing::GradientProgram;
using attune::testing::HasGradient;
using attune::testing::OpCase;
using attune::testing::OpProgram;
using attune::testing::ProgramOptions;
using attune::testing::RandomProgram;
using attune::testing::SeedNote;
using attune::testing::TestSeed;

// Everything is double; only the erf of gelu is an approximation, to 1.5e-7.
constexpr double kExact = 1e-9;
constexpr double kErf = 2e-6;

CompilerOptions SmallOptions() {
  CompilerOptions options;
  options.smallest_island = 1;
  options.head = HeadPlacement::kDevice;
  return options;
}

double Tolerance(const Graph& graph) {
  for (const Node& node : graph.nodes()) {
    const auto* unary = std::get_if<UnaryAttrs>(&node.attributes);
    if (unary != nullptr && unary->function == UnaryFunction::kGelu) return kErf;
  }
  return kExact;
}

// The ops that ran on the device; empty when none could.
std::set<OpKind> ExpectEqual(const OpProgram& program, const CompilerOptions& options) {
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  const auto lowered = Lower(program.graph, frozen.views, options);
  if (!lowered.ok()) {
    EXPECT_EQ(lowered.status().code(), StatusCode::kUnsupported) << lowered.status().ToString();
    return {};
  }
  for (const Region& region : lowered->regions) EXPECT_OK(Verify(region, lowered->plan.surfaces));
  testing::PlanRunner runner(*lowered, program.feeds);
  const auto want = EvaluateReference(program.graph, program.feeds);
  EXPECT_OK(want);
  EXPECT_LT(testing::LargestError(runner.Run(), *want), Tolerance(program.graph))
      << Print(program.graph);
  std::set<OpKind> on_device;
  for (std::size_t n = 0; n < program.graph.nodes().size(); ++n) {
    if (lowered->plan.placements[n].on_device) on_device.insert(program.graph.nodes()[n].op);
  }
  return on_device;
}

// What the device takes, among others.
const std::set<OpKind> kDeviceOps = {
    OpKind::kLinear,    OpKind::kMatMul,        OpKind::kAdd,
    OpKind::kMul,       OpKind::kScale,         OpKind::kUnary,
    OpKind::kUnaryGrad, OpKind::kSwiGlu,        OpKind::kSwiGluGrad,
    OpKind::kRmsNorm,   OpKind::kRmsNormGrad,   OpKind::kRmsNormWeightGrad,
    OpKind::kLayerNorm, OpKind::kLayerNormGrad, OpKind::kLayerNormWeightGrad,
    OpKind::kRope,      OpKind::kAttention,     OpKind::kAttentionGrad,
    OpKind::kReduceSum, OpKind::kSlice,         OpKind::kPad,
    OpKind::kSplit,     OpKind::kConcat,        OpKind::kDropout};

TEST(LowerOpCases, ForwardEqualsTheReference) {
  SCOPED_TRACE(SeedNote());
  std::set<OpKind> seen;
  for (const OpCase& op_case : AllOpCases()) {
    SCOPED_TRACE(op_case.name);
    for (const bool trainable : {false, true}) {
      const OpProgram program = ForwardProgram(op_case, {.trainable = trainable});
      seen.merge(ExpectEqual(program, SmallOptions()));
      if (::testing::Test::HasFailure()) return;
    }
  }
  for (const OpKind op : kDeviceOps) {
    const bool gradient = OpName(op).ends_with("_grad");
    EXPECT_TRUE(gradient || seen.contains(op)) << OpName(op);
  }
}

TEST(LowerOpCases, GradientsEqualTheReference) {
  SCOPED_TRACE(SeedNote());
  std::set<OpKind> seen;
  for (const OpCase& op_case : AllOpCases()) {
    SCOPED_TRACE(op_case.name);
    for (const bool trainable : {false, true}) {
      const ProgramOptions program_options{.trainable = trainable};
      if (!HasGradient(op_case, program_options)) continue;
      seen.merge(ExpectEqual(GradientProgram(op_case, program_options), SmallOptions()));
      if (::testing::Test::HasFailure()) return;
    }
  }
  for (const OpKind op : kDeviceOps) EXPECT_TRUE(seen.contains(op)) << OpName(op);
}

TEST(LowerOpCases, WeightsOfEveryTypeAndFormEqualTheReference) {
  SCOPED_TRACE(SeedNote());
  for (const OpCase& op_case : AllOpCases()) {
    if (attune::testing::StoredWeight(op_case) < 0) continue;
    SCOPED_TRACE(op_case.name);
    for (const DType dtype : {DType::kF16, DType::kBf16}) {
      CompilerOptions options = SmallOptions();
      options.linear = LinearForm::kMatMul;
      ExpectEqual(ForwardProgram(op_case, {.trainable = false, .weight_dtype = dtype}), options);
    }
  }
}

TEST(LowerOpCases, RandomProgramsEqualTheReference) {
  SCOPED_TRACE(SeedNote());
  for (std::uint64_t i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    ExpectEqual(RandomProgram(TestSeed() + i, {.constants = i % 2 == 1}), SmallOptions());
    if (::testing::Test::HasFailure()) return;
  }
}

}  // namespace
}  // namespace attune::ane
