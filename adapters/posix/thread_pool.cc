#include "posix/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <cstddef>
#include <ctime>
#include <thread>

#include "base/check.h"
#include "posix/thread_priority.h"

namespace attune {
namespace {

// How long a worker polls before it gives its processor away at every look, and
// before it sleeps. The first is about a hand-over between two processors. The
// second is longer than the gaps between the kernels of one training step and
// shorter than anybody would notice on a battery.
constexpr std::int64_t kPollNanoseconds = 3'000;
constexpr std::int64_t kSpinNanoseconds = 40'000;
// Reading the clock costs about as much as this many pauses.
constexpr int kPausesPerLook = 32;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::int64_t NowNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Polls `done` for up to `nanoseconds`; returns whether it came true.
template <typename Done>
bool SpinUntil(const Done& done, std::int64_t nanoseconds) {
  if (done()) return true;
  if (nanoseconds == 0) return false;
  const std::int64_t start = NowNanoseconds();
  std::int64_t elapsed = 0;
  do {
    for (int i = 0; i < kPausesPerLook; ++i) {
      if (done()) return true;
      Pause();
    }
    elapsed = NowNanoseconds() - start;
    // On a busy machine the awaited worker may be waiting for this very
    // processor; on an idle one a yield returns at once.
    if (elapsed > kPollNanoseconds) sched_yield();
  } while (elapsed < nanoseconds);
  return done();
}

}  // namespace

int ThreadPool::DefaultWorkers() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

ThreadPool::ThreadPool(int workers, bool background) : background_(background) {
  ATTUNE_CHECK(workers >= 1);
  const auto threads = static_cast<std::size_t>(workers - 1);
  starts_.reserve(threads);  // Threads keep pointers into it.
  threads_.reserve(threads);
  for (int worker = 1; worker < workers; ++worker) {
    starts_.push_back({this, worker});
    pthread_t thread;
    if (pthread_create(&thread, nullptr, &ThreadMain, &starts_.back()) != 0) break;
    threads_.push_back(thread);
  }
  // The threads read neither before the first run announces them.
  workers_ = static_cast<int>(threads_.size()) + 1;
  spin_nanoseconds_ = workers_ <= DefaultWorkers() ? kSpinNanoseconds : 0;
}

ThreadPool::~ThreadPool() {
  stop_ = true;
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();
  for (pthread_t thread : threads_) pthread_join(thread, nullptr);
}

void* ThreadPool::ThreadMain(void* start) {
  const auto* self = static_cast<const Start*>(start);
  if (self->pool->background_) EnterBackground();
  self->pool->Serve(self->worker);
  return nullptr;
}

void ThreadPool::Serve(int worker) {
  std::uint32_t seen = 0;
  std::int64_t spin = kSpinNanoseconds;
  while (true) {
    const auto announced = [&] { return epoch_.load(std::memory_order_acquire) != seen; };
    if (!SpinUntil(announced, spin)) epoch_.wait(seen, std::memory_order_acquire);
    if (!announced()) continue;
    ++seen;
    if (stop_) return;
    spin = spin_nanoseconds_;
    (*body_)(worker);
    if (pending_.fetch_sub(1, std::memory_order_acq_rel) == 1) pending_.notify_one();
  }
}

void ThreadPool::Run(FunctionRef<void(int)> body) {
  if (workers_ == 1) {
    body(0);
    return;
  }
  body_ = &body;
  pending_.store(static_cast<std::uint32_t>(workers_ - 1), std::memory_order_relaxed);
  epoch_.fetch_add(1, std::memory_order_release);
  epoch_.notify_all();  // No system call unless somebody sleeps.
  body(0);

  const auto done = [&] { return pending_.load(std::memory_order_acquire) == 0; };
  if (SpinUntil(done, spin_nanoseconds_)) return;
  while (!done()) {
    const std::uint32_t left = pending_.load(std::memory_order_acquire);
    if (left != 0) pending_.wait(left, std::memory_order_acquire);
  }
}

void ThreadPool::Barrier() {
  if (workers_ == 1) return;
  // The phase cannot pass on before this worker has arrived, so this is the one
  // that the barrier below ends.
  const std::uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == workers_) {
    arrived_.store(0, std::memory_order_relaxed);
    phase_.fetch_add(1, std::memory_order_release);
    return;
  }
  const auto passed = [&] { return phase_.load(std::memory_order_acquire) != phase; };
  if (SpinUntil(passed, spin_nanoseconds_)) return;
  // Nobody sleeps in a barrier: the others are computing and will be here soon.
  while (!passed()) sched_yield();
}

}  // namespace attune
