// An ExampleStore keeps a user's examples in append-only sealed segments, one key
// a day. docs/formats/vault.md section 6.
//
// Durability: once Record() returns OK the example survives a kill and a power
// failure. It costs one append and one sync, however many there are.
// Privacy: every record is compressed, padded and sealed by itself, so that its
// length tells little and another record's text nothing of it.
// Threads, processes: as Vault; several processes may record.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attune/example.h"
#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/admission.h"
#include "vault/vault.h"

namespace attune {

struct ExampleTotals {
  std::uint64_t examples = 0;
  std::uint64_t bytes = 0;                   // On disk.
  std::int64_t first_day = 0, last_day = 0;  // Since 1970-01-01 UTC.
};

struct ForgetReport {
  std::uint64_t examples = 0;     // Gone from disk, their keys dropped.
  std::uint64_t generations = 0;  // Adapters tainted by it.
  std::uint64_t checkpoints = 0;  // Dropped, for they saw it.
  // Records that could not be read and remain, and segments in quarantine, which may
  // hold any number: what was to be forgotten may be among them.
  std::uint64_t unreadable = 0;
};

inline constexpr std::int64_t kRunDays = 7;

class ExampleStore {
 public:
  // Reads the segment that is still open, no other. `vault` is not owned.
  static Result<std::unique_ptr<ExampleStore>> Open(Vault& vault, const ExamplePolicy& policy);
  ~ExampleStore();
  ExampleStore(const ExampleStore&) = delete;
  ExampleStore& operator=(const ExampleStore&) = delete;

  // Stores the example unless the policy says otherwise. On error it is absent,
  // unless not even that could be written: then it is absent or whole. The first of
  // a day is followed by ApplyRetention(), whose errors it does not report, unless a
  // checkpoint of the last kRunDays waits for its run to go on.
  //
  //   kInvalidArgument    an unknown kind
  //   kResourceExhausted  no disk space
  //   kUnavailable        another process is in a transaction for too long
  Result<Recorded> Record(const Example& example);

  // By id, oldest first, until `visit` returns false. One segment is in memory at
  // a time. What cannot be read is skipped and counted, each time. A segment
  // without a single record that can be read goes to quarantine.
  struct Visited {
    std::uint64_t examples = 0;
    std::uint64_t damaged = 0;  // Records lost, or bytes that do not belong.
    // The open segment ends in bytes that are no record: a write that was cut short
    // or is under way. The next Record() begins another segment.
    bool torn = false;
  };
  Result<Visited> ForEach(FunctionRef<bool(const StoredExample&)> visit);

  // Those in `ranges` only; other segments are not read.
  Result<Visited> ForEachOf(const std::vector<IdRange>& ranges,
                            FunctionRef<bool(const StoredExample&)> visit);

  // Of the manifest and the open segment; reads nothing else.
  Result<ExampleTotals> Totals();
  // How many have a larger id, likewise. Where one segment has lost examples to a
  // forgetting, and some of it count, it may be that many more.
  Result<std::uint64_t> CountAfter(std::uint64_t id);

  // Rewrites what remains of the days concerned under new keys, drops the old
  // keys and the root key that wrapped them, and taints what was trained on what
  // is gone: all of it or nothing. On error call it again: only then is it known to
  // be done.
  Result<ForgetReport> Forget(FunctionRef<bool(const StoredExample&)> which);
  // The same for all that have these ids; it also taints what saw those that the
  // policy has dropped before.
  Result<ForgetReport> ForgetIds(const std::vector<IdRange>& ids);

  // Drops what the policy no longer keeps as of now, oldest first, with the root key
  // if there was any, and returns how many. It does not taint: the user did not ask
  // to be forgotten.
  Result<std::uint64_t> ApplyRetention();

 private:
  class Impl;
  explicit ExampleStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune
