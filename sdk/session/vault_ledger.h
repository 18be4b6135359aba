// The ledger of a device, sealed in a vault. Records that were read once are kept, so
// that a later look costs what has come since, a few kilobytes.
//
// Durability: as LedgerStore. Processes: several may append.
// Threads: one at a time.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "schedule/ledger.h"
#include "session/platform.h"
#include "vault/ledger_store.h"
#include "vault/vault.h"

namespace attune {

class VaultLedger final : public Ledger {
 public:
  // With its own look at the vault, which others may have open too.
  //
  //   as Vault::Open()
  static Result<std::unique_ptr<VaultLedger>> Open(const Platform& platform,
                                                   const std::string& directory, bool create,
                                                   const LedgerStoreOptions& options = {});

  Status Append(const LedgerRecord& record) override;
  Result<std::vector<LedgerRecord>> Read() override;

  // Places that the last Read() could not read: records lost or not understood.
  std::uint64_t damaged() const { return damaged_; }

 private:
  VaultLedger(std::unique_ptr<Vault> vault, std::unique_ptr<LedgerStore> store);

  const std::unique_ptr<Vault> vault_;
  const std::unique_ptr<LedgerStore> store_;
  LedgerPosition position_;
  std::vector<LedgerRecord> records_;
  std::uint64_t damaged_ = 0;
};

}  // namespace attune
