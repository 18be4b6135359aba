// The FileSystem port over POSIX files.
//
// Durability: WriteAtomically() writes a new file beside the target, flushes it
// to the device (F_FULLFSYNC on Apple, where fsync stops at the drive's cache),
// renames it over the target and flushes the directory. New files are private
// to the user (0600), new directories too (0700). A process killed before the
// rename leaves a file named ".attune-*.tmp" behind, never a half-written
// target.
// A mapped file must not be truncated by others while it is mapped: touching
// bytes that are gone ends the process. WriteAtomically() never truncates.
// Threads: every method may be called from any thread.

#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ports/file_system.h"

namespace attune {

class PosixFileSystem final : public FileSystem {
 public:
  bool Exists(const std::string& path) override;
  bool IsDirectory(const std::string& path) override;
  Result<std::uint64_t> Size(const std::string& path) override;
  Result<std::string> Read(const std::string& path, std::uint64_t limit) override;
  Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) override;
  Status WriteAtomically(const std::string& path,
                         std::span<const std::span<const std::byte>> parts) override;
  Status CreateDirectories(const std::string& path) override;

 private:
  // Creates a file of a name that nobody else uses in the target's directory
  // and returns its descriptor.
  Result<int> CreateTemporary(const std::string& target, std::string* temporary);

  std::atomic<std::uint64_t> next_temporary_{0};
};

}  // namespace attune
