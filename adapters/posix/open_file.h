// The open files of PosixFileSystem.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "ports/file_system.h"
#include "posix/descriptor.h"

namespace attune {

// Reads `out.size()` bytes from `offset` on. kDataLoss: the file ends earlier.
Status ReadFully(const Descriptor& file, const std::string& path, std::uint64_t offset,
                 std::span<std::byte> out);

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Descriptor file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}
  std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override;

 private:
  Descriptor file_;
  std::string path_;
  std::uint64_t size_;
};

// `file` is open with O_APPEND.
class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Descriptor file, std::string path)
      : file_(std::move(file)), path_(std::move(path)) {}
  Status Append(std::span<const std::byte> bytes) override;
  Status Sync() override;

 private:
  Descriptor file_;
  std::string path_;
  Status error_;  // The first one.
};

Result<std::shared_ptr<const MappedFile>> MapWhole(const Descriptor& file, const std::string& path);

// As FileSystem::Lock().
Result<std::unique_ptr<FileLock>> LockFile(const std::string& path, double timeout_seconds);

}  // namespace attune
