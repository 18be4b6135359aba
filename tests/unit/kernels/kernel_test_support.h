// What the kernel suites share: running a kernel on several workers, seeded
// values, and comparison against a double-precision reference.

#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/philox.h"
#include "cpu/kernels/worker.h"
#include "posix/thread_pool.h"
#include "tensor/tensor.h"

namespace attune::cpu::testing {

inline constexpr int kWorkerCounts[] = {1, 2, 3};

// Calls kernel(args, worker) on `workers` workers with `scratch_bytes` each,
// poisoned with NaNs: a kernel that reads what it did not write is seen.
template <typename Args>
void RunKernel(void (*kernel)(const Args&, const Worker&), const Args& args, int workers,
               std::size_t scratch_bytes = 0) {
  ThreadPool pool(workers);
  const auto padded = static_cast<std::int64_t>(scratch_bytes + 63) / 64 * 64;
  std::vector<Tensor> scratch;
  for (int w = 0; w < workers; ++w) {
    scratch.emplace_back(DType::kF32, Shape({padded / 4 + 16}));
    for (float& x : scratch.back().f32()) x = std::nanf("");
  }
  pool.Run([&](int index) {
    Worker worker;
    worker.index = index;
    worker.count = workers;
    worker.scratch = {scratch[static_cast<std::size_t>(index)].data(), scratch_bytes};
    worker.parallel = &pool;
    kernel(args, worker);
  });
  // The 64 bytes past the end must still be poison.
  for (Tensor& piece : scratch) {
    for (float x : piece.f32().last(16)) EXPECT_TRUE(std::isnan(x)) << "scratch overrun";
  }
}

// Normal values times `scale`, one per element.
inline std::vector<float> RandomValues(std::int64_t n, std::uint64_t stream, float scale = 1.0f) {
  Philox random(20260, stream);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& x : values) x = scale * random.NextNormal();
  return values;
}

// |actual - expected| <= absolute + relative * |expected| everywhere. NaN in
// `actual` fails.
inline void ExpectNear(const std::vector<float>& actual, const std::vector<double>& expected,
                       double absolute, double relative, const char* what) {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::fabs(static_cast<double>(actual[i]) - expected[i]);
    ASSERT_TRUE(error <= absolute + relative * std::fabs(expected[i]))
        << what << " [" << i << "]: " << actual[i] << ", expected " << expected[i];
  }
}

}  // namespace attune::cpu::testing
