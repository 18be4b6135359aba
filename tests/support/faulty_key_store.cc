#include "support/faulty_key_store.h"

#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/strings.h"

namespace attune::testing {

Status FaultyKeyStore::Judge(Operation operation, const std::string& name, bool* takes_place) {
  *takes_place = false;
  if (plan_.down()) return IoError(name + ": crashed (simulated)");
  const std::optional<Fault> fault = plan_.Strike(operation);
  const bool unsure = fault == Fault::kCrash || fault == Fault::kKill || fault == Fault::kIoError;
  *takes_place = !fault.has_value() || (unsure && plan_.random().NextBelow(2) == 1);
  return fault.has_value() ? FaultPlan::Error(*fault, name) : OkStatus();
}

Result<Secret> FaultyKeyStore::Load(const std::string& name) {
  const std::lock_guard guard(plan_.mutex());
  bool ignored;
  ATTUNE_RETURN_IF_ERROR(Judge(Operation::kKeyRead, name, &ignored));
  const auto item = items_.find(name);
  if (item == items_.end()) return NotFound(name + ": no such key");
  Secret secret(crypto_, item->second.size());
  if (!item->second.empty()) {
    std::memcpy(secret.bytes().data(), item->second.data(), item->second.size());
  }
  return secret;
}

Status FaultyKeyStore::Store(const std::string& name, ByteSpan secret) {
  const std::lock_guard guard(plan_.mutex());
  if (secret.size() > kMaxKeyStoreItemBytes) {
    return InvalidArgument(
        StrCat(name, ": ", secret.size(), " bytes, allowed at most ", kMaxKeyStoreItemBytes));
  }
  bool takes_place;
  Status status = Judge(Operation::kKeyStore, name, &takes_place);
  if (takes_place) {
    items_[name].assign(reinterpret_cast<const char*>(secret.data()), secret.size());
  }
  return status;
}

Status FaultyKeyStore::Remove(const std::string& name) {
  const std::lock_guard guard(plan_.mutex());
  bool takes_place;
  Status status = Judge(Operation::kKeyRemove, name, &takes_place);
  if (takes_place) items_.erase(name);
  return status;
}

}  // namespace attune::testing
