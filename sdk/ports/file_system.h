// The file system as the SDK sees it: whole files in, memory-mapped files in,
// whole files out atomically.
//
// Errors: kNotFound (absent), kIoError (everything else the system refuses),
// kInvalidArgument (not a regular file). Messages name the base name only.
// Threads: every method may be called from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "attune/status.h"

namespace attune {

// Read-only bytes of a file, paged in on demand, released by the destructor.
class MappedFile {
 public:
  virtual ~MappedFile() = default;
  virtual std::span<const std::byte> bytes() const = 0;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual bool Exists(const std::string& path) = 0;
  virtual bool IsDirectory(const std::string& path) = 0;
  virtual Result<std::uint64_t> Size(const std::string& path) = 0;

  // Reads the whole file. A file larger than `limit` bytes is
  // kResourceExhausted, before anything is allocated.
  virtual Result<std::string> Read(const std::string& path, std::uint64_t limit) = 0;

  // Maps the whole file read-only; clean pages do not count as the process's
  // own memory. An empty file maps to an empty span.
  virtual Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) = 0;

  // Replaces `path` by `parts`, concatenated: a reader sees the old bytes or
  // all of the new ones, also after a crash. Durable on return.
  virtual Status WriteAtomically(const std::string& path,
                                 std::span<const std::span<const std::byte>> parts) = 0;

  // Creates the directory and its parents; existing ones are fine.
  virtual Status CreateDirectories(const std::string& path) = 0;
};

// "dir/name.txt" -> "name.txt": what messages may show of a path.
std::string BaseName(const std::string& path);
std::string JoinPath(const std::string& directory, const std::string& name);

}  // namespace attune
