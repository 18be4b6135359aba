#include "cpu/kernels/activation.h"

#include <limits>

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

constexpr std::int64_t kSizes[] = {1, 3, 7, 8, 15, 16, 17, 64, 65, 1000};

double Exact(Activation kind, double x) {
  switch (kind) {
    case Activation::kSilu:
      return x / (1 + std::exp(-x));
    case Activation::kGelu:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case Activation::kGeluTanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu:
      return std::max(x, 0.0);
    case Activation::kTanh:
      return std::tanh(x);
    case Activation::kSigmoid:
      return 1 / (1 + std::exp(-x));
  }
  return 0;
}

double ExactSlope(Activation kind, double x) {
  const double h = 1e-5;
  if (kind == Activation::kRelu) return x > 0 ? 1 : 0;
  return (Exact(kind, x + h) - Exact(kind, x - h)) / (2 * h);
}

constexpr Activation kAll[] = {Activation::kSilu, Activation::kGelu, Activation::kGeluTanh,
                               Activation::kRelu, Activation::kTanh, Activation::kSigmoid};

TEST(Activation, MatchesTheReferenceBothWays) {
  for (Activation kind : kAll) {
    for (std::int64_t n : kSizes) {
      for (int workers : kWorkerCounts) {
        SCOPED_TRACE(StrCat("kind ", static_cast<int>(kind), ", n ", n));
        const auto x = RandomValues(n, 1, 3.0f);
        const auto dy = RandomValues(n, 2);
        std::vector<float> y(x.size()), dx(x.size());
        std::vector<double> expected_y, expected_dx;
        for (std::size_t i = 0; i < x.size(); ++i) {
          expected_y.push_back(Exact(kind, x[i]));
          expected_dx.push_back(dy[i] * ExactSlope(kind, x[i]));
        }
        RunKernel(ActivationForward, ActivationArgs{kind, x.data(), y.data(), n}, workers);
        RunKernel(ActivationBackward,
                  ActivationBackwardArgs{kind, x.data(), dy.data(), dx.data(), n}, workers);
        // 1 + erf and 1 + tanh cancel for negative x: absolute there.
        ExpectNear(y, expected_y, 1e-6, 1e-6, "y");
        ExpectNear(dx, expected_dx, 3e-6, 3e-6, "dx");
        if (HasFatalFailure()) return;
      }
    }
  }
}

// The largest relative error over a dense sweep of [-limit, limit].
double MaxRelativeError(Activation kind, float limit) {
  const std::int64_t n = 200001;
  std::vector<float> x(static_cast<std::size_t>(n)), y(x.size());
  for (std::int64_t i = 0; i < n; ++i) {
    x[i] = limit * (static_cast<float>(i) / static_cast<float>(n / 2) - 1.0f) + 1e-7f;
  }
  RunKernel(ActivationForward, ActivationArgs{kind, x.data(), y.data(), n}, 1);
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = Exact(kind, x[i]);
    worst = std::max(worst, std::fabs(y[i] - exact) / std::fabs(exact));
  }
  return worst;
}

TEST(Activation, TanhAndSigmoidAreAccurateEverywhere) {
  for (float limit : {0.001f, 1.0f, 30.0f}) {
    EXPECT_LT(MaxRelativeError(Activation::kTanh, limit), 5e-7) << limit;
  }
  const double sigmoid = MaxRelativeError(Activation::kSigmoid, 85.0f);
  RecordProperty("sigmoid_relative_error", StrCat(sigmoid));
  EXPECT_LT(sigmoid, 4e-7);
}

// gelu(x) / x = (1 + erf) / 2 for x > 0 isolates erf where it does not cancel.
TEST(Activation, ErfIsAccurateForPositiveArguments) {
  const std::int64_t n = 100000;
  std::vector<float> x, y(static_cast<std::size_t>(n));
  for (std::int64_t i = 1; i <= n; ++i) x.push_back(static_cast<float>(i) * 7e-5f);
  RunKernel(ActivationForward, ActivationArgs{Activation::kGelu, x.data(), y.data(), n}, 1);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = Exact(Activation::kGelu, x[i]);
    ASSERT_LT(std::fabs(y[i] - exact) / exact, 4e-7) << x[i];
  }
}

TEST(Activation, ExtremesStayFiniteAndNanStaysNan) {
  for (Activation kind : kAll) {
    std::vector<float> x = {1e30f, -1e30f, 100.0f, -100.0f, 0.0f, std::nanf("")}, y(6);
    RunKernel(ActivationForward, ActivationArgs{kind, x.data(), y.data(), 6}, 1);
    for (std::size_t i = 0; i < 5; ++i) {
      EXPECT_NEAR(y[i], Exact(kind, x[i]), 1e-6 * std::fabs(Exact(kind, x[i])) + 1e-6) << x[i];
    }
    EXPECT_TRUE(std::isnan(y[5])) << static_cast<int>(kind);
  }
}

TEST(Swiglu, MatchesTheReferenceInPlaceAndStrided) {
  for (std::int64_t columns : kSizes) {
    for (int workers : kWorkerCounts) {
      const std::int64_t rows = 5, fused = 2 * columns + 1;
      const auto both = RandomValues(rows * fused, 1, 2.0f);
      auto dy = RandomValues(rows * columns, 2);
      std::vector<float> y(dy.size()), dup(dy.size());
      std::vector<double> expected_y, expected_dgate, expected_dup;
      for (std::int64_t r = 0; r < rows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const double g = both[r * fused + c], u = both[r * fused + columns + c];
          const double d = dy[r * columns + c];
          expected_y.push_back(Exact(Activation::kSilu, g) * u);
          expected_dup.push_back(d * Exact(Activation::kSilu, g));
          expected_dgate.push_back(d * u * ExactSlope(Activation::kSilu, g));
        }
      }
      RunKernel(SwigluForward,
                SwigluArgs{both.data(), both.data() + columns, y.data(), rows, columns, fused,
                           fused, columns},
                workers);
      SwigluBackwardArgs args;
      args.gate = both.data();
      args.up = both.data() + columns;
      args.dy = dy.data();
      args.dgate = dy.data();  // in place
      args.dup = dup.data();
      args.rows = rows;
      args.columns = columns;
      args.gate_stride = args.up_stride = fused;
      args.dy_stride = args.dgate_stride = args.dup_stride = columns;
      RunKernel(SwigluBackward, args, workers);
      ExpectNear(y, expected_y, 1e-6, 1e-6, "y");
      ExpectNear(dy, expected_dgate, 5e-6, 5e-6, "dgate");
      ExpectNear(dup, expected_dup, 1e-6, 1e-6, "dup");
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace attune::cpu
