// The device's part of the loss in fp16, where products below 2^-14 are lost: a
// vocabulary of which one word is likely and all the others together matter.

#include <gtest/gtest.h>

#include "graph/builder.h"
#include "numeric/ane/parity_world.h"

namespace attune::ane::testing {
namespace {

constexpr std::int64_t kRows = 32, kColumns = 64;

// Row v of W is -0.5 e0 but for v = 0, so with x = `sharpness` e0 each other word has
// e^(-sharpness) of the first one's probability.
class Head : public ::testing::TestWithParam<std::int64_t> {
 protected:
  Head() : weight_(DType::kF32, {GetParam(), kColumns}) {
    for (std::int64_t v = 0; v < GetParam(); ++v) {
      weight_.f32()[static_cast<std::size_t>(v * kColumns)] = v == 0 ? 0.5f : -0.5f;
      weight_.f32()[static_cast<std::size_t>(v * kColumns + 1 + v % (kColumns - 1))] = 0.25f;
    }
  }

  Graph LossGraph() {
    Graph graph;
    GraphBuilder builder(&graph);
    const ValueId x = graph.AddParameter("x", {DType::kF32, {kRows, kColumns}}, true);
    const ValueId weight = graph.AddParameter("w", {DType::kF32, weight_.shape()}, false);
    const ValueId labels = graph.AddInput("labels", {DType::kI32, {kRows}});
    const ValueId weights = graph.AddInput("weights", {DType::kF32, {kRows}});
    const ValueId seed = graph.AddInput("seed", {DType::kF32, {1}});
    const ValueId loss = builder.LinearCrossEntropy(x, weight, labels, weights);
    auto gradients = Differentiate(&graph, loss, seed, std::vector{x});
    EXPECT_OK(gradients);
    graph.AddOutput("loss", loss);
    graph.AddOutput("dx", (*gradients)[0]);
    Optimize(&graph);
    return graph;
  }

  struct Results {
    float loss = 0;
    std::vector<float> dx;
  };
  Results RunOn(Backend& backend) {
    const Graph graph = LossGraph();
    auto executable = backend.Compile(graph, {{"w", weight_.view()}}, {});
    EXPECT_OK(executable);
    Tensor x(DType::kF32, {kRows, kColumns});
    for (std::int64_t n = 0; n < kRows; ++n) {
      x.f32()[static_cast<std::size_t>(n * kColumns)] = 9.0f + 0.125f * static_cast<float>(n % 16);
    }
    EXPECT_OK((*executable)->Bind("x", {x.data(), static_cast<std::size_t>(x.bytes())}));
    for (std::int64_t n = 0; n < kRows; ++n) {
      const auto at = static_cast<std::size_t>(n);
      AsI32(*(*executable)->Input("labels"))[at] = static_cast<std::int32_t>(n % 2 * 7);
      AsF32(*(*executable)->Input("weights"))[at] = 1.0f / kRows;
    }
    AsF32(*(*executable)->Input("seed"))[0] = 1024.0f;
    EXPECT_OK((*executable)->Run());
    const auto dx = (*executable)->Output("dx")->f32();
    return {(*executable)->Output("loss")->f32()[0], {dx.begin(), dx.end()}};
  }

  Tensor weight_;
};

TEST_P(Head, CountsTheWordsThatAreUnlikelyOneByOne) {
  Machines machines(false, {.head = HeadPlacement::kDevice});
  const Results device = RunOn(*machines.ane), host = RunOn(*machines.cpu);
  ASSERT_GT(machines.ane->activity().device.evaluations, 0);
  EXPECT_NEAR(device.loss / host.loss, 1.0f, 1e-3f) << device.loss << " for " << host.loss;
  EXPECT_GT(Compare(device.dx, host.dx).cosine, 0.999);
}

// 12529 is the last, uneven part of GPT-2's 50257.
INSTANTIATE_TEST_SUITE_P(Vocabularies, Head, ::testing::Values(512, 4096, 8192, 12529, 20011));

}  // namespace
}  // namespace attune::ane::testing
