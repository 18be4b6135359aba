// A thread of the SDK's own, for work too long for the caller's.
//
// Threads: one at a time.

#pragma once

#include <functional>
#include <memory>

namespace attune {

class WorkerThread {
 public:
  virtual ~WorkerThread() = default;  // Joins.
  // Runs `work` there, at background priority. REQUIRES: nothing runs.
  virtual void Run(std::function<void()> work) = 0;
  // Returns once it has ended.
  virtual void Join() = 0;
};

class WorkerThreads {
 public:
  virtual ~WorkerThreads() = default;
  virtual std::unique_ptr<WorkerThread> Make() = 0;
};

}  // namespace attune
