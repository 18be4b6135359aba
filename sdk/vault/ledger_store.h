// A LedgerStore keeps records of what happened, append-only and sealed, in the
// order they were written. What a record means is the scheduler's.
// docs/formats/vault.md, "The ledger".
//
// Durability: once Append() returns OK the record survives a kill and a power
// failure. It costs one append and one sync. What was cut off while it was written
// is absent.
// Threads, processes: as Vault; several processes may append.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/segment_reader.h"
#include "vault/vault.h"

namespace attune {

class OpenSegment;

struct LedgerStoreOptions {
  // Segments whose newest record is older are dropped whole, when the next segment is
  // begun: the ledger keeps somewhat more.
  std::int64_t keep_days = 400;
};

// Where a reader stands. By default: before the oldest record.
struct LedgerPosition {
  std::uint64_t oldest = 0;  // The segment that was the oldest when this began.
  std::uint64_t file = 0;
  SegmentReport read;
  std::uint64_t lost = 0;  // Of a file that is gone.
};

class LedgerStore {
 public:
  // `vault` is not owned.
  static Result<std::unique_ptr<LedgerStore>> Open(Vault& vault, const LedgerStoreOptions& options);
  ~LedgerStore();
  LedgerStore(const LedgerStore&) = delete;
  LedgerStore& operator=(const LedgerStore&) = delete;

  // On error the record is absent, unless not even that could be written: then it is
  // absent or whole.
  //
  //   kInvalidArgument    empty, or over kMaxLedgerRecordBytes
  //   kResourceExhausted  no disk space
  //   kUnavailable        another process is in a transaction for too long
  Status Append(std::string_view record);

  // Found by one call of Read().
  struct Found {
    std::uint64_t records = 0;
    std::uint64_t damaged = 0;  // Lost, or bytes that do not belong.
    // The segment that is open ends in bytes that are no record: a write that was cut
    // short or is under way. The next Append() begins another segment.
    bool torn = false;
    // What the position had passed is no more as it was: this began with the oldest.
    bool restarted = false;
  };
  // Oldest first, those that were appended since `position` was moved last; moves it.
  Result<Found> Read(LedgerPosition* position, FunctionRef<void(std::string_view record)> visit);

  // Of the manifest, and the size of the open segment.
  struct Totals {
    std::uint64_t segments = 0;
    std::uint64_t bytes = 0;  // On disk.
  };
  Result<Totals> Measure();

 private:
  LedgerStore(Vault& vault, const LedgerStoreOptions& options);
  Status Follow();
  Status ReadSegment(const SegmentFile& segment, LedgerPosition* position,
                     FunctionRef<void(std::string_view record)> visit, Found* found);
  Status AppendToOpen(Vault::Transaction& transaction, std::string_view plaintext);
  Status Begin(Vault::Transaction& transaction, std::string_view plaintext);
  void Close(Vault::Transaction& transaction);

  Vault& vault_;
  const LedgerStoreOptions options_;
  std::unique_ptr<OpenSegment> open_;  // As of the last Follow(); null if none is.
};

// A record as the bytes that are sealed, padded so that the length tells little.
// REQUIRES: at most kMaxLedgerRecordBytes.
std::string PackLedgerRecord(std::string_view record);
// The inverse, for bytes of any origin; a view of them.
//
//   kDataLoss  not a record, with both numbers
Result<std::string_view> UnpackLedgerRecord(std::string_view packed);

}  // namespace attune
