// ThreadPool is a Parallel on threads of its own: the caller is worker 0, the
// others wait between runs, spinning for some tens of microseconds before they
// sleep, so that back-to-back runs start within a microsecond or so.
//
// Threads: as for Parallel: Run() from one thread at a time, not reentrant.

#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>
#include <vector>

#include "base/function_ref.h"
#include "ports/parallel.h"

namespace attune {

class ThreadPool final : public Parallel {
 public:
  // Starts `workers` - 1 threads. Where the system refuses one, the pool makes
  // do with those it has: workers() is the truth.
  // `background`: they stay at background priority (posix/thread_priority.h).
  // REQUIRES: workers >= 1.
  explicit ThreadPool(int workers, bool background = false);

  // Joins the threads. REQUIRES: no Run() is under way.
  ~ThreadPool() override;
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // One worker per processor that this process may use.
  static int DefaultWorkers();

  int workers() const override { return workers_; }
  void Run(FunctionRef<void(int worker)> body) override;
  void Barrier() override;

 private:
  struct Start {
    ThreadPool* pool;
    int worker;
  };
  static void* ThreadMain(void* start);
  void Serve(int worker);

  const bool background_;
  int workers_ = 1;
  // How long a waiting worker spins; 0 where workers outnumber processors and
  // spinning would keep the awaited one off its processor.
  std::int64_t spin_nanoseconds_ = 0;
  std::vector<Start> starts_;
  std::vector<pthread_t> threads_;

  // Written by Run() before `epoch_` announces it.
  const FunctionRef<void(int)>* body_ = nullptr;
  bool stop_ = false;

  // Each on a cache line of its own: they change hands on every run.
  alignas(64) std::atomic<std::uint32_t> epoch_{0};    // Counts runs.
  alignas(64) std::atomic<std::uint32_t> pending_{0};  // Workers not yet done with this run.
  alignas(64) std::atomic<int> arrived_{0};            // Workers inside the current barrier.
  alignas(64) std::atomic<std::uint32_t> phase_{0};    // Counts completed barriers.
};

}  // namespace attune
