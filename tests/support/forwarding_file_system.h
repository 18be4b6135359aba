// A FileSystem that passes everything on to another one, for tests that step
// between two operations: derive from it and override one.
//
// Threads: as the other one.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ports/file_system.h"

namespace attune::testing {

class ForwardingFileSystem : public FileSystem {
 public:
  // `to` must outlive it.
  explicit ForwardingFileSystem(FileSystem& to) : to_(to) {}

  bool Exists(const std::string& path) override { return to_.Exists(path); }
  bool IsDirectory(const std::string& path) override { return to_.IsDirectory(path); }
  Result<std::uint64_t> Size(const std::string& path) override { return to_.Size(path); }
  Result<bool> IsPrivate(const std::string& path) override { return to_.IsPrivate(path); }
  Result<std::vector<std::string>> List(const std::string& directory) override {
    return to_.List(directory);
  }
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override {
    return to_.Read(path, limit);
  }
  Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) override {
    return to_.OpenForReading(path);
  }
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override {
    return to_.Map(path);
  }
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override {
    return to_.Create(path);
  }
  Result<std::unique_ptr<WritableFile>> OpenForAppending(const std::string& path) override {
    return to_.OpenForAppending(path);
  }
  Status Rename(const std::string& from, const std::string& to) override {
    return to_.Rename(from, to);
  }
  Status Remove(const std::string& path) override { return to_.Remove(path); }
  Status SyncDirectory(const std::string& directory) override {
    return to_.SyncDirectory(directory);
  }
  Status CreateDirectories(const std::string& path) override { return to_.CreateDirectories(path); }
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, double timeout_seconds) override {
    return to_.Lock(path, timeout_seconds);
  }

 private:
  FileSystem& to_;
};

}  // namespace attune::testing
