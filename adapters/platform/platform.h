// The composition root: what the facade runs on by default. POSIX files and
// clock, a thread pool, the CPU backend.

#pragma once

#include <memory>

#include "session/platform.h"

namespace attune {

class DefaultPlatform {
 public:
  // Starts the threads: `workers` in all, 0 for one a processor.
  explicit DefaultPlatform(int workers = 0);
  ~DefaultPlatform();
  DefaultPlatform(const DefaultPlatform&) = delete;
  DefaultPlatform& operator=(const DefaultPlatform&) = delete;

  // Borrows from this object.
  const Platform& get() const { return platform_; }
  int workers() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  Platform platform_;
};

}  // namespace attune
