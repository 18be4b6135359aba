// Ops that move, reduce, convolve and quantize, against loops written out here.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/strings.h"
#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

Floats Counting(std::int64_t n) {
  Floats out;
  for (std::int64_t i = 0; i < n; ++i) out.push_back(static_cast<float>(i));
  return out;
}

std::string Type(const std::vector<std::int64_t>& dims) {
  return StrCat("tensor<fp32, [", StrJoin(dims, ","), "]>");
}

std::string Ints(const std::vector<std::int64_t>& numbers) {
  return StrCat("tensor<int32, [", numbers.size(), "]>([", StrJoin(numbers, ","), "])");
}

// One op of x, in the exact profile.
Result<std::vector<Floats>> One(const std::vector<std::int64_t>& in,
                                const std::vector<std::int64_t>& out, const std::string& expression,
                                const Floats& x) {
  return RunMil(Main(Type(in) + " x", Type(out) + " y = " + expression + ";", "y"), {x});
}

TEST(StructureOps, ReshapeKeepsOrderAndInfersExtents) {
  ASSERT_OK_AND_ASSIGN(
      const auto a,
      One({2, 3, 4}, {2, 12}, "reshape(shape = " + Ints({0, -1}) + ", x = x)", Counting(24)));
  EXPECT_EQ(a[0], Counting(24));
  EXPECT_FALSE(
      One({2, 3, 4}, {5, 5}, "reshape(shape = " + Ints({5, 5}) + ", x = x)", Counting(24)).ok());
  EXPECT_FALSE(
      One({2, 3, 4}, {2, 12}, "reshape(shape = " + Ints({-1, -1}) + ", x = x)", Counting(24)).ok());
}

TEST(StructureOps, TransposeInEveryOrder) {
  std::vector<std::int64_t> dims = {2, 17, 3, 20};
  std::vector<std::int64_t> perm = {0, 1, 2, 3};
  const Floats x = Counting(2 * 17 * 3 * 20);
  do {
    SCOPED_TRACE(StrJoin(perm, ","));
    std::vector<std::int64_t> out;
    for (const std::int64_t p : perm) out.push_back(dims[static_cast<std::size_t>(p)]);
    ASSERT_OK_AND_ASSIGN(const auto y,
                         One(dims, out, "transpose(perm = " + Ints(perm) + ", x = x)", x));
    const std::int64_t strides[] = {17 * 3 * 20, 3 * 20, 20, 1};
    std::size_t at = 0;
    for (std::int64_t a = 0; a < out[0]; ++a) {
      for (std::int64_t b = 0; b < out[1]; ++b) {
        for (std::int64_t c = 0; c < out[2]; ++c) {
          for (std::int64_t d = 0; d < out[3]; ++d, ++at) {
            const std::int64_t from = a * strides[perm[0]] + b * strides[perm[1]] +
                                      c * strides[perm[2]] + d * strides[perm[3]];
            ASSERT_EQ(y[0][at], static_cast<float>(from)) << at;
          }
        }
      }
    }
  } while (std::next_permutation(perm.begin(), perm.end()));
}

TEST(StructureOps, SliceBySizeTakesTheRestWithMinusOne) {
  ASSERT_OK_AND_ASSIGN(const auto y, One({1, 4, 1, 5}, {1, 2, 1, 3},
                                         "slice_by_size(begin = " + Ints({0, 1, 0, 2}) +
                                             ", size = " + Ints({1, 2, -1, -1}) + ", x = x)",
                                         Counting(20)));
  EXPECT_EQ(y[0], Floats({7, 8, 9, 12, 13, 14}));
  EXPECT_FALSE(One({1, 4, 1, 5}, {1, 2, 1, 4},
                   "slice_by_size(begin = " + Ints({0, 1, 0, 2}) +
                       ", size = " + Ints({1, 2, 1, 4}) + ", x = x)",
                   Counting(20))
                   .ok());
}

TEST(StructureOps, SliceByIndexReadsLikeNumpy) {
  struct Case {
    std::string arguments;
    std::vector<std::int64_t> out;
    Floats expected;
  };
  const std::string masks = "tensor<bool, [2]>";
  const Case cases[] = {
      {"begin = " + Ints({1, 2}) + ", end = " + Ints({3, 5}), {2, 3}, {8, 9, 10, 14, 15, 16}},
      {"begin = " + Ints({-2, -3}) + ", end = " + Ints({4, -1}), {2, 2}, {15, 16, 21, 22}},
      {"begin = " + Ints({0, 0}) + ", end = " + Ints({4, 6}) + ", stride = " + Ints({3, 2}),
       {2, 3},
       {0, 2, 4, 18, 20, 22}},
      {"begin = " + Ints({9, 1}) + ", end = " + Ints({1, 9}) + ", begin_mask = " + masks +
           "([true,false]), end_mask = " + masks + "([false,true])",
       {1, 5},
       {1, 2, 3, 4, 5}},
      {"begin = " + Ints({3, 4}) + ", end = " + Ints({0, 0}) + ", stride = " + Ints({-2, -4}) +
           ", end_mask = " + masks + "([false,true])",
       {2, 2},
       {22, 18, 10, 6}},
      {"begin = " + Ints({2, 1}) + ", end = " + Ints({0, 4}) + ", squeeze_mask = " + masks +
           "([true,false])",
       {3},
       {13, 14, 15}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.arguments);
    ASSERT_OK_AND_ASSIGN(
        const auto y,
        One({4, 6}, c.out, "slice_by_index(x = x, " + c.arguments + ")", Counting(24)));
    EXPECT_EQ(y[0], c.expected);
  }
  EXPECT_FALSE(
      One({4, 6}, {1, 6},
          "slice_by_index(x = x, begin = " + Ints({3, 0}) + ", end = " + Ints({3, 6}) + ")",
          Counting(24))
          .ok());
}

TEST(StructureOps, ConcatOnEveryAxisAndInterleaved) {
  const auto concat = [](const std::string& out, const std::string& axis,
                         const std::string& interleave) {
    return Main("tensor<fp32, [1,2,3]> a, tensor<fp32, [1,2,3]> b",
                "tensor<fp32, " + out + "> y = concat(axis = int32(" + axis +
                    "), interleave = bool(" + interleave + "), values = (a, b));",
                "y");
  };
  const Floats a = {0, 1, 2, 3, 4, 5}, b = {10, 11, 12, 13, 14, 15};
  ASSERT_OK_AND_ASSIGN(const auto rows, RunMil(concat("[1,4,3]", "1", "false"), {a, b}));
  EXPECT_EQ(rows[0], Floats({0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}));
  ASSERT_OK_AND_ASSIGN(const auto columns, RunMil(concat("[1,2,6]", "-1", "false"), {a, b}));
  EXPECT_EQ(columns[0], Floats({0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15}));
  ASSERT_OK_AND_ASSIGN(const auto woven, RunMil(concat("[1,4,3]", "1", "true"), {a, b}));
  EXPECT_EQ(woven[0], Floats({0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15}));
}

TEST(StructureOps, SplitGivesSeveralResults) {
  const std::string text = Main("tensor<fp32, [1,6,2]> x",
                                "tensor<fp32, [1,1,2]> a, tensor<fp32, [1,3,2]> b, tensor<fp32, "
                                "[1,2,2]> c = split(axis = int32(1), split_sizes = " +
                                    Ints({1, 3, 2}) +
                                    ", x = x);\n"
                                    "tensor<fp32, [1,6,1]> d, tensor<fp32, [1,6,1]> e = split(axis "
                                    "= int32(-1), num_splits = int32(2), x = x);",
                                "a, b, c, d, e");
  ASSERT_OK_AND_ASSIGN(const auto y, RunMil(text, {Counting(12)}));
  EXPECT_EQ(y[0], Floats({0, 1}));
  EXPECT_EQ(y[1], Floats({2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(y[2], Floats({8, 9, 10, 11}));
  EXPECT_EQ(y[3], Floats({0, 2, 4, 6, 8, 10}));
  EXPECT_EQ(y[4], Floats({1, 3, 5, 7, 9, 11}));
}

TEST(StructureOps, PadByConstantReflectionAndReplication) {
  const auto pad = [](const std::string& mode) {
    return "pad(constant_val = fp32(9), mode = string(\"" + mode +
           "\"), pad = " + Ints({0, 1, 2, 1}) + ", x = x)";
  };
  const Floats x = {1, 2, 3, 4, 5, 6};
  ASSERT_OK_AND_ASSIGN(const auto constant, One({1, 2, 3}, {1, 3, 6}, pad("constant"), x));
  EXPECT_EQ(constant[0], Floats({9, 9, 1, 2, 3, 9, 9, 9, 4, 5, 6, 9, 9, 9, 9, 9, 9, 9}));
  ASSERT_OK_AND_ASSIGN(const auto reflect, One({1, 2, 3}, {1, 3, 6}, pad("reflect"), x));
  EXPECT_EQ(reflect[0], Floats({3, 2, 1, 2, 3, 2, 6, 5, 4, 5, 6, 5, 3, 2, 1, 2, 3, 2}));
  ASSERT_OK_AND_ASSIGN(const auto replicate, One({1, 2, 3}, {1, 3, 6}, pad("replicate"), x));
  EXPECT_EQ(replicate[0], Floats({1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6, 4, 4, 4, 5, 6, 6}));
}

TEST(StructureOps, ExpandSqueezeReverse) {
  ASSERT_OK_AND_ASSIGN(
      const auto expanded,
      One({2, 3}, {1, 2, 1, 3}, "expand_dims(axes = " + Ints({0, -2}) + ", x = x)", Counting(6)));
  EXPECT_EQ(expanded[0], Counting(6));
  ASSERT_OK_AND_ASSIGN(
      const auto squeezed,
      One({1, 2, 1, 3}, {1, 2, 3}, "squeeze(axes = " + Ints({2}) + ", x = x)", Counting(6)));
  EXPECT_EQ(squeezed[0], Counting(6));
  ASSERT_OK_AND_ASSIGN(const auto all, One({1, 2, 1, 3}, {2, 3}, "squeeze(x = x)", Counting(6)));
  EXPECT_EQ(all[0], Counting(6));
  ASSERT_OK_AND_ASSIGN(
      const auto reversed,
      One({2, 3}, {2, 3}, "reverse(axes = " + Ints({-1}) + ", x = x)", Counting(6)));
  EXPECT_EQ(reversed[0], Floats({2, 1, 0, 5, 4, 3}));
}

TEST(StructureOps, ReductionsOverEverySetOfAxes) {
  const std::vector<std::int64_t> dims = {2, 3, 4, 5};
  const Floats x = Numbers(120, 7);
  for (int set = 1; set < 16; ++set) {
    std::vector<std::int64_t> axes, out = dims;
    for (int a = 0; a < 4; ++a) {
      if ((set >> a & 1) == 0) continue;
      axes.push_back(a);
      out[static_cast<std::size_t>(a)] = 1;
    }
    SCOPED_TRACE(StrJoin(axes, ","));
    std::vector<double> sum, most, squares;
    std::vector<int> count;
    const auto cells = static_cast<std::size_t>(out[0] * out[1] * out[2] * out[3]);
    sum.resize(cells), squares.resize(cells), count.resize(cells), most.resize(cells, -1e9);
    for (std::size_t i = 0; i < 120; ++i) {
      const std::int64_t at[] = {
          static_cast<std::int64_t>(i) / 60, static_cast<std::int64_t>(i) / 20 % 3,
          static_cast<std::int64_t>(i) / 5 % 4, static_cast<std::int64_t>(i) % 5};
      std::size_t cell = 0;
      for (std::size_t a = 0; a < 4; ++a) {
        cell = cell * static_cast<std::size_t>(out[a]) +
               static_cast<std::size_t>(out[a] == 1 ? 0 : at[a]);
      }
      sum[cell] += x[i];
      squares[cell] += x[i] * x[i];
      most[cell] = std::max<double>(most[cell], x[i]);
      ++count[cell];
    }
    const auto reduce = [&](const std::string& op) {
      return "reduce_" + op + "(axes = " + Ints(axes) + ", keep_dims = bool(true), x = x)";
    };
    ASSERT_OK_AND_ASSIGN(const auto sums, One(dims, out, reduce("sum"), x));
    ASSERT_OK_AND_ASSIGN(const auto means, One(dims, out, reduce("mean"), x));
    ASSERT_OK_AND_ASSIGN(const auto mosts, One(dims, out, reduce("max"), x));
    ASSERT_OK_AND_ASSIGN(const auto norms, One(dims, out, reduce("l2_norm"), x));
    for (std::size_t i = 0; i < cells; ++i) {
      EXPECT_NEAR(sums[0][i], sum[i], 1e-5);
      EXPECT_NEAR(means[0][i], sum[i] / count[i], 1e-6);
      EXPECT_NEAR(mosts[0][i], most[i], 0);
      EXPECT_NEAR(norms[0][i], std::sqrt(squares[i]), 1e-5);
    }
  }
}

TEST(StructureOps, OtherReductions) {
  const Floats x = {1, -2, 3, 0.5f, 2, 2};
  const auto reduce = [&](const std::string& op) {
    const auto y = One({2, 3}, {2}, "reduce_" + op + "(axes = " + Ints({-1}) + ", x = x)", x);
    EXPECT_OK(y);
    return y.ok() ? (*y)[0] : Floats(2);
  };
  EXPECT_EQ(reduce("min"), Floats({-2, 0.5f}));
  EXPECT_EQ(reduce("prod"), Floats({-6, 2}));
  EXPECT_EQ(reduce("sum_square"), Floats({14, 8.25f}));
  EXPECT_EQ(reduce("l1_norm"), Floats({6, 4.5f}));
  EXPECT_NEAR(reduce("log_sum")[1], std::log(4.5), 1e-6);
  EXPECT_NEAR(reduce("log_sum_exp")[0], std::log(std::exp(1.0) + std::exp(-2.0) + std::exp(3.0)),
              1e-6);
  const std::string text = Main(
      Type({2, 3}) + " x",
      "tensor<int32, [2]> a = reduce_argmax(axis = int32(1), x = x);\n"
      "tensor<fp32, [2]> y = cast(dtype = string(\"fp32\"), x = a);\n"
      "tensor<int32, [2,1]> b = reduce_argmin(axis = int32(-1), keep_dims = bool(true), x = x);\n"
      "tensor<fp32, [2,1]> z = cast(dtype = string(\"fp32\"), x = b);",
      "y, z");
  ASSERT_OK_AND_ASSIGN(const auto arg, RunMil(text, {x}));
  EXPECT_EQ(arg[0], Floats({2, 1}));
  EXPECT_EQ(arg[1], Floats({1, 0}));
}

TEST(StructureOps, SoftmaxOnEveryAxis) {
  const Floats x = Numbers(2 * 35 * 21, 3, 8);
  const std::int64_t dims[] = {2, 35, 21}, strides[] = {35 * 21, 21, 1};
  for (int axis = 0; axis < 3; ++axis) {
    SCOPED_TRACE(axis);
    ASSERT_OK_AND_ASSIGN(const auto y, One({2, 35, 21}, {2, 35, 21},
                                           StrCat("softmax(axis = int32(", axis, "), x = x)"), x));
    for (std::int64_t i = 0; i < 2 * 35 * 21; ++i) {
      const std::int64_t base = i - i / strides[axis] % dims[axis] * strides[axis];
      double sum = 0;
      for (std::int64_t k = 0; k < dims[axis]; ++k) {
        sum += std::exp(double{x[static_cast<std::size_t>(base + k * strides[axis])]});
      }
      EXPECT_NEAR(y[0][static_cast<std::size_t>(i)],
                  std::exp(double{x[static_cast<std::size_t>(i)]}) / sum, 1e-6);
    }
  }
}

TEST(StructureOps, IntegersBeyondWhatF32KeepsAreExact) {
  const auto begin = One(
      {4}, {1}, "slice_by_size(begin = " + Ints({16777217}) + ", size = " + Ints({1}) + ", x = x)",
      Counting(4));
  EXPECT_NE(begin.status().message().find("1 elements from 16777217, x has 4"), std::string::npos)
      << begin.status().message();
  const auto shape = One({4}, {4}, "reshape(shape = " + Ints({33554435}) + ", x = x)", Counting(4));
  EXPECT_NE(shape.status().message().find("33554435"), std::string::npos)
      << shape.status().message();
}

}  // namespace
}  // namespace attune::ane::testing
