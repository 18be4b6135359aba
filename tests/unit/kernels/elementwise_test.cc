#include "cpu/kernels/elementwise.h"

#include "base/half.h"
#include "base/strings.h"
#include "cpu/kernels/convert.h"
#include "cpu/kernels/embedding.h"
#include "cpu/kernels/rope.h"
#include "cpu/kernels/softmax.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

constexpr std::int64_t kSizes[] = {1, 3, 7, 8, 15, 16, 17, 64, 65, 1000};
// One or two roundings.
constexpr double kTolerance = 2e-7;

template <typename Body>
void ForEachSize(const Body& body) {
  for (std::int64_t n : kSizes) {
    for (int workers : kWorkerCounts) {
      SCOPED_TRACE(StrCat("n ", n, ", ", workers, " workers"));
      body(n, workers);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(Elementwise, MatchesTheReference) {
  ForEachSize([](std::int64_t n, int workers) {
    const auto x = RandomValues(n + 1, 1), y = RandomValues(n + 1, 2);
    const float two = 2.0f;
    std::vector<float> sum(n), product(n), scaled(n), axpy(y.begin() + 1, y.end()), filled(n);
    std::vector<double> esum, eproduct, escaled, eaxpy;
    for (std::int64_t i = 1; i <= n; ++i) {  // from an odd address
      esum.push_back(double(x[i]) + y[i]);
      eproduct.push_back(double(x[i]) * y[i]);
      escaled.push_back(3.0 * x[i]);
      eaxpy.push_back(y[i] - 3.0 * x[i]);
    }
    RunKernel(Add, BinaryArgs{&x[1], &y[1], sum.data(), n}, workers);
    RunKernel(Mul, BinaryArgs{&x[1], &y[1], product.data(), n}, workers);
    RunKernel(Scale, ScaleArgs{1.5f, &two, &x[1], scaled.data(), n}, workers);
    RunKernel(Axpy, ScaleArgs{-1.5f, &two, &x[1], axpy.data(), n}, workers);
    RunKernel(Fill, FillArgs{filled.data(), n, 7.0f}, workers);
    ExpectNear(sum, esum, kTolerance, kTolerance, "sum");
    ExpectNear(product, eproduct, kTolerance, kTolerance, "product");
    ExpectNear(scaled, escaled, kTolerance, kTolerance, "scaled");
    ExpectNear(axpy, eaxpy, 1e-6, kTolerance, "axpy");
    ExpectNear(filled, std::vector<double>(filled.size(), 7.0), 0, 0, "filled");
  });
}

TEST(Elementwise, RowsBiasAndColumnSums) {
  ForEachSize([](std::int64_t n, int workers) {
    const std::int64_t rows = 6, stride = n + 2;
    const auto x = RandomValues(rows * stride, 1), bias = RandomValues(n, 2);
    std::vector<float> copy(rows * n), biased(rows * n), sum = bias;
    std::vector<double> ecopy, ebiased, esum(bias.begin(), bias.end());
    for (std::int64_t i = 0; i < rows * n; ++i) {
      ecopy.push_back(x[i / n * stride + i % n]);
      ebiased.push_back(ecopy.back() + bias[i % n]);
      esum[i % n] += ecopy.back();
    }
    RunKernel(Copy, CopyArgs{x.data(), copy.data(), rows, n, stride, n}, workers);
    RunKernel(AddBias, AddBiasArgs{copy.data(), bias.data(), biased.data(), rows, n}, workers);
    RunKernel(ColumnSum, ColumnSumArgs{x.data(), sum.data(), rows, n, stride, true}, workers);
    ExpectNear(copy, ecopy, 0, 0, "copy");
    ExpectNear(biased, ebiased, kTolerance, kTolerance, "biased");
    ExpectNear(sum, esum, 2e-6, 2e-6, "sum");
  });
}

float Through(DType dtype, float x) {
  return dtype == DType::kBf16 ? F32FromBf16(Bf16FromF32(x)) : F32FromF16(F16FromF32(x));
}

TEST(Convert, RoundsLikeTheScalarConversion) {
  ForEachSize([](std::int64_t n, int workers) {
    for (DType dtype : {DType::kBf16, DType::kF16}) {
      const std::int64_t rows = 3;
      const auto x = RandomValues(rows * n, 9, 100.0f);
      std::vector<std::uint16_t> narrow(x.size());
      std::vector<float> wide(x.size()), transposed(x.size());
      RunKernel(Convert, ConvertArgs{x.data(), DType::kF32, narrow.data(), dtype, rows, n, n, n},
                workers);
      RunKernel(Convert, ConvertArgs{narrow.data(), dtype, wide.data(), DType::kF32, rows, n, n, n},
                workers);
      RunKernel(TransposeConvert,
                ConvertArgs{narrow.data(), dtype, transposed.data(), DType::kF32, rows, n, n, rows},
                workers);
      for (std::int64_t i = 0; i < rows * n; ++i) {
        ASSERT_EQ(wide[i], Through(dtype, x[i])) << i;
        ASSERT_EQ(transposed[i % n * rows + i / n], wide[i]) << i;
      }
    }
  });
}

TEST(Convert, KeepsInfinitiesAndNans) {
  std::vector<float> x(16, std::nanf(""));
  x[0] = std::bit_cast<float>(0x7f800001u);  // a NaN whose payload rounds away
  x[1] = -std::numeric_limits<float>::infinity();
  std::vector<std::uint16_t> narrow(16);
  RunKernel(Convert, ConvertArgs{x.data(), DType::kF32, narrow.data(), DType::kBf16, 1, 16, 16, 16},
            1);
  EXPECT_TRUE(std::isnan(F32FromBf16(narrow[0])));
  EXPECT_EQ(F32FromBf16(narrow[1]), -std::numeric_limits<float>::infinity());
  EXPECT_TRUE(std::isnan(F32FromBf16(narrow[15])));
}

TEST(Embedding, GathersEveryFormatAndScattersInOrder) {
  ForEachSize([](std::int64_t dim, int workers) {
    const std::vector<std::int32_t> ids = {4, 0, 4, 2, 4};
    const auto table = RandomValues(5 * dim, 1);
    std::vector<std::uint16_t> narrow(table.size());
    for (std::size_t i = 0; i < table.size(); ++i) narrow[i] = Bf16FromF32(table[i]);
    std::vector<float> y(5 * dim), y16(5 * dim), gradient(5 * dim, 1.0f);
    std::vector<double> ey, ey16, egradient(5 * dim, 1.0);
    for (std::int64_t i = 0; i < 5 * dim; ++i) {
      const std::int64_t at = ids[i / dim] * dim + i % dim;
      ey.push_back(table[at]);
      ey16.push_back(Through(DType::kBf16, table[at]));
      egradient[at] += table[i];
    }
    RunKernel(EmbeddingForward,
              EmbeddingArgs{table.data(), DType::kF32, ids.data(), y.data(), 5, dim}, workers);
    RunKernel(EmbeddingForward,
              EmbeddingArgs{narrow.data(), DType::kBf16, ids.data(), y16.data(), 5, dim}, workers);
    RunKernel(EmbeddingBackward,
              EmbeddingBackwardArgs{table.data(), ids.data(), gradient.data(), 5, dim}, workers);
    ExpectNear(y, ey, 0, 0, "y");
    ExpectNear(y16, ey16, 0, 0, "y16");
    ExpectNear(gradient, egradient, 1e-6, 1e-6, "gradient");
  });
}

TEST(Rope, RotatesBothLayoutsAndBack) {
  for (std::int64_t dim : {2, 6, 16, 32, 64, 100}) {
    for (RopeMode mode : {RopeMode::kRotateHalf, RopeMode::kInterleaved}) {
      const std::int64_t tokens = 5, heads = 3, stride = heads * dim + 1, half = dim / 2;
      const auto x = RandomValues(tokens * stride, 1);
      const std::vector<std::int32_t> positions = {0, 3, 1, 7, 7};
      std::vector<float> table(8 * dim), y = x;
      for (std::int64_t i = 0; i < 8 * dim; ++i) {
        const double angle = double(i / dim) * std::pow(100.0, -double(i % half) / double(half));
        table[i] = static_cast<float>(i % dim < half ? std::cos(angle) : std::sin(angle));
      }
      std::vector<double> expected(x.begin(), x.end());
      for (std::int64_t i = 0; i < tokens * heads * half; ++i) {
        const std::int64_t t = i / (heads * half), pair = i % half;
        const std::int64_t base = t * stride + i / half % heads * dim;
        const bool halves = mode == RopeMode::kRotateHalf;
        const std::int64_t p0 = base + (halves ? pair : 2 * pair);
        const std::int64_t p1 = base + (halves ? pair + half : 2 * pair + 1);
        const double c = table[positions[t] * dim + pair];
        const double s = table[positions[t] * dim + half + pair];
        expected[p0] = x[p0] * c - x[p1] * s;
        expected[p1] = x[p0] * s + x[p1] * c;
      }
      RopeArgs args{y.data(), y.data(), stride, stride, positions.data(), table.data(), tokens,
                    heads,    dim,      mode,   false};
      RunKernel(Rope, args, 2);
      ExpectNear(y, expected, 1e-6, 1e-6, "y");
      args.inverse = true;
      RunKernel(Rope, args, 3);
      ExpectNear(y, {x.begin(), x.end()}, 1e-6, 1e-6, "back");
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Softmax, MatchesTheReferenceBothWays) {
  ForEachSize([](std::int64_t n, int workers) {
    const std::int64_t rows = 4;
    const auto x = RandomValues(rows * n, 1, 3.0f), dy = RandomValues(rows * n, 2);
    std::vector<float> y = x, dx = dy;
    std::vector<std::int32_t> best(rows);
    std::vector<double> ey, edx;
    RunKernel(Argmax, ArgmaxArgs{x.data(), best.data(), rows, n, n}, workers);
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto* row = &x[r * n];
      EXPECT_EQ(best[r], std::max_element(row, row + n) - row);
      double sum = 0, dot = 0;
      for (std::int64_t c = 0; c < n; ++c) sum += std::exp(double(row[c]));
      for (std::int64_t c = 0; c < n; ++c) ey.push_back(std::exp(double(row[c])) / sum);
      for (std::int64_t c = 0; c < n; ++c) dot += ey[r * n + c] * dy[r * n + c];
      for (std::int64_t c = 0; c < n; ++c) edx.push_back(ey[r * n + c] * (dy[r * n + c] - dot));
    }
    RunKernel(Softmax, SoftmaxArgs{y.data(), y.data(), rows, n, n, n}, workers);
    ExpectNear(y, ey, 1e-7, 1e-6, "y");
    RunKernel(SoftmaxBackward,
              SoftmaxBackwardArgs{y.data(), dx.data(), dx.data(), rows, n, n, n, n}, workers);
    ExpectNear(dx, edx, 1e-6, 1e-6, "dx");
  });
}

TEST(Argmax, PassesOverNansAndTakesTheFirstOfEquals) {
  std::vector<float> x = {1.0f, 5.0f, std::nanf(""), 5.0f};
  x.resize(70, -1.0f);
  std::int32_t best = -1;
  RunKernel(Argmax, ArgmaxArgs{x.data(), &best, 1, 70, 70}, 1);
  EXPECT_EQ(best, 1);
}

}  // namespace
}  // namespace attune::cpu
