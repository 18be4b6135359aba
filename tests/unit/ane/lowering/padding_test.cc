// Rows that are not there: what padding must not do, and what stays in fp16's range.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>

#include "graph/builder.h"
#include "support/status_matchers.h"
#include "unit/ane/lowering/decoder_programs.h"
#include "unit/ane/lowering/plan_runner.h"

namespace attune::ane {
namespace {

using testing::OpProgram;

// Feeds of every leaf: sines, `scale` high.
void FeedLeaves(OpProgram* program, double scale = 1) {
  int phase = 1;
  for (const Value& value : program->graph.values()) {
    if (value.leaf == Leaf::kNone || value.leaf == Leaf::kConstant) continue;
    std::vector<double>& data = program->feeds[value.name];
    for (std::int64_t i = 0; i < value.type.shape.elements(); ++i) {
      const double x = scale * std::sin(0.7 * static_cast<double>(i) + phase);
      data.push_back(value.type.dtype == DType::kI32 ? static_cast<double>(i % 3)
                                                     : static_cast<double>(static_cast<float>(x)));
    }
    ++phase;
  }
}

CompilerOptions AllOnDevice() {
  CompilerOptions options;
  options.smallest_island = 1;
  options.head = HeadPlacement::kDevice;
  return options;
}

void ExpectEqual(const OpProgram& program, double tolerance = 1e-9) {
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  const auto lowered = Lower(program.graph, frozen.views, AllOnDevice());
  ASSERT_OK(lowered);
  EXPECT_EQ(lowered->regions.size(), 1u);
  const auto want = EvaluateReference(program.graph, program.feeds);
  ASSERT_OK(want);
  testing::PlanRunner runner(*lowered, program.feeds);
  EXPECT_LT(testing::LargestError(runner.Run(), *want), tolerance);
}

struct Author {
  OpProgram program;
  GraphBuilder b{&program.graph};

  ValueId Input(const char* name, Shape shape) {
    return program.graph.AddInput(name, {DType::kF32, shape});
  }
  ValueId Frozen(const char* name, Shape shape) {
    return program.graph.AddParameter(name, {DType::kF32, shape}, false);
  }
};

// A product over rows multiplies padding with padding: neither side may be assumed to
// be zero there.
TEST(Padding, SumsOverRowsOfBiasedValuesLeaveItOut) {
  using Make = std::function<ValueId(Author&)>;
  const Make makers[] = {
      [](Author& a) {
        return a.b.Linear(a.Input("x", {5, 4}), a.Frozen("w", {3, 4}), a.Frozen("bias", {3}));
      },
      [](Author& a) {
        return a.b.LayerNorm(a.Input("x", {5, 3}), a.Frozen("w", {3}), a.Frozen("b", {3}), 0.1f);
      },
      [](Author& a) {
        return a.b.Unary(UnaryFunction::kSigmoid, a.Input("x", {5, 3}));
      },
      [](Author& a) {
        return a.b.Attention(a.Input("q", {5, 3}), a.Input("k", {5, 3}),
                             a.b.Unary(UnaryFunction::kSigmoid, a.Input("v", {5, 3})),
                             {1, 1, 1, 3, 0.5f, AttentionMask::kCausal});
      }};
  for (const Make& make : makers) {
    SCOPED_TRACE(&make - makers);
    Author a;
    const ValueId x = make(a);
    const ValueId y = a.b.Unary(UnaryFunction::kSigmoid, a.Input("other", {5, 6}));
    a.program.graph.AddOutput("product", a.b.MatMul(x, y, {.transpose_a = true}));
    a.program.graph.AddOutput("sum", a.b.ReduceSum(x));
    a.program.graph.AddOutput(
        "later", a.b.MatMul(a.b.Concat({x, x}), a.b.Scale(y, 2), {.transpose_a = true}));
    ASSERT_OK(a.b.status());
    FeedLeaves(&a.program);
    ExpectEqual(a.program);
  }
}

// Weights that are computed have padding of their own.
TEST(Padding, ComputedWeightsLeaveItOut) {
  for (const bool transposed : {false, true}) {
    Author a;
    const ValueId w =
        a.b.Unary(UnaryFunction::kSigmoid, a.Input("w", transposed ? Shape{5, 7} : Shape{7, 5}));
    const ValueId x = a.b.Unary(UnaryFunction::kSigmoid, a.Input("x", {4, 5}));
    const ValueId y = a.b.Linear(x, w, kNoValue, {.transposed = transposed});
    const ValueId z = a.b.Linear(a.b.Scale(x, 2), w, kNoValue, {.transposed = transposed});
    a.program.graph.AddOutput("y", y);
    a.program.graph.AddOutput("across", a.b.MatMul(y, z, {.transpose_b = true}));
    a.program.graph.AddOutput("z", a.b.MatMul(x, w, {.transpose_b = !transposed, .scale = 0.5f}));
    ASSERT_OK(a.b.status());
    FeedLeaves(&a.program);
    ExpectEqual(a.program);
  }
}

TEST(Padding, ValueTimesItselfTransposedIsRight) {
  Author a;
  const ValueId x = a.Input("x", {6, 5});
  a.program.graph.AddOutput("inner", a.b.MatMul(x, x, {.transpose_a = true}));
  a.program.graph.AddOutput("outer", a.b.MatMul(x, x, {.transpose_b = true}));
  ASSERT_OK(a.b.status());
  FeedLeaves(&a.program);
  const auto lowered = Lower(a.program.graph, {}, AllOnDevice());
  ASSERT_OK(lowered);
  // The device's compiler names an operand that comes twice twice.
  for (const IrNode& node : lowered->regions[0].nodes) {
    EXPECT_TRUE(node.prim != Prim::kMatMul || node.inputs[0] != node.inputs[1]);
  }
  ExpectEqual(a.program);
}

TEST(Head, VocabularyBeyondOneChunkAndHalfPrecisionSumsIsRight) {
  Author a;
  const ValueId x = a.b.Unary(UnaryFunction::kTanh, a.Input("x", {3, 2}));
  const ValueId labels = a.program.graph.AddInput("labels", {DType::kI32, {3}});
  const ValueId loss =
      a.b.LinearCrossEntropy(x, a.Frozen("head", {32807, 2}), labels, a.Input("weights", {3}));
  a.program.graph.AddOutput("loss", loss);
  ASSERT_OK(a.b.status());
  FeedLeaves(&a.program);
  ExpectEqual(a.program);
}

// The tail's operands may come from the device, beside the logits.
TEST(Head, WeightsThatTheDeviceComputes) {
  Author a;
  const ValueId x = a.b.Unary(UnaryFunction::kTanh, a.Input("x", {3, 2}));
  const ValueId weights = a.b.Unary(UnaryFunction::kTanh, a.Input("weights", {3}));
  const ValueId labels = a.program.graph.AddInput("labels", {DType::kI32, {3}});
  a.program.graph.AddOutput("loss",
                            a.b.LinearCrossEntropy(x, a.Frozen("head", {7, 2}), labels, weights));
  ASSERT_OK(a.b.status());
  FeedLeaves(&a.program);
  ExpectEqual(a.program);
}

// Largest magnitude of what products give, which have to stay below 2^15, in the first
// region. Everything else stays in fp16's range.
double LargestProduct(const OpProgram& program) {
  const testing::FrozenBytes frozen(program.graph, program.feeds);
  const auto lowered = Lower(program.graph, frozen.views, AllOnDevice());
  EXPECT_OK(lowered);
  testing::SurfaceData data;
  for (const Step& step : lowered->plan.steps) {
    if (const auto* upload = std::get_if<Upload>(&step)) {
      const SurfaceSpec& spec = lowered->plan.surfaces[static_cast<std::size_t>(upload->surface)];
      const Shape& shape = program.graph.shape(upload->value);
      auto& numbers = data[upload->surface];
      numbers.assign(static_cast<std::size_t>(spec.channels * spec.width), 0.0);
      const auto& fed = program.feeds.at(program.graph.value(upload->value).name);
      for (std::int64_t i = 0; i < shape.elements(); ++i) {
        numbers[static_cast<std::size_t>(i % shape.back() * spec.width + i / shape.back())] =
            fed[static_cast<std::size_t>(i)];
      }
    }
  }
  double largest = 0;
  const Region& region = lowered->regions[0];
  const testing::RegionInterpreter run(region, data);
  for (const IrNode& node : region.nodes) {
    const bool product = node.prim == Prim::kConv || node.prim == Prim::kMatMul;
    for (const double x : run.value(node.output)) {
      EXPECT_LE(std::abs(x), 65504) << PrimName(node.prim);
      if (product) largest = std::max(largest, std::abs(x));
    }
  }
  return largest;
}

// GPT-2's residual stream has channels in the thousands, whose squares fp16 does not
// hold; gradients come scaled by the loss scale.
TEST(Range, NormsOfOutliersStayBelowTheDevicesLimit) {
  for (const bool rms : {true, false}) {
    for (const double scale : {1e-4, 1.0, 30.0}) {
      Author a;
      const ValueId x = a.Input("x", {4, 768}), dy = a.Input("dy", {4, 768});
      const ValueId w = a.Frozen("w", {768}), bias = a.Frozen("b", {768});
      const auto norm = rms ? a.b.Emit(OpKind::kRmsNorm, NormAttrs{1e-5f}, {x, w})
                            : a.b.Emit(OpKind::kLayerNorm, NormAttrs{1e-5f}, {x, w, bias});
      const auto dx =
          rms ? a.b.Emit(OpKind::kRmsNormGrad, NormAttrs{1e-5f}, {x, w, norm[1], dy})
              : a.b.Emit(OpKind::kLayerNormGrad, NormAttrs{1e-5f}, {x, w, norm[1], norm[2], dy});
      a.program.graph.AddOutput("y", norm[0]);
      a.program.graph.AddOutput("dx", dx[0]);
      ASSERT_OK(a.b.status());
      FeedLeaves(&a.program, scale);
      a.program.feeds["x"][7] = 3000;
      a.program.feeds["x"][768 + 447] = -2500;
      for (double& d : a.program.feeds["w"]) d = static_cast<float>(d / scale);
      for (double& d : a.program.feeds["dy"]) d *= 64;
      EXPECT_LT(LargestProduct(a.program), 0x1p15) << scale;
      ExpectEqual(a.program);
    }
  }
}

}  // namespace
}  // namespace attune::ane
