#include <gtest/gtest.h>

#include "support/ane/region_builder.h"
#include "support/status_matchers.h"

namespace attune::ane {
namespace {

using testing::RegionBuilder;

// A region with one of each kind of leaf and most primitives.
RegionBuilder Sound() {
  RegionBuilder b;
  const TensorId x = b.Input(64, 32);
  const TensorId y = b.Conv(x, b.ConvWeight(32, 64));
  const TensorId heads = b.Reshape(y, {1, 4, 8, 32});
  const TensorId scores = b.Softmax(b.MatMul(heads, heads, true), 3);
  const TensorId context = b.MatMul(heads, scores, false, true);
  const TensorId sum = b.Reduce(Prim::kReduceSum, b.Mul(context, b.Scalar(0.5f)), 2);
  b.Output(b.Transpose(b.Slice(context, {0, 1, 0, 0}, {1, 2, 8, 32}), {0, 2, 1, 3}));
  b.Output(b.Concat({sum, sum}, 1));
  return b;
}

void ExpectDefect(const RegionBuilder& b, std::string_view what) {
  const Status status = Verify(b.region(), b.surfaces());
  EXPECT_EQ(status.code(), StatusCode::kInternal);
  EXPECT_NE(status.message().find(what), std::string::npos) << status.ToString();
}

TEST(Verify, TakesASoundRegion) {
  const RegionBuilder b = Sound();
  EXPECT_OK(Verify(b.region(), b.surfaces()));
}

TEST(Verify, NamesANodeThatComesTooEarly) {
  RegionBuilder b = Sound();
  std::swap(b.region().nodes[0], b.region().nodes[1]);
  ExpectDefect(b, "t3 = reshape: t2 before it is computed");
}

TEST(Verify, RefusesATensorThatIsComputedTwice) {
  RegionBuilder b = Sound();
  b.region().nodes[1].output = b.region().nodes[0].output;
  ExpectDefect(b, "computed twice");
}

// Any change of one extent of one result breaks some rule.
TEST(Verify, HoldsEveryResultToItsPrimitivesRule) {
  const RegionBuilder sound = Sound();
  for (std::size_t i = 0; i < sound.region().nodes.size(); ++i) {
    for (std::size_t axis = 0; axis < 4; ++axis) {
      RegionBuilder b = sound;
      const auto id = static_cast<std::size_t>(b.region().nodes[i].output);
      b.region().tensors[id].dims[axis] += 64;
      EXPECT_FALSE(Verify(b.region(), b.surfaces()).ok()) << "node " << i << ", axis " << axis;
    }
  }
}

TEST(Verify, RefusesSurfacesOfAnotherSize) {
  RegionBuilder b = Sound();
  b.surfaces()[0].channels = 65;
  ExpectDefect(b, "dims [1, 64, 1, 32], surface 0 has 65 channels of 32");
}

TEST(Verify, RefusesToReadAndWriteOneSurface) {
  RegionBuilder b;
  const TensorId x = b.Input(32, 32);
  b.region().outputs.push_back({b.Unary(Prim::kExp, x), 0});
  ExpectDefect(b, "read and written");
}

TEST(Verify, RefusesConvolutionsWithAnythingButABakedWeight) {
  RegionBuilder b;
  const TensorId x = b.Input(64, 32);
  const TensorId w = b.Read(b.Surface(64, 32), {32, 64, 1, 1});
  b.Output(b.Conv(x, w));
  ExpectDefect(b, "not baked");
}

TEST(Verify, RefusesPiecesThatDoNotFillTheirWeight) {
  RegionBuilder b = Sound();
  b.region().weights[0].pieces[0].rows = 31;
  EXPECT_FALSE(Verify(b.region(), b.surfaces()).ok());
  b.region().weights[0].pieces[0].rows = 33;
  ExpectDefect(b, "pieces of [33, 64]");
}

TEST(Verify, RefusesInt8ForConstantOperands) {
  RegionBuilder b;
  const TensorId x = b.Reshape(b.Input(64, 32), {1, 2, 32, 32});
  const TensorId w = b.Weight(b.Matrix(64, 32), {1, 2, 32, 32});
  b.region().weights[0].storage = WeightStorage::kInt8;
  b.Output(b.MatMul(w, x));
  ExpectDefect(b, "stored by rows");
}

TEST(Print, ShowsLeavesNodesAndOutputs) {
  RegionBuilder b;
  const TensorId x = b.Input(64, 32);
  const TensorId weight = b.ConvWeight(32, 64);
  const TensorId y = b.Conv(x, weight);
  const TensorId half = b.Scalar(0.5f);
  b.Output(b.Mul(y, half));
  EXPECT_EQ(Print(b.region()),
            "region test\n"
            "weight weight0[32, 64, 1, 1] = f32[32, 64] as [32, 64]\n"
            "t0[1, 64, 1, 32] = surface 0\n"
            "t1[32, 64, 1, 1] = weight weight0\n"
            "t2[1, 32, 1, 32] = conv(t0, t1)  # node 0\n"
            "t4[1, 32, 1, 32] = mul(t2, 0.5)  # node 1\n"
            "surface 1 = t4\n");
}

}  // namespace
}  // namespace attune::ane
