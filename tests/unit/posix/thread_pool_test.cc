#include "posix/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace attune {
namespace {

// One worker, as many as this machine has, and more than it has.
class ThreadPoolOf : public ::testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Workers, ThreadPoolOf,
                         ::testing::Values(1, 2, 3, 4, 2 * ThreadPool::DefaultWorkers() + 1));

TEST_P(ThreadPoolOf, RunsEveryWorkerOnceARun) {
  ThreadPool pool(GetParam());
  ASSERT_EQ(pool.workers(), GetParam());
  std::vector<int> runs(static_cast<std::size_t>(pool.workers()), 0);
  for (int run = 1; run <= 500; ++run) {
    // No atomics: each worker has its own slot, and Run() orders the rest.
    pool.Run([&](int worker) { ++runs[static_cast<std::size_t>(worker)]; });
    for (const int count : runs) ASSERT_EQ(count, run);
  }
}

TEST_P(ThreadPoolOf, TheCallerIsWorkerZero) {
  ThreadPool pool(GetParam());
  const auto caller = std::this_thread::get_id();
  bool same = false;
  std::atomic<int> others_on_caller{0};
  pool.Run([&](int worker) {
    const bool here = std::this_thread::get_id() == caller;
    if (worker == 0) same = here;
    if (worker != 0 && here) ++others_on_caller;
  });
  EXPECT_TRUE(same);
  EXPECT_EQ(others_on_caller, 0);
}

// Each worker writes its part, then after the barrier reads all parts.
TEST_P(ThreadPoolOf, BarrierShowsWhatTheOthersWrote) {
  ThreadPool pool(GetParam());
  const auto workers = static_cast<std::size_t>(pool.workers());
  std::vector<int> parts(workers, 0);
  std::vector<int> wrong(workers, 0);
  constexpr int kRounds = 100;
  pool.Run([&](int worker) {
    const auto me = static_cast<std::size_t>(worker);
    for (int round = 1; round <= kRounds; ++round) {
      parts[me] = round;
      pool.Barrier();
      for (const int part : parts) wrong[me] += part != round;
      pool.Barrier();
    }
  });
  for (const int count : wrong) EXPECT_EQ(count, 0);
}

TEST_P(ThreadPoolOf, WakesWorkersThatWentToSleep) {
  ThreadPool pool(GetParam());
  std::atomic<int> calls{0};
  for (int run = 0; run < 5; ++run) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    pool.Run([&](int) { ++calls; });
  }
  EXPECT_EQ(calls, 5 * pool.workers());
}

TEST_P(ThreadPoolOf, WaitsForTheSlowestWorker) {
  ThreadPool pool(GetParam());
  const int last = pool.workers() - 1;
  bool slept = false;
  pool.Run([&](int worker) {
    if (worker != last) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    slept = true;
  });
  EXPECT_TRUE(slept);
}

TEST_P(ThreadPoolOf, EndsWithoutEverHavingRun) { ThreadPool pool(GetParam()); }

TEST(ThreadPool, DefaultWorkersIsAtLeastOne) { EXPECT_GE(ThreadPool::DefaultWorkers(), 1); }

TEST(ThreadPoolDeathTest, NeedsAWorker) { EXPECT_DEATH(ThreadPool(0), "workers >= 1"); }

}  // namespace
}  // namespace attune
