// The end of the loss against linear_cross_entropy_joint.

#include "ane/runtime/loss_tail.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/philox.h"
#include "graph/reference.h"
#include "support/status_matchers.h"
#include "unit/ane/runtime/fake_device.h"

namespace attune::ane {
namespace {

constexpr std::int64_t kRows = 6, kWidth = 5, kVocabulary = 9;

// A head with its leaves and results, the weight stored as `dtype`.
class Head {
 public:
  explicit Head(DType dtype) : dtype_(dtype) {
    x_ = graph_.AddInput("x", {DType::kF32, {kRows, kWidth}});
    weight_ = graph_.AddParameter("head", {dtype, {kVocabulary, kWidth}}, false);
    labels_ = graph_.AddInput("labels", {DType::kI32, {kRows}});
    weights_ = graph_.AddInput("weights", {DType::kF32, {kRows}});
    dloss_ = graph_.AddInput("dloss", {DType::kF32, {1}});
    auto made = graph_.AddNode(OpKind::kLinearCrossEntropyJoint, CrossEntropyAttrs{},
                               std::vector{x_, weight_, labels_, weights_, dloss_});
    EXPECT_OK(made);
    loss_ = (*made)[0];
    graph_.AddOutput("loss", loss_);
    graph_.AddOutput("lse", (*made)[1]);
    graph_.AddOutput("dx", (*made)[2]);
    Fill();
  }

  LossTail Tail(bool gradient) const {
    LossTail tail{0,
                  1,
                  gradient ? 2 : kNone,
                  gradient ? 3 : kNone,
                  weight_,
                  labels_,
                  weights_,
                  gradient ? dloss_ : kNoValue,
                  loss_};
    return tail;
  }
  Plan SurfacePlan() const {
    Plan plan;
    plan.surfaces = {{"x", kWidth, 32}, {"lse", 1, 32}, {"expected", 8, 32}, {"dx", kWidth, 32}};
    plan.slots = {0, 1, 2, 3};
    plan.slot_elements = {kWidth * 32, 32, 8 * 32, kWidth * 32};
    return plan;
  }

  const Graph& graph() const { return graph_; }
  FrozenParameters frozen() const { return {{"head", stored_.view()}}; }
  ReferenceFeeds feeds;

 private:
  void Fill() {
    Philox random(5, 0);
    const auto draw = [&] { return static_cast<double>(random.NextBelow(64)) / 32 - 1; };
    for (std::int64_t i = 0; i < kRows * kWidth; ++i) feeds["x"].push_back(draw());
    stored_ = Tensor(dtype_, {kVocabulary, kWidth});
    for (std::int64_t i = 0; i < kVocabulary * kWidth; ++i) {
      feeds["head"].push_back(draw());  // Exact in every format.
      const auto value = static_cast<float>(feeds["head"].back());
      if (dtype_ == DType::kF32) stored_.f32()[static_cast<std::size_t>(i)] = value;
      if (dtype_ == DType::kF32) continue;
      const std::uint16_t bits = dtype_ == DType::kF16 ? F16FromF32(value) : Bf16FromF32(value);
      std::memcpy(stored_.data() + 2 * i, &bits, 2);
    }
    feeds["labels"] = {0, 8, 3, 3, 1, 7};
    feeds["weights"] = {0.25, 0.5, 0, 0.25, 1, 0.125};
    feeds["dloss"] = {1024};
  }

  Graph graph_;
  DType dtype_;
  Tensor stored_;
  ValueId x_, weight_, labels_, weights_, dloss_, loss_;
};

void Feed(const Head& head, HostValues* values) {
  for (const char* name : {"weights", "dloss"}) {
    auto slot = AsF32(*values->Input(name));
    const auto& data = head.feeds.at(name);
    for (std::size_t i = 0; i < data.size(); ++i) slot[i] = static_cast<float>(data[i]);
  }
  auto labels = AsI32(*values->Input("labels"));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i] = static_cast<std::int32_t>(head.feeds.at("labels")[i]);
  }
}

// Writes what the device would have computed.
void FillSurfaces(const Head& head, const SurfaceSet& surfaces,
                  const std::map<std::string, ReferenceTensor>& results) {
  for (std::int64_t row = 0; row < kRows; ++row) {
    const auto at = static_cast<std::size_t>(row);
    const double lse = results.at("lse").data[at];
    {
      auto locked = surfaces.Lock(1, false);
      // Row 2 weighs nothing: whatever its text is, it does not count.
      WriteElement(row == 2 ? INFINITY : static_cast<float>(lse), surfaces.layout(1), 0, row,
                   locked->data());
    }
    for (std::int64_t c = 0; c < kWidth; ++c) {
      const auto& x = head.feeds.at("x");
      auto locked = surfaces.Lock(0, false);
      WriteElement(static_cast<float>(x[static_cast<std::size_t>(row * kWidth + c)]),
                   surfaces.layout(0), c, row, locked->data());
    }
    for (std::int64_t c = 0; c < kWidth; ++c) {
      const auto& x = head.feeds.at("x");
      const auto& w = head.feeds.at("head");
      double expected = 0;
      for (std::int64_t v = 0; v < kVocabulary; ++v) {
        double logit = 0;
        for (std::int64_t k = 0; k < kWidth; ++k) {
          logit += x[static_cast<std::size_t>(row * kWidth + k)] *
                   w[static_cast<std::size_t>(v * kWidth + k)];
        }
        expected += std::exp(logit - lse) * w[static_cast<std::size_t>(v * kWidth + c)];
      }
      auto locked = surfaces.Lock(2, false);
      WriteElement(row == 2 ? INFINITY : static_cast<float>(expected), surfaces.layout(2), c, row,
                   locked->data());
    }
  }
}

TEST(LossTail, LossAndGradientAreThoseOfTheOp) {
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBf16}) {
    SCOPED_TRACE(DTypeName(dtype));
    const Head head(dtype);
    ASSERT_OK_AND_ASSIGN(const auto results, EvaluateReference(head.graph(), head.feeds));
    testing::FakeDevice device(ElementType::kF32);
    ASSERT_OK_AND_ASSIGN(const auto surfaces, SurfaceSet::Allocate(device, head.SurfacePlan()));
    HostValues values(head.graph(), head.frozen());
    LossTailStep step(head.Tail(/*gradient=*/true), head.graph(), &values);
    Feed(head, &values);
    FillSurfaces(head, *surfaces, results);
    SerialParallel parallel;
    ASSERT_OK(step.Run(values, *surfaces, parallel));
    ASSERT_OK_AND_ASSIGN(const TensorView loss, values.Output("loss"));
    EXPECT_NEAR(loss.f32()[0], results.at("loss").data[0], 1e-5);
    ASSERT_OK_AND_ASSIGN(const auto locked, surfaces->Lock(3, true));
    for (std::int64_t i = 0; i < kRows * kWidth; ++i) {
      const float got = ReadElement(locked.data(), surfaces->layout(3), i % kWidth, i / kWidth);
      ASSERT_NEAR(got, results.at("dx").data[static_cast<std::size_t>(i)], 1e-3) << i;
    }
  }
}

TEST(LossTail, WithoutAGradientThereIsTheLossAlone) {
  const Head head(DType::kF32);
  ASSERT_OK_AND_ASSIGN(const auto results, EvaluateReference(head.graph(), head.feeds));
  testing::FakeDevice device(ElementType::kF16);
  ASSERT_OK_AND_ASSIGN(const auto surfaces, SurfaceSet::Allocate(device, head.SurfacePlan()));
  HostValues values(head.graph(), head.frozen());
  LossTailStep step(head.Tail(/*gradient=*/false), head.graph(), &values);
  Feed(head, &values);
  FillSurfaces(head, *surfaces, results);
  SerialParallel parallel;
  ASSERT_OK(step.Run(values, *surfaces, parallel));
  ASSERT_OK_AND_ASSIGN(const TensorView loss, values.Output("loss"));
  // Half precision of the log-sum-exp, 2^-9 below 4.
  EXPECT_NEAR(loss.f32()[0], results.at("loss").data[0], 2 * 0x1p-9);
}

TEST(LossTail, ALabelOutsideTheVocabularyIsNamed) {
  const Head head(DType::kF32);
  testing::FakeDevice device;
  ASSERT_OK_AND_ASSIGN(const auto surfaces, SurfaceSet::Allocate(device, head.SurfacePlan()));
  HostValues values(head.graph(), head.frozen());
  LossTailStep step(head.Tail(true), head.graph(), &values);
  Feed(head, &values);
  AsI32(*values.Input("labels"))[4] = kVocabulary;
  SerialParallel parallel;
  const Status status = step.Run(values, *surfaces, parallel);
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "labels[4] is 9, must be in [0, 9)");
}

}  // namespace
}  // namespace attune::ane
