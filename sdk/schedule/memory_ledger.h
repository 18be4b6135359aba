// A Ledger that forgets with its process: for simulations and tests.
//
// Threads: one at a time.

#pragma once

#include <vector>

#include "schedule/ledger.h"

namespace attune {

class MemoryLedger : public Ledger {
 public:
  Status Append(const LedgerRecord& record) override {
    records_.push_back(record);
    return OkStatus();
  }
  Result<std::vector<LedgerRecord>> Read() override { return records_; }

  const std::vector<LedgerRecord>& records() const { return records_; }

 private:
  std::vector<LedgerRecord> records_;
};

}  // namespace attune
