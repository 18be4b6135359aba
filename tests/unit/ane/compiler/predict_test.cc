#include "ane/compiler/predict.h"

#include <gtest/gtest.h>

#include <utility>

#include "graph/builder.h"

namespace attune::ane {
namespace {

constexpr Chip kChip = Chip::kM4;

PlanProgram ProgramOf(double flops) {
  PlanProgram program;
  program.work.matrix_flops = flops;
  program.work.weight_bytes = 1e6;
  return program;
}

Plan TwoPrograms() {
  Plan plan;
  plan.programs = {ProgramOf(1e9), ProgramOf(5e9)};
  plan.steps.push_back(RunPrograms{0, 2});
  return plan;
}

// x [8, 4] times W [6, 4].
Graph LinearGraph() {
  Graph graph;
  const ValueId x = graph.AddInput("x", {DType::kF32, {8, 4}});
  const ValueId w = graph.AddParameter("w", {DType::kF32, {6, 4}}, false);
  const ValueId inputs[] = {x, w};
  const auto y = graph.AddNode(OpKind::kLinear, LinearAttrs{}, inputs);
  EXPECT_TRUE(y.ok());
  graph.AddOutput("y", y->front());
  return graph;
}

TEST(PredictPlan, AddsUpTheEvaluationsOfItsSteps) {
  const Plan plan = TwoPrograms();
  const PlanCost cost = PredictPlan(plan, kChip);
  const Prediction first = PredictEvaluation(CostOf(kChip), plan.programs[0].work);
  const Prediction second = PredictEvaluation(CostOf(kChip), plan.programs[1].work);
  EXPECT_EQ(cost.evaluations, 2);
  EXPECT_DOUBLE_EQ(cost.device_seconds, first.seconds + second.seconds);
  EXPECT_DOUBLE_EQ(cost.device_joules, first.joules + second.joules);
  EXPECT_DOUBLE_EQ(cost.seconds(), cost.device_seconds);
}

TEST(PredictPlan, CountsAProgramAsOftenAsItRuns) {
  Plan plan = TwoPrograms();
  const double once = PredictPlan(plan, kChip).device_seconds;
  plan.steps.push_back(RunPrograms{0, 2});
  const PlanCost twice = PredictPlan(plan, kChip);
  EXPECT_DOUBLE_EQ(twice.device_seconds, 2 * once);
  EXPECT_EQ(twice.evaluations, 4);
}

TEST(PredictPlan, CompilesAndLoadsEachProgramOnce) {
  Plan plan = TwoPrograms();
  plan.steps.push_back(RunPrograms{0, 2});
  const PlanCost cost = PredictPlan(plan, kChip);
  EXPECT_DOUBLE_EQ(cost.compile_seconds, 2 * PredictCompile(CostOf(kChip), plan.programs[0].work));
  EXPECT_DOUBLE_EQ(cost.load_seconds, 2 * CostOf(kChip).load_seconds);
}

TEST(PredictPlan, MovesFourBytesOfTheHostAndTwoOfTheDevice) {
  Plan plan;
  plan.uploads = 4000;
  plan.downloads = 2000;
  const PlanCost cost = PredictPlan(plan, kChip);
  EXPECT_DOUBLE_EQ(cost.transfer_seconds, 9000 / CostOf(kChip).host_bandwidth);
}

TEST(PredictPlan, TakesHostStepsAsWorkOfTheHost) {
  Plan plan;
  RunHost host;
  host.graph = LinearGraph();
  plan.steps.push_back(std::move(host));
  const HostWork work = HostWorkOf(LinearGraph());
  const PlanCost cost = PredictPlan(plan, kChip);
  EXPECT_DOUBLE_EQ(cost.host_seconds, PredictHost(CostOf(kChip), work.flops, work.bytes));
  EXPECT_GT(cost.host_seconds, 0);
}

TEST(PredictPlan, PaysForMasksAndRotations) {
  Plan plan;
  plan.surfaces = {{"mask", 64, 64}, {"cos", 8, 64}, {"sin", 8, 64}};
  MakeMask mask;
  mask.surface = 0;
  plan.steps.push_back(mask);
  MakeRotation rotation;
  rotation.cosine = 1;
  rotation.sine = 2;
  plan.steps.push_back(rotation);
  const double bytes = 64 * 64 * 2 + 2 * 8 * 64 * 2;
  EXPECT_DOUBLE_EQ(PredictPlan(plan, kChip).host_seconds, bytes / CostOf(kChip).host_bandwidth);
}

TEST(HostWork, OfALinearIsItsProductAndItsOperands) {
  const HostWork work = HostWorkOf(LinearGraph());
  EXPECT_EQ(work.flops, 2 * 8 * 6 * 4);
  EXPECT_EQ(work.bytes, 4 * (8 * 4 + 6 * 4 + 8 * 6));
}

TEST(HostWork, OfALookUpIsItsRowsAndNotTheTable) {
  Graph graph;
  const ValueId table = graph.AddParameter("table", {DType::kF32, {1000, 4}}, false);
  const ValueId ids = graph.AddInput("ids", {DType::kI32, {3}});
  const ValueId inputs[] = {table, ids};
  const auto rows = graph.AddNode(OpKind::kEmbedding, {}, inputs);
  ASSERT_TRUE(rows.ok());
  EXPECT_EQ(HostWorkOf(graph).bytes, 2 * 4 * 3 * 4);
}

TEST(HostWork, OfTheHeadAndItsGradientIsTwoProducts) {
  Graph graph;
  const ValueId x = graph.AddInput("x", {DType::kF32, {8, 4}});
  const ValueId w = graph.AddParameter("w", {DType::kF32, {100, 4}}, false);
  const ValueId labels = graph.AddInput("labels", {DType::kI32, {8}});
  const ValueId weights = graph.AddInput("weights", {DType::kF32, {8}});
  const ValueId dloss = graph.AddInput("dloss", {DType::kF32, {1}});
  const ValueId inputs[] = {x, w, labels, weights, dloss};
  CrossEntropyAttrs attrs;
  ASSERT_TRUE(graph.AddNode(OpKind::kLinearCrossEntropyJoint, attrs, inputs).ok());
  EXPECT_EQ(HostWorkOf(graph).flops, 2.0 * 8 * 4 * 100 * 2);
  attrs.weight_gradient = true;
  ASSERT_TRUE(graph.AddNode(OpKind::kLinearCrossEntropyJoint, attrs, inputs).ok());
  EXPECT_EQ(HostWorkOf(graph).flops, 2.0 * 8 * 4 * 100 * (2 + 3));
}

}  // namespace
}  // namespace attune::ane
