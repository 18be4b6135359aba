// A FaultPlan decides which operation of a test goes wrong and how. The fakes that
// share it (FaultyFileSystem, FaultyKeyStore) ask it before every operation, so that
// "the n-th operation" counts across all of them.
//
//   FaultPlan plan({.fault = Fault::kCrash, .at = 7, .seed = 3});
//   FaultyFileSystem files(plan);
//   ... set up ...
//   plan.Start();   // Counted from here.
//   ... what is tested ...
//   files.Restart();
//   ... check ...
//
// Only operations that the fault can strike are counted (see Fault), so that a run
// in which nothing went wrong (`!faulted()`) means that every n has been tried.
// Threads: every method may be called from any thread.

#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "base/philox.h"

namespace attune::testing {

enum class Fault {
  // The power fails in the middle of the operation: it and everything after it fails
  // with kIoError until Restart(). Strikes every operation.
  kCrash,
  // The process is killed in the middle of the operation, as by kill -9: as above,
  // but the system lives on and Restart() loses nothing. Strikes every operation.
  kKill,
  // kIoError; nothing was done. Strikes every operation.
  kIoError,
  // kResourceExhausted; nothing was done, or a part of an append. Strikes operations
  // that may need space: all but reads and removals.
  kNoSpace,
  // kIoError after a part of the bytes was appended. Strikes appends.
  kShortWrite,
  // kIoError, and what was not synced yet is partly lost already. Strikes syncs of
  // files and directories.
  kFailedSync,
  // kUnavailable. Strikes every operation of the key store, reading too.
  kKeysLocked,
};
std::string_view FaultName(Fault fault);

// Kinds of operations, as the fakes report them.
enum class Operation {
  kRead,    // Counted only if asked for.
  kCreate,  // A file, a directory or a lock.
  kAppend,
  kSync,
  kSyncDirectory,
  kRename,
  kRemove,
  kKeyRead,  // Counted only if asked for.
  kKeyStore,
  kKeyRemove,
};

struct FaultSpec {
  Fault fault = Fault::kCrash;
  // The operation that goes wrong, from 1 on.
  std::uint64_t at = 1;
  // Every later one that the fault can strike goes wrong too.
  bool forever = false;
  // Reading is an operation like others.
  bool count_reads = false;
  // Of all that is left to chance.
  std::uint64_t seed = 1;
};

class FaultPlan {
 public:
  // Without a fault until Start(spec).
  FaultPlan() = default;
  // Without a fault until Start().
  explicit FaultPlan(const FaultSpec& spec) : spec_(spec), random_(spec.seed, spec.at) {}

  // Counts from here on.
  void Start();
  void Start(const FaultSpec& spec);
  // No fault from here on, and the machine is up again. Restart() calls it.
  void Stop();

  // Whether the fault struck since Start(); Stop() does not undo it.
  bool faulted() const;
  // Whether everything fails, until Stop().
  bool crashed() const;
  // How many operations that the fault can strike there were since Start().
  std::uint64_t operations() const;
  // "crash at operation 7, seed 3".
  std::string Describe() const;

  // --- For the fakes; the caller holds mutex() ---

  // What strikes this operation, if anything. REQUIRES: !down().
  std::optional<Fault> Strike(Operation operation);
  // What a struck operation returns.
  static Status Error(Fault fault, const std::string& name);
  bool down() const { return down_; }
  // Whether the last crash was a kKill.
  bool killed() const { return killed_; }
  Philox& random() { return random_; }
  std::mutex& mutex() const { return mutex_; }

 private:
  mutable std::mutex mutex_;
  FaultSpec spec_;
  Philox random_{1};
  std::uint64_t operations_ = 0;
  bool counting_ = false;
  bool faulted_ = false;
  bool down_ = false;
  bool killed_ = false;
};

}  // namespace attune::testing
