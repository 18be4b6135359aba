// Elementwise ops against the functions of the standard library in double.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "base/half.h"
#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

struct Unary {
  std::string expression;  // Of x.
  std::function<double(double)> exact;
  double low = -4, high = 4;
  double tolerance = 2e-6;
};

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

std::vector<Unary> Unaries() {
  return {
      {"abs(x = x)", [](double x) { return std::abs(x); }},
      {"square(x = x)", [](double x) { return x * x; }},
      {"sqrt(x = x)", [](double x) { return std::sqrt(x); }, 0, 9},
      {"exp(x = x)", [](double x) { return std::exp(x); }},
      {"exp2(x = x)", [](double x) { return std::exp2(x); }},
      {"log(x = x, epsilon = fp32(0x1p-4))", [](double x) { return std::log(x + 0.0625); }, 0, 9},
      {"inverse(x = x)", [](double x) { return 1 / (x + 1e-4); }, 1, 4},
      {"inverse(x = x, epsilon = fp32(0.5))", [](double x) { return 1 / (x + 0.5); }, 1, 4},
      {"relu(x = x)", [](double x) { return std::max(x, 0.0); }},
      {"relu6(x = x)", [](double x) { return std::min(std::max(x, 0.0), 6.0); }, -9, 9},
      {"leaky_relu(x = x, alpha = fp32(0.25))", [](double x) { return x < 0 ? x / 4 : x; }},
      {"elu(x = x, alpha = fp32(2))", [](double x) { return x < 0 ? 2 * std::expm1(x) : x; }},
      {"thresholded_relu(x = x, alpha = fp32(1.5))", [](double x) { return x >= 1.5 ? x : 0; }},
      {"threshold(x = x, alpha = fp32(0.5))", [](double x) { return std::max(x, 0.5); }},
      {"clip(x = x, alpha = fp32(-1), beta = fp32(2))",
       [](double x) { return std::min(std::max(x, -1.0), 2.0); }},
      {"linear_activation(x = x, alpha = fp32(3), beta = fp32(-1))",
       [](double x) { return 3 * x - 1; }},
      {"sigmoid(x = x)", Sigmoid},
      {"sigmoid_hard(x = x)", [](double x) { return std::clamp(0.2 * x + 0.5, 0.0, 1.0); }},
      {"silu(x = x)", [](double x) { return x * Sigmoid(x); }},
      {"tanh(x = x)", [](double x) { return std::tanh(x); }},
      {"scaled_tanh(x = x, alpha = fp32(2), beta = fp32(0.5))",
       [](double x) { return 2 * std::tanh(x / 2); }},
      {"softplus(x = x)", [](double x) { return std::log1p(std::exp(x)); }},
      {"softsign(x = x)", [](double x) { return x / (1 + std::abs(x)); }},
      {"erf(x = x)", [](double x) { return std::erf(x); }},
      {"gelu(x = x, mode = string(\"EXACT\"))",
       [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
      {"gelu(mode = string(\"TANH_APPROXIMATION\"), x = x)",
       [](double x) {
         return 0.5 * x *
                (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
       }},
      {"gelu(mode = string(\"SIGMOID_APPROXIMATION\"), x = x)",
       [](double x) { return x * Sigmoid(1.702 * x); }},
      {"sign(x = x)", [](double x) { return static_cast<double>((x > 0) - (x < 0)); }},
      {"floor(x = x)", [](double x) { return std::floor(x); }},
      {"ceil(x = x)", [](double x) { return std::ceil(x); }},
      {"round(x = x)", [](double x) { return std::nearbyint(x); }},
      {"sin(x = x)", [](double x) { return std::sin(x); }},
      {"cos(x = x)", [](double x) { return std::cos(x); }},
      {"tan(x = x)", [](double x) { return std::tan(x); }, -1, 1},
      {"asin(x = x)", [](double x) { return std::asin(x); }, -1, 1},
      {"acos(x = x)", [](double x) { return std::acos(x); }, -1, 1},
      {"atan(x = x)", [](double x) { return std::atan(x); }},
      {"sinh(x = x)", [](double x) { return std::sinh(x); }},
      {"cosh(x = x)", [](double x) { return std::cosh(x); }},
      {"atanh(x = x)", [](double x) { return std::atanh(x); }, -0.9, 0.9},
      {"pow(x = x, y = fp32(-0.5))", [](double x) { return 1 / std::sqrt(x); }, 0.1, 9},
      {"pow(x = x, y = fp32(3))", [](double x) { return x * x * x; }},
      {"pow(x = fp32(2), y = x)", [](double x) { return std::exp2(x); }},
      {"identity(x = x)", [](double x) { return x; }},
  };
}

Floats Range(double low, double high) {
  Floats x;
  for (int i = 0; i <= 66; ++i) {
    x.push_back(F32FromF16(F16FromF32(static_cast<float>(low + (high - low) * i / 66))));
  }
  return x;
}

std::string Text(const std::string& expression, std::string type) {
  std::string written = expression;
  for (std::size_t at; type == "fp16" && (at = written.find("fp32(")) != std::string::npos;) {
    written.replace(at, 5, "fp16(");
  }
  type = StrCat("tensor<", type, ", [1,67]>");
  return Main(type + " x", type + " y = " + written + "[name = string(\"y\")];", "y");
}

TEST(ElementwiseOps, ComputeTheirFunctions) {
  for (const Unary& op : Unaries()) {
    SCOPED_TRACE(op.expression);
    const Floats x = Range(op.low, op.high);
    ASSERT_OK_AND_ASSIGN(const auto out, RunMil(Text(op.expression, "fp32"), {x}));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double y = op.exact(x[i]);
      EXPECT_NEAR(out[0][i], y, op.tolerance * std::max(1.0, std::abs(y))) << "x = " << x[i];
    }
  }
}

// Without the tables: those are tested by their own errors.
TEST(ElementwiseOps, AreRoundedToFp16) {
  Numerics numerics = NumericsOf(Chip::kM4);
  numerics.table_activations = false;
  for (const Unary& op : Unaries()) {
    SCOPED_TRACE(op.expression);
    const Floats x = Range(op.low, op.high);
    ASSERT_OK_AND_ASSIGN(const auto out,
                         RunMil(Text(op.expression, "fp16"), {x}, {.numerics = numerics}));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double y = op.exact(x[i]);
      EXPECT_EQ(out[0][i], F32FromF16(F16FromF32(out[0][i])));
      EXPECT_NEAR(out[0][i], y, 0x1p-11 * 1.02 * std::max(0.01, std::abs(y)) + 1e-4 * (op.low == 1))
          << "x = " << x[i];
    }
  }
}

struct Binary {
  std::string op;
  std::function<double(double, double)> exact;
};

TEST(ElementwiseOps, TakeTwoOperandsOfEveryShape) {
  const Binary ops[] = {
      {"add", [](double a, double b) { return a + b; }},
      {"sub", [](double a, double b) { return a - b; }},
      {"mul", [](double a, double b) { return a * b; }},
      {"real_div", [](double a, double b) { return a / b; }},
      {"maximum", [](double a, double b) { return std::max(a, b); }},
      {"minimum", [](double a, double b) { return std::min(a, b); }},
      {"floor_div", [](double a, double b) { return std::floor(a / b); }},
      {"mod", [](double a, double b) { return a - b * std::floor(a / b); }},
      {"pow", [](double a, double b) { return std::pow(a, b); }},
  };
  struct Shapes {
    std::vector<std::int64_t> a, b, z;
  };
  const Shapes shapes[] = {
      {{2, 3, 4, 5}, {2, 3, 4, 5}, {2, 3, 4, 5}},
      {{2, 3, 4, 5}, {1, 3, 1, 1}, {2, 3, 4, 5}},
      {{1, 1, 1, 35}, {2, 3, 4, 35}, {2, 3, 4, 35}},
      {{2, 1, 4, 1}, {1, 3, 1, 5}, {2, 3, 4, 5}},
      {{3, 1}, {2, 3, 40}, {2, 3, 40}},
      {{}, {7}, {7}},
      {{1, 1}, {1, 1}, {1, 1}},
      {{2, 1, 3, 1, 2}, {2, 4, 1, 5, 2}, {2, 4, 3, 5, 2}},
  };
  const auto count = [](const std::vector<std::int64_t>& dims) {
    std::int64_t n = 1;
    for (const std::int64_t d : dims) n *= d;
    return n;
  };
  // Element of an operand for element `at` of the result.
  const auto source = [](std::int64_t at, const std::vector<std::int64_t>& z,
                         const std::vector<std::int64_t>& a) {
    std::int64_t index = 0, stride = 1;
    for (std::size_t i = z.size(); i-- > 0;) {
      const std::int64_t position = at % z[i];
      at /= z[i];
      const std::size_t missing = z.size() - a.size();
      if (i < missing) continue;
      index += (a[i - missing] == 1 ? 0 : position) * stride;
      stride *= a[i - missing];
    }
    return static_cast<std::size_t>(index);
  };
  for (const Binary& op : ops) {
    for (const Shapes& s : shapes) {
      SCOPED_TRACE(StrCat(op.op, " [", StrJoin(s.a, ","), "] [", StrJoin(s.b, ","), "]"));
      Floats a = Numbers(count(s.a), 1, 4), b = Numbers(count(s.b), 2, 4);
      for (float& x : a) x = std::abs(x) + 0.25f;
      for (float& x : b) x = std::abs(x) + 0.25f;
      const auto type = [](const std::vector<std::int64_t>& dims) {
        return StrCat("tensor<fp32, [", StrJoin(dims, ","), "]>");
      };
      const std::string text =
          Main(type(s.a) + " a, " + type(s.b) + " b",
               type(s.z) + " y = " + op.op + "(x = a, y = b)[name = string(\"y\")];", "y");
      ASSERT_OK_AND_ASSIGN(const auto out, RunMil(text, {a, b}));
      for (std::int64_t i = 0; i < count(s.z); ++i) {
        const float x = a[source(i, s.z, s.a)], y = b[source(i, s.z, s.b)];
        const double exact = op.exact(x, y);
        // floor of a quotient that f32 rounds to a whole number.
        const double slack = op.op == "mod" || op.op == "floor_div" ? 1e-4 : 3e-6;
        EXPECT_NEAR(out[0][static_cast<std::size_t>(i)], exact, slack * std::max(1.0, exact)) << i;
      }
    }
  }
}

TEST(ElementwiseOps, CompareAndSelect) {
  const std::string t = "tensor<fp16, [1,5]>", truth = "tensor<bool, [1,5]>";
  const std::string text = Main(
      t + " a, " + t + " b",
      truth + " lt = less(x = a, y = b);\n" + truth + " le = less_equal(x = a, y = b);\n" + truth +
          " gt = greater(x = a, y = b);\n" + truth + " ge = greater_equal(x = a, y = b);\n" +
          truth + " eq = equal(x = a, y = b);\n" + truth + " ne = not_equal(x = a, y = b);\n" +
          truth + " either = logical_or(x = lt, y = gt);\n" + truth +
          " same = logical_xor(x = either, y = ne);\n" + truth + " not = logical_not(x = same);\n" +
          truth + " both = logical_and(x = le, y = ge);\n" + t +
          " picked = select(cond = gt, a = a, b = fp16(-7));\n" + t +
          " counted = cast(dtype = string(\"fp16\"), x = both);\n" + t +
          " fine = cast(dtype = string(\"fp16\"), x = not);\n" + t +
          " equals = cast(x = eq, dtype = string(\"fp16\"));",
      "picked, counted, fine, equals");
  ASSERT_OK_AND_ASSIGN(const auto out, RunMil(text, {{1, 2, 3, 4, 5}, {5, 2, 1, 4, 0}}));
  EXPECT_EQ(out[0], Floats({-7, -7, 3, -7, 5}));
  EXPECT_EQ(out[1], Floats({0, 1, 0, 1, 0}));
  EXPECT_EQ(out[2], Floats({1, 1, 1, 1, 1}));
  EXPECT_EQ(out[3], Floats({0, 1, 0, 1, 0}));
}

TEST(ElementwiseOps, CastsBetweenKinds) {
  const std::string text = Main("tensor<fp32, [4]> x",
                                "tensor<int32, [4]> i = cast(dtype = string(\"int32\"), x = x);\n"
                                "tensor<fp32, [4]> back = cast(dtype = string(\"fp32\"), x = i);\n"
                                "tensor<bool, [4]> b = cast(dtype = string(\"bool\"), x = x);\n"
                                "tensor<fp16, [4]> ones = cast(dtype = string(\"fp16\"), x = b);",
                                "back, ones");
  ASSERT_OK_AND_ASSIGN(const auto out, RunMil(text, {{1.75f, -1.75f, 0, 100.5f}}));
  EXPECT_EQ(out[0], Floats({1, -1, 0, 100}));
  EXPECT_EQ(out[1], Floats({1, 1, 0, 1}));
}

TEST(ElementwiseOps, OperandsOfTwoTypesAreRefused) {
  const std::string text = Main("tensor<fp32, [4]> x, tensor<fp16, [4]> z",
                                "tensor<fp32, [4]> y = add(x = x, y = z);", "y");
  EXPECT_EQ(RunMil(text, {{1, 2, 3, 4}, {1, 2, 3, 4}}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(ElementwiseOps, IntegersAreRoundedWhenTheyBecomeReal) {
  const auto cast = [](const std::string& type) {
    return Main("tensor<" + type + ", [3]> x",
                "tensor<fp16, [3]> y = cast(x = x, dtype = string(\"fp16\"));\n"
                "tensor<int32, [1]> c = const()[name = string(\"c\"), val = "
                "tensor<int32, [1]>([4099])];\n"
                "tensor<fp16, [1]> z = cast(x = c, dtype = string(\"fp16\"));",
                "y, z");
  };
  const Floats in = {4099, 100000, 7};
  ASSERT_OK_AND_ASSIGN(const auto half,
                       RunMil(cast("int32"), {in}, {.numerics = NumericsOf(Chip::kM4)}));
  EXPECT_EQ(half[0], Floats({4100, std::numeric_limits<float>::infinity(), 7}));
  EXPECT_EQ(half[1], Floats({4100}));
  ASSERT_OK_AND_ASSIGN(const auto exact, RunMil(cast("int32"), {in}));
  EXPECT_EQ(exact[0], in);
}

TEST(ElementwiseOps, EveryModeOfGeluHasItsOwnTable) {
  const auto gelu = [](const std::string& mode) {
    const std::string text =
        Main("tensor<fp16, [1]> x",
             "tensor<fp16, [1]> y = gelu(x = x, mode = string(\"" + mode + "\"));", "y");
    const auto out = RunMil(text, {{-2}}, {.numerics = NumericsOf(Chip::kM4)});
    return out.ok() ? (*out)[0][0] : 0;
  };
  // The largest published error of the table is 0.0059.
  EXPECT_NEAR(gelu("EXACT"), -0.0455, 0.0065);
  EXPECT_NEAR(gelu("TANH_APPROXIMATION"), -0.0454, 0.0065);
  EXPECT_NEAR(gelu("SIGMOID_APPROXIMATION"), -0.0644, 0.0065);
  EXPECT_NE(gelu("EXACT"), gelu("TANH_APPROXIMATION"));
}

}  // namespace
}  // namespace attune::ane::testing
