#include "posix/posix_worker_thread.h"

#include <pthread.h>

#include <cstddef>
#include <functional>
#include <utility>

#include "base/check.h"
#include "posix/thread_priority.h"

namespace attune {
namespace {

// As much as a main thread has on Linux; what Apple gives other threads is a
// sixteenth of it.
constexpr std::size_t kStackBytes = std::size_t{8} << 20;

class PosixWorkerThread final : public WorkerThread {
 public:
  PosixWorkerThread() = default;
  ~PosixWorkerThread() override { Join(); }
  PosixWorkerThread(const PosixWorkerThread&) = delete;
  PosixWorkerThread& operator=(const PosixWorkerThread&) = delete;

  void Run(std::function<void()> work) override {
    ATTUNE_CHECK(!started_ && !work_);
    work_ = std::move(work);
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return;
    pthread_attr_setstacksize(&attributes, kStackBytes);
    started_ = pthread_create(&thread_, &attributes, &ThreadMain, this) == 0;
    pthread_attr_destroy(&attributes);
  }

  void Join() override {
    if (started_) {
      pthread_join(thread_, nullptr);
    } else if (work_) {
      work_();
    }
    started_ = false;
    work_ = nullptr;
  }

 private:
  static void* ThreadMain(void* self) {
    EnterBackground();
    static_cast<PosixWorkerThread*>(self)->work_();
    return nullptr;
  }

  std::function<void()> work_;
  bool started_ = false;
  pthread_t thread_{};
};

}  // namespace

std::unique_ptr<WorkerThread> PosixWorkerThreads::Make() {
  return std::make_unique<PosixWorkerThread>();
}

}  // namespace attune
