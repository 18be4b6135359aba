#include "platform/platform.h"

#include "cpu/cpu_backend.h"
#include "posix/posix_clock.h"
#include "posix/posix_file_system.h"
#include "posix/thread_pool.h"

namespace attune {

struct DefaultPlatform::Parts {
  explicit Parts(int workers)
      : pool(workers > 0 ? workers : ThreadPool::DefaultWorkers()), backend(MakeCpuBackend(pool)) {}

  PosixFileSystem files;
  PosixClock clock;
  ThreadPool pool;
  std::unique_ptr<Backend> backend;
};

DefaultPlatform::DefaultPlatform(int workers) : parts_(std::make_unique<Parts>(workers)) {
  platform_ = {&parts_->files, &parts_->clock, &parts_->pool, parts_->backend.get()};
}
DefaultPlatform::~DefaultPlatform() = default;

int DefaultPlatform::workers() const { return parts_->pool.workers(); }

}  // namespace attune
