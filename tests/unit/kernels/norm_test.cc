#include "cpu/kernels/norm.h"

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// Sums of up to 300 terms in f32, divided by standard deviations near 1.
constexpr double kTolerance = 1e-5;
constexpr float kEpsilon = 1e-5f;
constexpr std::int64_t kColumns[] = {2, 3, 7, 8, 15, 16, 17, 64, 65, 300};

// LayerNorm, or RMSNorm when `centred` is false, in double.
struct Reference {
  std::vector<double> y, dx, dweight, dbias;

  Reference(const std::vector<float>& x, const std::vector<float>& w, const std::vector<float>& b,
            const std::vector<float>& dy, std::int64_t rows, std::int64_t columns, bool centred)
      : y(x.size()), dx(x.size()), dweight(w.size()), dbias(w.size()) {
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t at = row * columns;
      double mean = 0, square = 0, mean_g = 0, mean_gx = 0;
      for (std::int64_t c = 0; centred && c < columns; ++c) mean += x[at + c] / double(columns);
      for (std::int64_t c = 0; c < columns; ++c) square += (x[at + c] - mean) * (x[at + c] - mean);
      const double rstd = 1 / std::sqrt(square / double(columns) + kEpsilon);
      for (std::int64_t c = 0; c < columns; ++c) {
        const double xh = (x[at + c] - mean) * rstd, g = double(dy[at + c]) * w[c];
        y[at + c] = xh * w[c] + (centred ? b[c] : 0);
        if (centred) mean_g += g / double(columns);
        mean_gx += g * xh / double(columns);
        dweight[c] += dy[at + c] * xh;
        dbias[c] += dy[at + c];
      }
      for (std::int64_t c = 0; c < columns; ++c) {
        const double xh = (x[at + c] - mean) * rstd;
        dx[at + c] = rstd * (double(dy[at + c]) * w[c] - mean_g - xh * mean_gx);
      }
    }
  }
};

struct Problem {
  std::int64_t rows, columns;
  std::vector<float> x, w, b, dy, add;
  Problem(std::int64_t r, std::int64_t c) : rows(r), columns(c) {
    x = RandomValues(r * c, 1);
    for (float& value : x) value += 0.5f;
    w = RandomValues(c, 2);
    b = RandomValues(c, 3);
    dy = RandomValues(r * c, 4);
    add = RandomValues(r * c, 5);
  }
};

template <typename Body>
void ForEachProblem(const Body& body) {
  for (std::int64_t columns : kColumns) {
    for (std::int64_t rows : {1, 5, 17}) {
      const Problem problem(rows, columns);
      for (int workers : kWorkerCounts) {
        SCOPED_TRACE(StrCat(rows, " rows, ", columns, " columns, ", workers, " workers"));
        body(problem, workers);
        if (::testing::Test::HasFatalFailure()) return;
      }
    }
  }
}

TEST(RmsNorm, MatchesTheReference) {
  ForEachProblem([](const Problem& p, int workers) {
    const Reference reference(p.x, p.w, p.b, p.dy, p.rows, p.columns, false);
    std::vector<float> y = p.x, rstd(static_cast<std::size_t>(p.rows));
    RunKernel(RmsNormForward,
              RmsNormArgs{y.data(), p.w.data(), y.data(), rstd.data(), p.rows, p.columns, kEpsilon},
              workers);
    ExpectNear(y, reference.y, kTolerance, kTolerance, "y");
    for (bool given : {true, false}) {
      std::vector<float> dx = p.add, dweight = p.w;
      std::vector<double> expected_dx = reference.dx, expected_dw = reference.dweight;
      for (std::size_t i = 0; i < dx.size(); ++i) expected_dx[i] += p.add[i];
      for (std::size_t i = 0; given && i < dweight.size(); ++i) expected_dw[i] += p.w[i];
      RmsNormBackwardArgs args;
      args.x = p.x.data();
      args.weight = p.w.data();
      args.dy = p.dy.data();
      args.rstd = given ? rstd.data() : nullptr;
      args.add = dx.data();
      args.dx = dx.data();
      args.dweight = dweight.data();
      args.accumulate_dweight = given;
      args.rows = p.rows;
      args.columns = p.columns;
      args.epsilon = kEpsilon;
      RunKernel(RmsNormBackward, args, workers, RmsNormBackwardScratchBytes(args));
      ExpectNear(dx, expected_dx, kTolerance, 2 * kTolerance, "dx");
      ExpectNear(dweight, expected_dw, kTolerance, kTolerance, "dweight");
    }
  });
}

TEST(LayerNorm, MatchesTheReference) {
  ForEachProblem([](const Problem& p, int workers) {
    const Reference reference(p.x, p.w, p.b, p.dy, p.rows, p.columns, true);
    std::vector<float> y = p.x, mean(static_cast<std::size_t>(p.rows)), rstd(mean);
    RunKernel(LayerNormForward,
              LayerNormArgs{y.data(), p.w.data(), p.b.data(), y.data(), mean.data(), rstd.data(),
                            p.rows, p.columns, kEpsilon},
              workers);
    // Two columns may lie close together: rstd then magnifies the rounding.
    const double wide = p.columns < 8 ? 2e-3 : kTolerance;
    ExpectNear(y, reference.y, wide, wide, "y");
    for (bool given : {true, false}) {
      std::vector<float> dx(p.x.size()), dweight(p.w.size()), dbias(p.w.size());
      LayerNormBackwardArgs args;
      args.x = p.x.data();
      args.weight = p.w.data();
      args.dy = p.dy.data();
      args.mean = given ? mean.data() : nullptr;
      args.rstd = given ? rstd.data() : nullptr;
      args.dx = dx.data();
      args.dweight = dweight.data();
      args.dbias = dbias.data();
      args.rows = p.rows;
      args.columns = p.columns;
      args.epsilon = kEpsilon;
      RunKernel(LayerNormBackward, args, workers, LayerNormBackwardScratchBytes(args));
      if (p.columns >= 8) ExpectNear(dx, reference.dx, kTolerance, 2 * kTolerance, "dx");
      ExpectNear(dweight, reference.dweight, wide, wide, "dweight");
      ExpectNear(dbias, reference.dbias, kTolerance, kTolerance, "dbias");
    }
  });
}

}  // namespace
}  // namespace attune::cpu
