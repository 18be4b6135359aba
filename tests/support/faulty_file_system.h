// A FileSystem in memory that keeps apart what a real disk keeps apart: what
// readers see, and what a power failure leaves. It crashes or fails at the operation
// that its FaultPlan names. Outcomes are a pure function of the plan's seed and of
// the operations so far.
//
// The model. All of it is at least as harsh as journalling file systems are.
//
// - Contents. An append is pending until its file is synced. Sync() makes the bytes
//   durable, not the name.
// - Names. Create() and Lock() (if it makes the file), Rename() and Remove() change
//   what readers see at once; the entry is pending until SyncDirectory() of the
//   directory it is in. A rename within a directory is one entry: both names change
//   or neither. A rename between directories is two: one in each.
//   CreateDirectories() is durable on return.
// - Restart() after Fault::kCrash, or without any fault, is a power failure. Each
//   pending entry, independently, is kept or dropped; kept ones take place in their
//   order. Then each pending append of each file that still has a name,
//   independently, is kept, dropped, garbled (a run of its bytes changed) or cut
//   short (its end is missing). What is missing before a later append that was kept
//   reads as zeros; what is missing at the end shortens the file or, sometimes, reads
//   as zeros too. Whatever is then on the disk is durable.
// - Restart() after Fault::kKill loses nothing: pending stays pending.
// - The operation struck by a crash or a kill fails, yet may have begun: entries and
//   appends of it are pending like others (after a kill, all of them there, a part of
//   an append, or nothing); a sync has made nothing durable.
// - Restart() releases all locks. Files opened before it only fail. Objects that would
//   clean up behind themselves have to be destroyed before Restart(): a dead process
//   does not clean up.
// - Fault::kFailedSync on a file does at once to what readers see what a power
//   failure would do to the pending appends (pages dropped after a failed write-back
//   are read again from the disk); what is left stays pending. On a directory the
//   entries stay pending.
// - As the port says, the first error of a WritableFile is final; a new one may work.
//
// Not modelled: damage to what was synced, reordering across directories, links,
// permissions (everything is private), modification times.
// Exists() and IsDirectory() cannot fail: they are no operations, and are false
// while the machine is down.
// Threads: every method may be called from any thread.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "ports/file_system.h"
#include "support/fault_plan.h"

namespace attune::testing {

class FaultyFileSystem final : public FileSystem {
 public:
  // `plan` must outlive it.
  explicit FaultyFileSystem(FaultPlan& plan) : plan_(plan) {}

  // Makes the disk what survives and the plan stop.
  void Restart();

  // A copy of what readers see.
  std::map<std::string, std::string> files() const;
  // Puts a durable file there, and its directories.
  void Put(const std::string& path, std::string bytes);
  // Appends and directory entries that a power failure may lose now.
  std::size_t pending() const;

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

 private:
  class Reader;
  class Writer;
  class Held;

  struct File {
    std::uint64_t id = 0;         // In order of creation.
    std::string bytes;            // What readers see.
    std::size_t synced_size = 0;  // A power failure leaves this much of it alone.
    // Where each append since then begins; they lie back to back.
    std::vector<std::size_t> appends;
    bool locked = false;
  };
  using FilePointer = std::shared_ptr<File>;
  using Names = std::map<std::string, FilePointer>;

  // A change of names in one directory: `removed` goes if it still is `file`, then
  // `added`, where not empty, becomes `file`.
  struct Entry {
    std::string directory;
    std::string removed;
    std::string added;
    FilePointer file;
  };
  static void Apply(const Entry& entry, Names* names);

  // What the plan makes of an operation. One that a crash or a kill struck may have
  // begun: its effect takes place although it fails.
  struct Verdict {
    Status status;
    std::optional<Fault> fault;
    bool takes_place = true;
  };
  Verdict Judge(Operation operation, const std::string& path);
  Status JudgeRead(const std::string& path) { return Judge(Operation::kRead, path).status; }

  FilePointer NewFile();
  void Change(Entry entry);
  Status Append(File* file, std::span<const std::byte> bytes, const std::string& name);
  Status Sync(File* file, const std::string& name);
  // Makes of the pending appends what a power failure leaves of them.
  void LosePending(File* file);
  // Of the append [begin, end): returns where what is left of it ends.
  std::size_t LoseAppend(File* file, std::size_t begin, std::size_t end);

  bool HasDirectory(const std::string& path) const;
  Status CheckDirectory(const std::string& path) const;
  Result<FilePointer> Find(const std::string& path) const;

  FaultPlan& plan_;
  Names visible_;
  Names durable_;
  std::vector<Entry> entries_;  // Pending, oldest first.
  std::set<std::string> directories_;
  std::uint64_t files_made_ = 0;
  // Open files of an earlier boot are dead.
  std::uint64_t boot_ = 0;
};

}  // namespace attune::testing
