#include "cpu/kernels/gemv.h"

#include "base/half.h"
#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// Weights are used at their stored precision, so only f32 summation differs:
// 700 products of order 1, whose partial sums reach 50; without vectors they
// all go through one accumulator.
constexpr double kTolerance = 1e-4;

// A matrix in one of the three formats and the same values as doubles.
struct Weights {
  std::int64_t rows, stride;
  std::vector<float> values;
  std::vector<std::uint16_t> narrow;
  DType dtype;

  Weights(DType type, std::int64_t row_count, std::int64_t row_stride)
      : rows(row_count), stride(row_stride), dtype(type) {
    values = RandomValues(rows * stride, static_cast<std::uint64_t>(rows * 31 + stride));
    if (dtype == DType::kF32) return;
    for (float& x : values) {
      narrow.push_back(dtype == DType::kBf16 ? Bf16FromF32(x) : F16FromF32(x));
      x = dtype == DType::kBf16 ? F32FromBf16(narrow.back()) : F32FromF16(narrow.back());
    }
  }
  const void* data() const {
    return dtype == DType::kF32 ? static_cast<const void*>(values.data()) : narrow.data();
  }
};

struct Case {
  std::int64_t m, in, out;
  DType dtype;
  bool transposed, bias, accumulate;
};

void Check(const Case& c, int workers) {
  SCOPED_TRACE(StrCat("m ", c.m, ", in ", c.in, ", out ", c.out, ", ", DTypeName(c.dtype),
                      c.transposed ? " transposed" : "", ", ", workers, " workers"));
  const std::int64_t x_stride = c.in + 1;
  const std::int64_t y_stride = c.out + 2;
  const std::vector<float> x = RandomValues(c.m * x_stride, 1);
  const std::vector<float> bias = RandomValues(c.out, 2);
  const Weights w(c.dtype, c.transposed ? c.in : c.out, (c.transposed ? c.out : c.in) + 3);
  std::vector<float> y = RandomValues(c.m * y_stride, 3);
  std::vector<double> expected(y.begin(), y.end());
  for (std::int64_t row = 0; row < c.m; ++row) {
    for (std::int64_t o = 0; o < c.out; ++o) {
      double sum = c.accumulate ? expected[row * y_stride + o] : 0.0;
      if (c.bias) sum += bias[o];
      for (std::int64_t k = 0; k < c.in; ++k) {
        const std::int64_t at = c.transposed ? k * w.stride + o : o * w.stride + k;
        sum += static_cast<double>(w.values[at]) * x[row * x_stride + k];
      }
      expected[row * y_stride + o] = sum;
    }
  }
  GemvMatrix matrix;
  matrix.weights = w.data();
  matrix.dtype = c.dtype;
  matrix.transposed = c.transposed;
  matrix.out = c.out;
  matrix.weight_stride = w.stride;
  matrix.bias = c.bias ? bias.data() : nullptr;
  matrix.y = y.data();
  matrix.y_stride = y_stride;
  matrix.accumulate = c.accumulate;
  RunKernel(Gemv, GemvArgs{x.data(), x_stride, c.m, c.in, {&matrix, 1}}, workers);
  ExpectNear(y, expected, kTolerance, kTolerance, "y");
}

TEST(Gemv, MatchesTheReferenceForEveryRowCountAndFormat) {
  for (std::int64_t m = 1; m <= kGemvMaxRows; ++m) {
    for (DType dtype : {DType::kF32, DType::kBf16, DType::kF16}) {
      for (bool transposed : {false, true}) {
        for (int workers : kWorkerCounts) {
          Check({m, 65, 37, dtype, transposed, true, false}, workers);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(Gemv, MatchesTheReferenceOnOddShapes) {
  for (std::int64_t in : {1, 3, 7, 8, 15, 16, 17, 64, 700}) {
    for (std::int64_t out : {1, 3, 8, 17, 65, 530}) {
      for (bool transposed : {false, true}) {
        Check({1, in, out, DType::kF32, transposed, false, true}, 2);
        Check({3, in, out, DType::kBf16, transposed, true, true}, 3);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(Gemv, RunsSeveralMatricesOfOneInput) {
  const std::int64_t in = 40;
  const std::vector<float> x = RandomValues(in, 1);
  const std::int64_t outs[] = {5, 64, 1, 33};
  for (int workers : kWorkerCounts) {
    std::vector<Weights> weights;
    std::vector<std::vector<float>> results;
    for (std::int64_t out : outs) {
      weights.emplace_back(DType::kF32, out, in);
      results.emplace_back(static_cast<std::size_t>(out), std::nanf(""));
    }
    std::vector<GemvMatrix> matrices;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      GemvMatrix matrix;
      matrix.weights = weights[i].data();
      matrix.out = outs[i];
      matrix.weight_stride = in;
      matrix.y = results[i].data();
      matrix.y_stride = outs[i];
      matrices.push_back(matrix);
    }
    RunKernel(Gemv, GemvArgs{x.data(), in, 1, in, matrices}, workers);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      std::vector<double> expected(results[i].size());
      for (std::int64_t o = 0; o < outs[i]; ++o) {
        for (std::int64_t k = 0; k < in; ++k) {
          expected[o] += static_cast<double>(weights[i].values[o * in + k]) * x[k];
        }
      }
      ExpectNear(results[i], expected, kTolerance, kTolerance, "y");
    }
  }
}

}  // namespace
}  // namespace attune::cpu
