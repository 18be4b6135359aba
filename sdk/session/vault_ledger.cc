#include "session/vault_ledger.h"

#include <iterator>
#include <string_view>
#include <utility>

#include "session/adaptation_impl.h"

namespace attune {

VaultLedger::VaultLedger(std::unique_ptr<Vault> vault, std::unique_ptr<LedgerStore> store)
    : vault_(std::move(vault)), store_(std::move(store)) {}

Result<std::unique_ptr<VaultLedger>> VaultLedger::Open(const Platform& platform,
                                                       const std::string& directory, bool create,
                                                       const LedgerStoreOptions& options) {
  ATTUNE_ASSIGN_OR_RETURN(auto vault, OpenVault(platform, directory, create));
  ATTUNE_ASSIGN_OR_RETURN(auto store, LedgerStore::Open(*vault, options));
  return std::unique_ptr<VaultLedger>(new VaultLedger(std::move(vault), std::move(store)));
}

Status VaultLedger::Append(const LedgerRecord& record) {
  return store_->Append(EncodeLedgerRecord(record));
}

Result<std::vector<LedgerRecord>> VaultLedger::Read() {
  LedgerPosition position = position_;  // Moved only together with what was read.
  std::vector<LedgerRecord> found;
  std::uint64_t malformed = 0;
  ATTUNE_ASSIGN_OR_RETURN(const LedgerStore::Found read,
                          store_->Read(&position, [&](std::string_view bytes) {
                            Result<LedgerRecord> record = DecodeLedgerRecord(bytes);
                            if (record.ok()) {
                              found.push_back(*std::move(record));
                            } else {
                              ++malformed;
                            }
                          }));
  position_ = position;
  if (read.restarted) {
    records_.clear();
    damaged_ = 0;
  }
  records_.insert(records_.end(), std::make_move_iterator(found.begin()),
                  std::make_move_iterator(found.end()));
  damaged_ += read.damaged + malformed;
  return records_;
}

}  // namespace attune
