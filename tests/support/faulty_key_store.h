// A KeyStore in memory that shares a FaultPlan: an operation on it is one of the
// operations that the plan counts.
//
// A Store() or Remove() that a crash, a kill or an I/O error strikes has either
// taken place or not, by the plan's seed; one that a lack of space or locked keys
// strike has not. What has taken place is durable.
// Threads: every method may be called from any thread.

#pragma once

#include <map>
#include <string>

#include "ports/crypto.h"
#include "ports/key_store.h"
#include "support/fault_plan.h"

namespace attune::testing {

class FaultyKeyStore final : public KeyStore {
 public:
  // Both must outlive it; `crypto` makes the Secrets.
  FaultyKeyStore(FaultPlan& plan, Crypto& crypto) : plan_(plan), crypto_(crypto) {}

  // For the test: what is there, free to be changed.
  std::map<std::string, std::string>& items() { return items_; }

  Result<Secret> Load(const std::string& name) override;
  Status Store(const std::string& name, ByteSpan secret) override;
  Status Remove(const std::string& name) override;

 private:
  // `*takes_place`: whether to do it, whatever is returned.
  Status Judge(Operation operation, const std::string& name, bool* takes_place);

  FaultPlan& plan_;
  Crypto& crypto_;
  std::map<std::string, std::string> items_;
};

}  // namespace attune::testing
