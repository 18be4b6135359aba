// What the facade needs from the outside, put together by a composition root
// (adapters/platform, or a test).

#pragma once

namespace attune {

class Backend;
class Clock;
class Crypto;
class DeviceMonitor;
class FileSystem;
class KeyStore;
class Parallel;
class WorkerThreads;

// Nothing is owned; all must outlive whatever was opened with them, and serve
// one thread at a time.
struct Platform {
  FileSystem* files = nullptr;
  Clock* clock = nullptr;
  Parallel* parallel = nullptr;
  Backend* backend = nullptr;
  // For a vault; null where none is opened.
  Crypto* crypto = nullptr;
  KeyStore* keys = nullptr;
  // For a Night; null where none is opened.
  DeviceMonitor* monitor = nullptr;
  WorkerThreads* threads = nullptr;
};

}  // namespace attune
