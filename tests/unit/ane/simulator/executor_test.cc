// The executor on small functions, against closed forms.

#include "ane/simulator/executor.h"

#include <gtest/gtest.h>

#include "support/status_matchers.h"
#include "unit/ane/simulator/mil_program.h"

namespace attune::ane::testing {
namespace {

using ::testing::Test;

TEST(Executor, AddsTwoParameters) {
  const std::string text = Main("tensor<fp16, [1,2,1,3]> a, tensor<fp16, [1,2,1,3]> b",
                                "tensor<fp16, [1,2,1,3]> y = add(x = a, y = b);", "y");
  ASSERT_OK_AND_ASSIGN(const auto out,
                       RunMil(text, {{1, 2, 3, 4, 5, 6}, {10, 20, 30, 40, 50, 60}}));
  EXPECT_EQ(out, std::vector<Floats>({{11, 22, 33, 44, 55, 66}}));
}

TEST(Executor, BroadcastsChannelsAndRows) {
  const std::string text =
      Main("tensor<fp16, [1,2,1,3]> x, tensor<fp16, [1,2,1,1]> c, tensor<fp16, [1,1,1,3]> r",
           "tensor<fp16, [1,2,1,3]> y = mul(x = x, y = c);\n"
           "tensor<fp16, [1,2,1,3]> z = sub(x = r, y = y);",
           "y, z");
  ASSERT_OK_AND_ASSIGN(const auto out, RunMil(text, {{1, 2, 3, 4, 5, 6}, {2, 3}, {1, 1, 2}}));
  EXPECT_EQ(out, std::vector<Floats>({{2, 4, 6, 12, 15, 18}, {-1, -3, -4, -11, -14, -16}}));
}

TEST(Executor, MultipliesMatricesOfABatchInEveryOrientation) {
  const Floats a = Numbers(2 * 3 * 5, 1), b = Numbers(2 * 5 * 4, 2);
  // a[batch, 3, 5] and b[batch, 5, 4], stored plain or transposed.
  const auto transposed = [](const Floats& m, int rows, int columns) {
    Floats out(m.size());
    for (int p = 0; p < 2; ++p) {
      for (int i = 0; i < rows; ++i) {
        for (int j = 0; j < columns; ++j) {
          out[static_cast<std::size_t>((p * columns + j) * rows + i)] =
              m[static_cast<std::size_t>((p * rows + i) * columns + j)];
        }
      }
    }
    return out;
  };
  Floats expected;
  for (int p = 0; p < 2; ++p) {
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 4; ++j) {
        double sum = 0;
        for (int k = 0; k < 5; ++k) {
          sum += double{a[static_cast<std::size_t>((p * 3 + i) * 5 + k)]} *
                 double{b[static_cast<std::size_t>((p * 5 + k) * 4 + j)]};
        }
        expected.push_back(static_cast<float>(sum));
      }
    }
  }
  for (const bool tx : {false, true}) {
    for (const bool ty : {false, true}) {
      SCOPED_TRACE(tx * 2 + ty);
      const std::string text =
          Main(std::string("tensor<fp32, ") + (tx ? "[2,5,3]" : "[2,3,5]") + "> a, tensor<fp32, " +
                   (ty ? "[2,4,5]" : "[2,5,4]") + "> b",
               std::string("bool tx = const()[name = string(\"tx\"), val = bool(") +
                   (tx ? "true" : "false") +
                   ")];\nbool ty = const()[name = string(\"ty\"), val = bool(" +
                   (ty ? "true" : "false") +
                   ")];\ntensor<fp32, [2,3,4]> y = matmul(transpose_x = tx, transpose_y = ty, x = "
                   "a, y = b)[name = string(\"y\")];",
               "y");
      ASSERT_OK_AND_ASSIGN(const auto out, RunMil(text, {tx ? transposed(a, 3, 5) : a,
                                                         ty ? transposed(b, 5, 4) : b}));
      for (std::size_t i = 0; i < expected.size(); ++i) {
        EXPECT_NEAR(out[0][i], expected[i], 1e-6) << i;
      }
    }
  }
}

TEST(Executor, DeclaredTypeMustBeTheInferredOne) {
  const std::string text =
      Main("tensor<fp16, [1,2,1,3]> a", "tensor<fp16, [1,2,3,1]> y = add(x = a, y = a);", "y");
  const Status status = RunMil(text, {{1, 2, 3, 4, 5, 6}}).status();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(),
            "line 5, column 1: add: \"y\" is declared tensor<fp16, [1,2,3,1]>, the op gives "
            "tensor<fp16, [1,2,1,3]>");
}

TEST(Executor, UnknownOpsAndArgumentsAreNamed) {
  const std::string gather =
      Main("tensor<fp16, [4]> a", "tensor<fp16, [4]> y = rsqrt(x = a);", "y");
  const Status unknown = RunMil(gather, {{1, 2, 3, 4}}).status();
  EXPECT_EQ(unknown.code(), StatusCode::kUnsupported);
  EXPECT_NE(unknown.message().find("rsqrt"), std::string::npos) << unknown.message();
  const std::string bias =
      Main("tensor<fp16, [4]> a", "tensor<fp16, [4]> y = add(x = a, y = a, bias = a);", "y");
  const Status argument = RunMil(bias, {{1, 2, 3, 4}}).status();
  EXPECT_EQ(argument.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(argument.message().find("bias"), std::string::npos) << argument.message();
}

TEST(Executor, RunsTwiceWithTheSameResult) {
  const std::string text = Main("tensor<fp16, [1,4,1,8]> x",
                                "tensor<fp16, [1,4,1,8]> a = mul(x = x, y = x);\n"
                                "tensor<fp16, [1,4,1,8]> b = add(x = a, y = x);\n"
                                "tensor<fp16, [1,4,1,8]> c = sub(x = b, y = a);\n"
                                "tensor<fp16, [1,4,1,8]> y = softmax(x = c, axis = int32(-1));",
                                "y, b");
  SerialParallel serial;
  ASSERT_OK_AND_ASSIGN(const auto executor, Prepare(text, {}, &serial));
  const Floats x = Numbers(32, 3);
  Floats y0(32), b0(32), y1(32), b1(32);
  const std::vector<std::span<const float>> in = {x};
  ASSERT_OK(executor->Run(in, std::vector<std::span<float>>{y0, b0}));
  ASSERT_OK(executor->Run(in, std::vector<std::span<float>>{y1, b1}));
  EXPECT_EQ(y0, y1);
  EXPECT_EQ(b0, b1);
  for (std::size_t i = 0; i < 32; ++i) EXPECT_NEAR(b0[i], x[i] * x[i] + x[i], 1e-6);
}

}  // namespace
}  // namespace attune::ane::testing
