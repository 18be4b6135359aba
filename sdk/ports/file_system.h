// The file system as the SDK sees it: whole files in, memory-mapped files in,
// files out by primitives that a crash can fall between, and one protocol over
// them that replaces a file atomically.
//
// Errors: kNotFound (absent), kResourceExhausted (no space left, or over a
// limit), kInvalidArgument (not a regular file, or not a directory where one is
// needed), kIoError (everything else the system refuses). Messages name the base
// name only.
// Threads: every method may be called from any thread; an open file belongs to
// one thread at a time.

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

// A file open for reading at any place.
class ReadableFile {
 public:
  virtual ~ReadableFile() = default;
  // Of the file when it was opened.
  virtual std::uint64_t size() const = 0;
  // Fills `out` from `offset` on.
  //
  //   kDataLoss  the file ends earlier
  virtual Status ReadAt(std::uint64_t offset, std::span<std::byte> out) = 0;
};

// A file that grows at its end. What was not synced may be lost, whole or in
// part, when the power fails. The first error is final: every later call repeats
// it, because a second sync that succeeds says nothing about what the first lost.
class WritableFile {
 public:
  virtual ~WritableFile() = default;  // Does not sync.
  // On error any part of `bytes` may have been appended.
  virtual Status Append(std::span<const std::byte> bytes) = 0;
  // On success all that was appended survives a power failure, if the file's
  // name does. After an error nothing is known about what was appended since the
  // last sync.
  virtual Status Sync() = 0;
};

// Exclusive among processes and among objects of one process, until destroyed
// or until the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  virtual bool Exists(const std::string& path) = 0;
  virtual bool IsDirectory(const std::string& path) = 0;
  virtual Result<std::uint64_t> Size(const std::string& path) = 0;
  // Whether the file or directory is the user's, and nobody else may read or
  // write it. kInvalidArgument: it is neither of the two, or a link.
  virtual Result<bool> IsPrivate(const std::string& path) = 0;
  // Names in a directory, sorted, without "." and "..".
  virtual Result<std::vector<std::string>> List(const std::string& directory) = 0;

  // Reads the whole file. A file larger than `limit` bytes is
  // kResourceExhausted, before anything is allocated.
  virtual Result<std::string> Read(const std::string& path, std::uint64_t limit) = 0;
  virtual Result<std::unique_ptr<ReadableFile>> OpenForReading(const std::string& path) = 0;

  // Maps the whole file read-only; clean pages do not count as the process's
  // own memory. An empty file maps to an empty span.
  virtual Result<std::shared_ptr<const MappedFile>> Map(const std::string& path) = 0;

  // A new empty file that only its owner may read and write. Survives a power
  // failure once the file and its directory are synced.
  //
  //   kFailedPrecondition  the name is taken
  virtual Result<std::unique_ptr<WritableFile>> Create(const std::string& path) = 0;
  // An existing file, to append to. Not through a link.
  virtual Result<std::unique_ptr<WritableFile>> OpenForAppending(const std::string& path) = 0;

  // The file `from` takes the place of `to`, atomically; survives a power failure
  // once the directory is synced (if they differ, first that of `to`, then that of
  // `from`: in the other order a crash may lose both names).
  virtual Status Rename(const std::string& from, const std::string& to) = 0;
  virtual Status Remove(const std::string& path) = 0;
  // Makes names created, renamed and removed in the directory durable.
  virtual Status SyncDirectory(const std::string& directory) = 0;

  // Creates the directory and its parents, for the user alone; existing ones
  // are fine. Those it creates survive a power failure.
  virtual Status CreateDirectories(const std::string& path) = 0;

  // Locks the file, created if absent, waiting `timeout_seconds` at most. Not
  // through a link. REQUIRES: it is never renamed while locked.
  //
  //   kUnavailable  somebody else holds it
  virtual Result<std::unique_ptr<FileLock>> Lock(const std::string& path,
                                                 double timeout_seconds) = 0;

  // Replaces `path` by `parts`, concatenated: a reader sees the old bytes or
  // all of the new ones, also after a crash. Durable on return; on error either
  // of the two may be there. A process killed on the way leaves a file named
  // ".attune-*.tmp" beside `path`.
  Status WriteAtomically(const std::string& path,
                         std::span<const std::span<const std::byte>> parts);
};

// "dir/name.txt" -> "name.txt": what messages may show of a path.
std::string BaseName(const std::string& path);
// "dir/name.txt" -> "dir", "name.txt" -> ".".
std::string DirectoryName(const std::string& path);
std::string JoinPath(const std::string& directory, const std::string& name);

}  // namespace attune
