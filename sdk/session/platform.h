// What the facade needs from the outside, put together by a composition root
// (adapters/platform, or a test).

#pragma once

namespace attune {

class Backend;
class Clock;
class FileSystem;
class Parallel;

// Nothing is owned; all must outlive whatever was opened with them, and serve
// one thread at a time.
struct Platform {
  FileSystem* files = nullptr;
  Clock* clock = nullptr;
  Parallel* parallel = nullptr;
  Backend* backend = nullptr;
};

}  // namespace attune
