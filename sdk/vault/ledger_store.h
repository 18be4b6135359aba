// A LedgerStore keeps records of what happened, append-only and sealed, in the
// order they were written. What a record means is the scheduler's.
// docs/formats/vault.md, "The ledger".
//
// Durability: once Append() returns OK the record survives a kill and a power
// failure. It costs one append and one sync. What was cut off while it was written
// is absent.
// Threads, processes: as Vault; several processes may append.

#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "attune/status.h"
#include "base/function_ref.h"
#include "vault/vault.h"

namespace attune {

struct LedgerStoreOptions {
  // Segments whose newest record is older are dropped whole.
  std::int64_t keep_days = 400;
};

inline constexpr std::size_t kMaxLedgerRecordBytes = 4096;

class LedgerStore {
 public:
  // `vault` is not owned.
  static Result<std::unique_ptr<LedgerStore>> Open(Vault& vault, const LedgerStoreOptions& options);
  ~LedgerStore();
  LedgerStore(const LedgerStore&) = delete;
  LedgerStore& operator=(const LedgerStore&) = delete;

  //   kInvalidArgument    empty, or over kMaxLedgerRecordBytes
  //   kResourceExhausted  no disk space
  //   kUnavailable        another process is in a transaction for too long
  Status Append(std::string_view record);

  struct Visited {
    std::uint64_t records = 0;
    std::uint64_t damaged = 0;  // Lost, or bytes that do not belong.
  };
  // Oldest first, until `visit` returns false.
  Result<Visited> ForEach(FunctionRef<bool(std::string_view record)> visit);

 private:
  class Impl;
  explicit LedgerStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace attune
