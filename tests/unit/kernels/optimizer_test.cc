#include "cpu/kernels/optimizer.h"

#include <limits>

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// One step of a few operations on values of order 1.
constexpr double kTolerance = 1e-6;
constexpr std::int64_t kSizes[] = {1, 3, 7, 8, 15, 16, 17, 64, 65, 1000};

TEST(AdamW, MatchesTheReference) {
  for (std::int64_t n : kSizes) {
    for (int workers : kWorkerCounts) {
      auto p = RandomValues(n, 1), m = RandomValues(n, 2), v = RandomValues(n, 3);
      const auto g = RandomValues(n, 4);
      for (float& x : v) x = std::fabs(x);
      AdamWArgs args;
      args.parameter = p.data();
      args.first_moment = m.data();
      args.second_moment = v.data();
      args.gradient = g.data();
      args.n = n;
      args.learning_rate = 0.01f;
      args.beta1 = 0.8f;
      args.beta2 = 0.95f;
      args.weight_decay = 0.1f;
      args.bias_correction1 = 0.36f;
      args.bias_correction2 = 0.0975f;
      args.gradient_scale = 0.5f;
      std::vector<double> ep, em, ev;
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double gradient = 0.5 * g[i];
        em.push_back(0.8 * m[i] + 0.2 * gradient);
        ev.push_back(0.95 * v[i] + 0.05 * gradient * gradient);
        ep.push_back(p[i] - 0.01 * 0.1 * p[i] -
                     0.01 * (em[i] / 0.36) / (std::sqrt(ev[i] / 0.0975) + 1e-8));
      }
      RunKernel(AdamW, args, workers);
      ExpectNear(m, em, kTolerance, kTolerance, "m");
      ExpectNear(v, ev, kTolerance, kTolerance, "v");
      ExpectNear(p, ep, kTolerance, kTolerance, "p");
      if (HasFatalFailure()) return;
    }
  }
}

TEST(Sgd, MatchesTheReferenceWithAndWithoutMomentum) {
  for (std::int64_t n : kSizes) {
    for (bool with : {false, true}) {
      auto p = RandomValues(n, 1), m = RandomValues(n, 2);
      const auto g = RandomValues(n, 4);
      std::vector<double> ep, em;
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double step = 2.0 * g[i] + 0.1 * p[i] + (with ? 0.9 * m[i] : 0);
        em.push_back(with ? step : m[i]);
        ep.push_back(p[i] - 0.01 * step);
      }
      RunKernel(Sgd,
                SgdArgs{p.data(), with ? m.data() : nullptr, g.data(), n, 0.01f, with ? 0.9f : 0.0f,
                        0.1f, 2.0f},
                2);
      ExpectNear(m, em, kTolerance, kTolerance, "momentum");
      ExpectNear(p, ep, kTolerance, kTolerance, "p");
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SumOfSquares, IsExactToDoubleAndAccumulates) {
  for (std::int64_t n : kSizes) {
    for (int workers : kWorkerCounts) {
      const auto x = RandomValues(n, 1, 100.0f);
      double expected = 5.0, sum = 5.0;
      for (float value : x) expected += static_cast<double>(value) * value;
      std::vector<double> partials(static_cast<std::size_t>(workers));
      RunKernel(SumOfSquares, SumOfSquaresArgs{x.data(), n, partials.data(), &sum, true}, workers);
      EXPECT_NEAR(sum, expected, 1e-13 * expected);
    }
  }
}

TEST(FindNonFinite, SeesOneBadValueAnywhere) {
  const std::int64_t n = 67;
  for (int workers : kWorkerCounts) {
    for (std::int64_t at = -1; at < n; ++at) {
      for (float bad : {std::nanf(""), std::numeric_limits<float>::infinity(),
                        -std::numeric_limits<float>::infinity()}) {
        std::vector<float> x(static_cast<std::size_t>(n), std::numeric_limits<float>::max());
        if (at >= 0) x[static_cast<std::size_t>(at)] = bad;
        bool partials[3], found = true;
        RunKernel(FindNonFinite, FindNonFiniteArgs{x.data(), n, partials, &found, false}, workers);
        ASSERT_EQ(found, at >= 0) << at;
      }
    }
  }
}

}  // namespace
}  // namespace attune::cpu
