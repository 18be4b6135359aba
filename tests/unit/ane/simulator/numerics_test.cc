// What each chip makes of numbers at the edges: the published observations.

#include "ane/simulator/numerics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ane/simulator/tables.h"
#include "base/strings.h"
#include "posix/thread_pool.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

std::string Tensor(const std::string& dims) { return "tensor<fp16, [" + dims + "]>"; }

// One dot product.
float Dot(Chip chip, const Floats& a, const Floats& b) {
  const std::string k = StrCat(a.size());
  const std::string text = Main(Tensor("1," + k) + " a, " + Tensor(k + ",1") + " b",
                                Tensor("1,1") + " y = matmul(x = a, y = b);", "y");
  const auto out = RunMil(text, {a, b}, {.numerics = NumericsOf(chip)});
  EXPECT_OK(out);
  return (*out)[0][0];
}

// `y = <expression>` of x, elementwise.
Floats Of(Chip chip, const std::string& expression, const Floats& x) {
  const std::string type = Tensor(StrCat(x.size()));
  const auto out = RunMil(Main(type + " x", type + " y = " + expression + ";", "y"), {x},
                          {.numerics = NumericsOf(chip)});
  EXPECT_OK(out);
  return out.ok() ? (*out)[0] : Floats(x.size());
}

TEST(Numerics, SmallProductsAreLostOnM4AndKeptOnM5) {
  EXPECT_EQ(Dot(Chip::kM4, {8e-5f}, {0.036f}), 0);
  EXPECT_EQ(Dot(Chip::kM3Ultra, {8e-5f}, {0.036f}), 0);
  EXPECT_NEAR(Dot(Chip::kM5, {8e-5f}, {0.036f}), 2.9e-6f, 1e-7f);
  // The bound itself stays.
  EXPECT_EQ(Dot(Chip::kM4, {0x1p-7f}, {0x1p-7f}), 0x1p-14f);
  EXPECT_EQ(Dot(Chip::kM1, {0x1p-8f}, {0x1p-8f}), 0x1p-16f);
  EXPECT_EQ(Dot(Chip::kM1, {0x1p-8f}, {0x1p-9f}), 0);
}

TEST(Numerics, ProductsSaturateAtTwoToThe15) {
  for (const Chip chip : AllChips()) {
    SCOPED_TRACE(ChipName(chip));
    const bool to_zero = chip == Chip::kM3Pro || chip == Chip::kM3Ultra || chip == Chip::kA17Pro;
    EXPECT_EQ(Dot(chip, {256, 128}, {128, -0.125f}), to_zero ? 0 : kInfinity);
    EXPECT_EQ(Dot(chip, {128}, {255.875f}), 32752);
    EXPECT_EQ(Dot(chip, {256}, {-128}), to_zero ? 0 : -kInfinity);
    EXPECT_EQ(Dot(chip, {200, 200, 250}, {150, 150, -200}), to_zero ? 0 : kInfinity)
        << "a partial sum beyond the range";
  }
  EXPECT_EQ(Dot(Chip::kM4, {200, 250, 200}, {150, -200, 150}), 10000)
      << "the same in another order";
}

TEST(Numerics, ElementwiseReachesTheRangeOfFp16) {
  EXPECT_EQ(Of(Chip::kM4, "add(x = x, y = x)", {32752}), Floats({65504}));
  EXPECT_EQ(Of(Chip::kM4, "add(x = x, y = x)", {32768}), Floats({kInfinity}));
  EXPECT_EQ(Of(Chip::kM4, "mul(x = x, y = x)", {0x1p-12f}), Floats({0x1p-24f})) << "denormals";
}

TEST(Numerics, TilesOfTheM1AreRounded) {
  Floats a(1025, 1), ones(1025, 1);
  a[0] = 4096;
  EXPECT_EQ(Dot(Chip::kM1, a, ones), 5116);
  EXPECT_EQ(Dot(Chip::kM3Ultra, a, ones), 5120);
  EXPECT_EQ(Dot(Chip::kM4, a, ones), 5120);
}

float SumOf(Chip chip, const Floats& x) {
  const auto out =
      RunMil(Main(Tensor(StrCat("1,", x.size())) + " x",
                  Tensor("1,1") + " y = reduce_sum(axes = tensor<int32, [1]>([1]), keep_dims = "
                                  "bool(true), x = x);",
                  "y"),
             {x}, {.numerics = NumericsOf(chip)});
  EXPECT_OK(out);
  return (*out)[0][0];
}

TEST(Numerics, ReductionsAreNarrow) {
  EXPECT_EQ(SumOf(Chip::kM4, Floats(2048, 1)), 2048);
  EXPECT_EQ(SumOf(Chip::kM4, Floats(4096, 1)), 2048) << "2048 + 1 is 2048 again";
  Floats odd(2, 1);
  odd[0] = 2048;
  EXPECT_EQ(SumOf(Chip::kM4, odd), 2048);
  EXPECT_EQ(SumOf(Chip::kM3Ultra, odd), 2050) << "ties go up";
  EXPECT_EQ(SumOf(Chip::kM5, odd), 2050);
  // A product with ones is wide.
  EXPECT_EQ(Dot(Chip::kM4, Floats(4096, 1), Floats(4096, 1)), 4096);
}

TEST(Numerics, NothingIsNan) {
  const Chip chip = Chip::kM4;
  EXPECT_EQ(Of(chip, "identity(x = x)", {kNan}), Floats({kInfinity}));
  EXPECT_EQ(Of(chip, "sub(x = x, y = x)", {kInfinity}), Floats({0}));
  EXPECT_EQ(Of(chip, "mul(x = x, y = fp16(0))", {kInfinity}), Floats({0}));
  EXPECT_EQ(Of(chip, "sqrt(x = x)", {-1}), Floats({0}));
  EXPECT_EQ(Of(chip, "log(x = x, epsilon = fp16(0))", {-1, 0}), Floats({0, -45440}));
  EXPECT_FALSE(std::signbit(Of(chip, "mul(x = x, y = fp16(-1))", {0})[0]));
}

TEST(Numerics, ExponentialsOverflowLikeFp16) {
  const Floats y =
      Of(Chip::kM4, "exp(x = x)", {11.08f, 11.1f, 0, -30, -200, kInfinity, -kInfinity});
  EXPECT_NEAR(y[0], std::exp(11.078125), 40);
  EXPECT_EQ(y[1], kInfinity);
  EXPECT_EQ(y[2], 1);
  EXPECT_EQ(y[3], 0);
  EXPECT_EQ(y[4], 0);
  EXPECT_EQ(y[5], kInfinity);
  EXPECT_EQ(y[6], 0);
}

double LargestError(Tabulated function, double (*exact)(double)) {
  double largest = 0;
  for (double x = -12; x <= 12; x += 1.0 / 512) {
    const auto f = static_cast<float>(x);
    largest = std::max(largest, std::abs(FromTable(function, f) - exact(f)));
  }
  return largest;
}

TEST(Numerics, TablesErrAsMuchAsPublished) {
  // Published largest errors; ours lie within a tenth below and a seventh above.
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  const auto gelu = [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); };
  const double s = LargestError(Tabulated::kSigmoid, sigmoid);
  EXPECT_GT(s, 0.9 * 0.0034);
  EXPECT_LT(s, 1.15 * 0.0034);
  const double t = LargestError(Tabulated::kTanh, [](double x) { return std::tanh(x); });
  EXPECT_GT(t, 0.9 * 0.0017);
  EXPECT_LT(t, 1.15 * 0.0017);
  const double g = LargestError(Tabulated::kGelu, gelu);
  EXPECT_GT(g, 0.9 * 0.0059);
  EXPECT_LT(g, 1.15 * 0.0059);
  EXPECT_FLOAT_EQ(FromTable(Tabulated::kGelu, 0), -0.000543f);
  EXPECT_FLOAT_EQ(FromTable(Tabulated::kSilu, 0), -0.001259f);
}

TEST(Numerics, ActivationsGoThroughTheTables) {
  const float x = 0.3f;
  const float exact = 1 / (1 + std::exp(-x));
  EXPECT_NE(Of(Chip::kM4, "sigmoid(x = x)", {x})[0],
            Of(Chip::kM4, "real_div(x = x, y = x)", {x})[0]);
  EXPECT_NEAR(Of(Chip::kM4, "sigmoid(x = x)", {x})[0], exact, 0.004);
  EXPECT_NEAR(Of(Chip::kM4, "silu(x = x)", {0})[0], -0.001259f, 1e-6);
  EXPECT_NEAR(Of(Chip::kM4, "gelu(x = x, mode = string(\"EXACT\"))", {0})[0], -0.000543f, 1e-6);
}

TEST(Numerics, WidthSlicesClampOnOldChips) {
  const std::string text =
      Main(Tensor("1,1,1,4") + " x",
           Tensor("1,1,1,2") +
               " y = slice_by_size(begin = tensor<int32, [4]>([0,0,0,2]), size = "
               "tensor<int32, [4]>([1,1,1,2]), x = x);\n" +
               Tensor("1,1,1,2") +
               " z = slice_by_size(begin = tensor<int32, [4]>([0,0,0,0]), size "
               "= tensor<int32, [4]>([1,1,1,2]), x = x);",
           "y, z");
  for (const Chip chip : {Chip::kM1, Chip::kM2, Chip::kM4, Chip::kM5}) {
    SCOPED_TRACE(ChipName(chip));
    ASSERT_OK_AND_ASSIGN(const auto out,
                         RunMil(text, {{5000, 1, -6000, 4000}}, {.numerics = NumericsOf(chip)}));
    const bool old = chip == Chip::kM1 || chip == Chip::kM2;
    EXPECT_EQ(out[0], old ? Floats({-4094, 4000}) : Floats({-6000, 4000}));
    EXPECT_EQ(out[1], Floats({5000, 1})) << "from the beginning of a row all is well";
  }
}

TEST(Numerics, ResultsDoNotDependOnTheWorkers) {
  const std::string text = Main(
      Tensor("1,48,1,96") + " x, " + Tensor("1,1,40,48") + " w",
      Tensor("1,1,48,96") + " m = reshape(shape = tensor<int32, [4]>([1,1,48,96]), x = x);\n" +
          Tensor("1,1,40,96") + " p = matmul(x = w, y = m);\n" + Tensor("1,1,40,96") +
          " s = softmax(axis = int32(-1), x = p);\n" + Tensor("1,1,40,1") +
          " r = reduce_sum(axes = tensor<int32, [1]>([-1]), keep_dims = bool(true), x = p);\n" +
          Tensor("1,1,40,96") + " q = mul(x = s, y = r);\n" + Tensor("1,1,96,40") +
          " t = transpose(perm = tensor<int32, [4]>([0,1,3,2]), x = q);",
      "t, q");
  const Floats x = Numbers(48 * 96, 1), w = Numbers(40 * 48, 2);
  for (const Chip chip : {Chip::kM1, Chip::kM4}) {
    ASSERT_OK_AND_ASSIGN(const auto expected, RunMil(text, {x, w}, {.numerics = NumericsOf(chip)}));
    for (const int workers : {2, 3, 5}) {
      SCOPED_TRACE(workers);
      ThreadPool pool(workers);
      ASSERT_OK_AND_ASSIGN(const auto out,
                           RunMil(text, {x, w}, {.numerics = NumericsOf(chip), .parallel = &pool}));
      EXPECT_EQ(out, expected);
    }
  }
}

}  // namespace
}  // namespace attune::ane::testing
