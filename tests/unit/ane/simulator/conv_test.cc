// Convolutions of every kind against the sum written out.

#include <gtest/gtest.h>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

struct Case {
  std::string name;
  std::int64_t n = 1, c = 1, h = 1, w = 1, o = 1, kh = 1, kw = 1, groups = 1;
  std::int64_t stride[2] = {1, 1}, dilation[2] = {1, 1};
  std::int64_t pad[4] = {0, 0, 0, 0};  // Top, bottom, left, right.
  std::string pad_type = "valid";
};

std::int64_t Extent(std::int64_t in, std::int64_t before, std::int64_t after, std::int64_t kernel,
                    std::int64_t stride, std::int64_t dilation) {
  return (in + before + after - (kernel - 1) * dilation - 1) / stride + 1;
}

Floats Expected(const Case& c, const Floats& x, const Floats& weight, std::int64_t oh,
                std::int64_t ow) {
  Floats y;
  const std::int64_t per = c.c / c.groups, out_per = c.o / c.groups;
  for (std::int64_t n = 0; n < c.n; ++n) {
    for (std::int64_t o = 0; o < c.o; ++o) {
      for (std::int64_t i = 0; i < oh * ow; ++i) {
        double sum = 0;
        for (std::int64_t k = 0; k < per * c.kh * c.kw; ++k) {
          const std::int64_t channel = o / out_per * per + k / (c.kh * c.kw);
          const std::int64_t row =
              i / ow * c.stride[0] + k / c.kw % c.kh * c.dilation[0] - c.pad[0];
          const std::int64_t column = i % ow * c.stride[1] + k % c.kw * c.dilation[1] - c.pad[2];
          if (row < 0 || row >= c.h || column < 0 || column >= c.w) continue;
          sum +=
              double{
                  x[static_cast<std::size_t>(((n * c.c + channel) * c.h + row) * c.w + column)]} *
              double{weight[static_cast<std::size_t>(o * per * c.kh * c.kw + k)]};
        }
        y.push_back(static_cast<float>(sum));
      }
    }
  }
  return y;
}

TEST(Conv, ComputesItsSum) {
  const Case cases[] = {
      {.name = "1x1", .c = 40, .w = 70, .o = 33},
      {.name = "1x1 of several rows and images", .n = 2, .c = 6, .h = 3, .w = 9, .o = 5},
      {.name = "3x3", .c = 3, .h = 7, .w = 8, .o = 4, .kh = 3, .kw = 3},
      {.name = "strided", .c = 2, .h = 9, .w = 10, .o = 3, .kh = 3, .kw = 2, .stride = {2, 3}},
      {.name = "dilated", .c = 2, .h = 9, .w = 12, .o = 3, .kh = 2, .kw = 3, .dilation = {3, 4}},
      {.name = "strided 1x1", .c = 4, .h = 5, .w = 9, .o = 4, .stride = {2, 2}},
      {.name = "grouped", .n = 2, .c = 8, .h = 3, .w = 5, .o = 12, .kh = 2, .kw = 2, .groups = 4},
      {.name = "depthwise 1x4", .c = 10, .w = 40, .o = 10, .kw = 4, .groups = 10},
      {.name = "padded on purpose",
       .c = 2,
       .h = 4,
       .w = 5,
       .o = 3,
       .kh = 3,
       .kw = 3,
       .pad = {1, 2, 0, 3},
       .pad_type = "custom"},
      {.name = "same",
       .c = 2,
       .h = 5,
       .w = 6,
       .o = 3,
       .kh = 3,
       .kw = 4,
       .pad = {1, 1, 1, 2},
       .pad_type = "same"},
      {.name = "same, the larger half first",
       .c = 2,
       .h = 5,
       .w = 6,
       .o = 3,
       .kh = 3,
       .kw = 4,
       .pad = {1, 1, 2, 1},
       .pad_type = "same_lower"},
      {.name = "same, strided",
       .c = 1,
       .h = 5,
       .w = 6,
       .o = 1,
       .kh = 3,
       .kw = 3,
       .stride = {2, 2},
       .pad = {1, 1, 0, 1},
       .pad_type = "same"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const std::int64_t oh = Extent(c.h, c.pad[0], c.pad[1], c.kh, c.stride[0], c.dilation[0]);
    const std::int64_t ow = Extent(c.w, c.pad[2], c.pad[3], c.kw, c.stride[1], c.dilation[1]);
    const std::int64_t per = c.c / c.groups;
    const Floats x = Numbers(c.n * c.c * c.h * c.w, 1);
    const Floats weight = Numbers(c.o * per * c.kh * c.kw, 2);
    const std::string text = Main(
        StrCat("tensor<fp32, [", c.n, ",", c.c, ",", c.h, ",", c.w, "]> x, tensor<fp32, [", c.o,
               ",", per, ",", c.kh, ",", c.kw, "]> weight"),
        StrCat("string pt = const()[name = string(\"pt\"), val = string(\"", c.pad_type, "\")];\n",
               "tensor<int32, [2]> st = const()[name = string(\"st\"), val = tensor<int32, [2]>([",
               c.stride[0], ",", c.stride[1], "])];\n",
               "tensor<int32, [4]> pd = const()[name = string(\"pd\"), val = tensor<int32, [4]>([",
               StrJoin(c.pad, ","), "])];\n",
               "tensor<int32, [2]> dl = const()[name = string(\"dl\"), val = tensor<int32, [2]>([",
               c.dilation[0], ",", c.dilation[1], "])];\n",
               "int32 gr = const()[name = string(\"gr\"), val = int32(", c.groups, ")];\n",
               "tensor<fp32, [", c.n, ",", c.o, ",", oh, ",", ow,
               "]> y = conv(dilations = dl, groups = gr, pad = pd, pad_type = pt, strides = st, "
               "weight = weight, x = x)[name = string(\"y\")];"),
        "y");
    ASSERT_OK_AND_ASSIGN(const auto y, RunMil(text, {x, weight}));
    const Floats expected = Expected(c, x, weight, oh, ow);
    ASSERT_EQ(y[0].size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(y[0][i], expected[i], 2e-5) << i;
  }
}

TEST(Conv, OneAndThreeSpatialAxes) {
  const std::string line = Main("tensor<fp32, [1,2,5]> x, tensor<fp32, [1,2,2]> w",
                                "tensor<fp32, [1,1,4]> y = conv(weight = w, x = x);", "y");
  ASSERT_OK_AND_ASSIGN(const auto a, RunMil(line, {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4}}));
  EXPECT_EQ(a[0], Floats({0 + 2 + 15 + 24, 1 + 4 + 18 + 28, 2 + 6 + 21 + 32, 3 + 8 + 24 + 36}));
  const std::string volume = Main("tensor<fp32, [1,1,2,2,2]> x, tensor<fp32, [1,1,2,1,2]> w",
                                  "tensor<fp32, [1,1,1,2,1]> y = conv(weight = w, x = x);", "y");
  ASSERT_OK_AND_ASSIGN(const auto b,
                       RunMil(volume, {{0, 1, 2, 3, 4, 5, 6, 7}, {1, 10, 100, 1000}}));
  EXPECT_EQ(b[0], Floats({10 + 400 + 5000, 2 + 30 + 600 + 7000}));
}

TEST(Conv, ShapesThatDoNotFitAreRefused) {
  const auto conv = [](const std::string& weight, const std::string& more) {
    return RunMil(Main("tensor<fp32, [1,4,3,3]> x, tensor<fp32, " + weight + "> w",
                       "tensor<fp32, [1,2,3,3]> y = conv(weight = w, x = x" + more + ");", "y"),
                  {Floats(36), Floats(8)})
        .status()
        .code();
  };
  EXPECT_EQ(conv("[2,4,1,1]", ""), StatusCode::kOk);
  EXPECT_EQ(conv("[2,4,1,1]", ", bias = w"), StatusCode::kInvalidArgument);
  EXPECT_EQ(conv("[4,2,1,1]", ""), StatusCode::kInvalidArgument);
  EXPECT_EQ(conv("[2,1,4,1]", ", groups = int32(4)"), StatusCode::kInvalidArgument);
  EXPECT_EQ(conv("[2,4,1,1]", ", groups = int32(0)"), StatusCode::kInvalidArgument);
  EXPECT_EQ(conv("[2,4,1,1]", ", strides = tensor<int32, [2]>([0,1])"),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(conv("[2,4,1,1]", ", pad_type = string(\"odd\")"), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace attune::ane::testing
