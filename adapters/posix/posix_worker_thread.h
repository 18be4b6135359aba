// Worker threads at background priority (posix/thread_priority.h).

#pragma once

#include <memory>

#include "ports/worker_thread.h"

namespace attune {

// Where the system refuses a thread, the work is done in Join(), on the caller's.
class PosixWorkerThreads final : public WorkerThreads {
 public:
  std::unique_ptr<WorkerThread> Make() override;
};

}  // namespace attune
