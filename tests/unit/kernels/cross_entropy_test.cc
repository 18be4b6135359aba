#include "cpu/kernels/cross_entropy.h"

#include "base/strings.h"
#include "unit/kernels/kernel_test_support.h"

namespace attune::cpu {
namespace {

using testing::ExpectNear;
using testing::kWorkerCounts;
using testing::RandomValues;
using testing::RunKernel;

// Sums of exponentials in f32: some sqrt(vocab) ulp of values near 10.
constexpr double kTolerance = 3e-6;

struct Problem {
  std::int64_t rows, vocab, stride;
  std::vector<float> logits, weights;
  std::vector<std::int32_t> labels;
  std::vector<double> loss, lse, gradient;

  Problem(std::int64_t r, std::int64_t v, float scale) : rows(r), vocab(v), stride(v + 3) {
    const auto random = RandomValues(rows * stride, 1, 4.0f);
    Philox labeller(3);
    logits = random;
    gradient.assign(logits.begin(), logits.end());
    for (std::int64_t row = 0; row < rows; ++row) {
      weights.push_back(0.25f * static_cast<float>(row % 5));
      labels.push_back(row % 4 == 3 ? -100
                                    : static_cast<std::int32_t>(
                                          labeller.NextBelow(static_cast<std::uint32_t>(vocab))));
      AddRow(row, scale);
    }
  }

  void AddRow(std::int64_t row, float scale) {
    const float* x = logits.data() + row * stride;
    double maximum = x[0], sum = 0;
    for (std::int64_t c = 0; c < vocab; ++c) maximum = std::max<double>(maximum, x[c]);
    for (std::int64_t c = 0; c < vocab; ++c) sum += std::exp(x[c] - maximum);
    lse.push_back(maximum + std::log(sum));
    const bool labelled = labels[row] >= 0;
    loss.push_back(labelled ? weights[row] * (lse.back() - x[labels[row]]) : 0);
    for (std::int64_t c = 0; c < vocab; ++c) {
      const double p = std::exp(x[c] - lse.back()) - (c == labels[row] ? 1 : 0);
      gradient[row * stride + c] = labelled ? p * weights[row] * scale : 0;
    }
  }
};

constexpr float kScale = 0.125f;

CrossEntropyGradientArgs GradientArgs(const Problem& p, std::vector<float>* logits,
                                      const std::vector<float>& lse, std::int64_t first,
                                      std::int64_t columns, const float* scale) {
  CrossEntropyGradientArgs args;
  args.logits = logits->data() + first;
  args.stride = p.stride;
  args.rows = p.rows;
  args.columns = columns;
  args.first_column = first;
  args.labels = p.labels.data();
  args.weights = p.weights.data();
  args.lse = lse.data();
  args.scale = 0.5f;
  args.scale_pointer = scale;
  return args;
}

TEST(CrossEntropy, MatchesTheReferenceInOnePiece) {
  const float quarter = 0.25f;
  for (std::int64_t vocab : {1, 3, 7, 16, 17, 65, 1000, 9000}) {
    for (int workers : kWorkerCounts) {
      SCOPED_TRACE(StrCat("vocab ", vocab, ", ", workers, " workers"));
      const Problem p(9, vocab, kScale);
      std::vector<float> loss(9, std::nanf("")), lse(9, std::nanf("")), logits = p.logits;
      RunKernel(CrossEntropyForward,
                CrossEntropyArgs{logits.data(), p.stride, p.rows, vocab, p.labels.data(),
                                 p.weights.data(), loss.data(), lse.data()},
                workers);
      ExpectNear(loss, p.loss, kTolerance, kTolerance, "loss");
      ExpectNear(lse, p.lse, kTolerance, kTolerance, "lse");
      RunKernel(CrossEntropyGradient, GradientArgs(p, &logits, lse, 0, vocab, &quarter), workers);
      ExpectNear(logits, p.gradient, kTolerance, kTolerance, "gradient");
      if (HasFatalFailure()) return;
    }
  }
}

TEST(CrossEntropy, MatchesTheReferenceInChunks) {
  const float quarter = 0.25f;
  for (std::int64_t chunk : {1, 16, 37, 100}) {
    for (int workers : kWorkerCounts) {
      const Problem p(9, 100, kScale);
      std::vector<float> maximum(9, std::nanf("")), sum(maximum), label(maximum), logits = p.logits;
      for (std::int64_t first = 0; first < 100; first += chunk) {
        CrossEntropyChunkArgs args;
        args.logits = logits.data() + first;
        args.stride = p.stride;
        args.rows = p.rows;
        args.columns = std::min(chunk, 100 - first);
        args.first_column = first;
        args.labels = p.labels.data();
        args.first_chunk = first == 0;
        args.maximum = maximum.data();
        args.sum = sum.data();
        args.label_logit = label.data();
        RunKernel(CrossEntropyChunk, args, workers);
      }
      // The results take the place of the state.
      CrossEntropyFinishArgs finish{p.rows,     p.labels.data(), p.weights.data(), maximum.data(),
                                    sum.data(), label.data(),    label.data(),     maximum.data()};
      RunKernel(CrossEntropyFinish, finish, workers);
      ExpectNear(label, p.loss, kTolerance, kTolerance, "loss");
      ExpectNear(maximum, p.lse, kTolerance, kTolerance, "lse");
      for (std::int64_t first = 0; first < 100; first += chunk) {
        RunKernel(CrossEntropyGradient,
                  GradientArgs(p, &logits, maximum, first, std::min(chunk, 100 - first), &quarter),
                  workers);
      }
      ExpectNear(logits, p.gradient, kTolerance, kTolerance, "gradient");
      if (HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace attune::cpu
