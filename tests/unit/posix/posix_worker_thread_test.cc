#include "posix/posix_worker_thread.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "posix/thread_pool.h"
#include "posix/thread_priority.h"

namespace attune {
namespace {

#ifdef __linux__
int NiceOfThisThread() { return getpriority(PRIO_PROCESS, 0); }
#endif

TEST(PosixWorkerThread, WorksOnAThreadOfItsOwn) {
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  std::thread::id id;
  worker->Run([&] { id = std::this_thread::get_id(); });
  worker->Join();
  EXPECT_NE(id, std::thread::id());
  EXPECT_NE(id, std::this_thread::get_id());
}

TEST(PosixWorkerThread, RunReturnsBeforeTheWorkIsDone) {
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  std::atomic<bool> go{false}, done{false};
  worker->Run([&] {
    while (!go) std::this_thread::yield();
    done = true;
  });
  EXPECT_FALSE(done);
  go = true;
  worker->Join();
  EXPECT_TRUE(done);
}

TEST(PosixWorkerThread, CanBeUsedAgain) {
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  int runs = 0;
  for (int i = 0; i < 3; ++i) {
    worker->Run([&] { ++runs; });
    worker->Join();
    worker->Join();  // Nothing is left to wait for.
  }
  EXPECT_EQ(runs, 3);
}

TEST(PosixWorkerThread, DestructionWaits) {
  PosixWorkerThreads threads;
  bool done = false;
  {
    const auto worker = threads.Make();
    worker->Run([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      done = true;
    });
  }
  EXPECT_TRUE(done);
}

TEST(PosixWorkerThreadDeathTest, RunsOneWorkAtATime) {
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  EXPECT_DEATH(
      {
        worker->Run([] { std::this_thread::sleep_for(std::chrono::seconds(60)); });
        worker->Run([] {});
      },
      "work_");
}

TEST(PosixWorkerThread, HasRoomForADeepStack) {
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  worker->Run([] {
    volatile char frame[4 << 20];
    for (std::size_t i = 0; i < sizeof(frame); i += 4096) frame[i] = 1;
  });
  worker->Join();
}

#ifdef __linux__

TEST(PosixWorkerThread, RunsBehindEverythingElseAndLeavesTheCallerAlone) {
  const int before = NiceOfThisThread();
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  int there = -99;
  worker->Run([&] { there = NiceOfThisThread(); });
  worker->Join();
  EXPECT_EQ(there, before > 10 ? before : 10);
  EXPECT_EQ(NiceOfThisThread(), before);
}

TEST(ThreadPriority, ALowerOneStays) {
  int there = -99;
  std::thread([&] {
    setpriority(PRIO_PROCESS, 0, 17);
    EnterBackground();
    there = NiceOfThisThread();
  }).join();
  EXPECT_GE(there, 17);
}

TEST(ThreadPriority, APoolOfTheBackgroundHasItOnItsOwnThreads) {
  ThreadPool pool(3, /*background=*/true);
  const int before = NiceOfThisThread();
  std::vector<int> nice(3, -99);
  pool.Run([&](int worker) { nice[static_cast<std::size_t>(worker)] = NiceOfThisThread(); });
  EXPECT_EQ(nice[0], before);  // The caller's.
  EXPECT_GE(nice[1], 10);
  EXPECT_GE(nice[2], 10);
}

// In a process of its own, where no other stack fits: 0 if the work was done on
// the thread that joined.
[[noreturn]] void WorkWhereThreadsAreRefused() {
  std::FILE* const file = std::fopen("/proc/self/statm", "re");
  unsigned long long pages = 0;
  if (file == nullptr || std::fscanf(file, "%llu", &pages) != 1) std::_Exit(2);
  const auto page = static_cast<rlim_t>(sysconf(_SC_PAGESIZE));
  const rlim_t bytes = pages * page + (rlim_t{2} << 20);
  const rlimit limit{bytes, bytes};
  if (setrlimit(RLIMIT_AS, &limit) != 0) std::_Exit(3);
  PosixWorkerThreads threads;
  const auto worker = threads.Make();
  std::thread::id id;
  worker->Run([&] { id = std::this_thread::get_id(); });
  worker->Join();
  std::_Exit(id == std::this_thread::get_id() ? 0 : 4);
}

TEST(PosixWorkerThreadDeathTest, WithoutAThreadTheWorkIsDoneInJoin) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(WorkWhereThreadsAreRefused(), ::testing::ExitedWithCode(0), "");
}

#endif

}  // namespace
}  // namespace attune
