// The FileSystem port over POSIX files.
//
// Durability: Sync() and SyncDirectory() reach the device (F_FULLFSYNC on Apple,
// where fsync stops at the drive's cache). New files are private to the user
// (0600), new directories too (0700).
// A mapped file must not be truncated by others while it is mapped: touching
// bytes that are gone ends the process. Nothing here ever truncates.
// Locks are flock(2): they end with the process, also by kill -9, unless it
// forked without exec and the child lives on.
// Threads: every method may be called from any thread.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ports/file_system.h"

namespace attune {

class PosixFileSystem final : public FileSystem {
 public:
  bool Exists(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;
  Result<std::uint64_t> Size(const std::string& path) override;
  Result<bool> IsPrivate(const std::string& path) override;
  Result<std::vector<std::string>> List(const std::string& directory) override;
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override;
  Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) override;
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> Create(const std::string& path) override;
  Result<std::unique_ptr<WritableFile>> OpenForAppending(const std::string& path) override;
  Status Rename(const std::string& from, const std::string& to) override;
  Status Remove(const std::string& path) override;
  Status SyncDirectory(const std::string& directory) override;
  Status CreateDirectories(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> Lock(const std::string& path, double timeout_seconds) override;
};

}  // namespace attune
