// A KeyStore in memory, which a test can lock, damage and make fail.
//
// Threads: every method may be called from any thread.

#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ports/key_store.h"

namespace attune::testing {

class MemoryKeyStore final : public KeyStore {
 public:
  using Items = std::map<std::string, std::vector<std::byte>>;

  // `crypto` provides the memory of what Load() returns.
  explicit MemoryKeyStore(Crypto& crypto) : crypto_(crypto) {}

  // What is there; to put something back is to roll back.
  Items items() const {
    const std::lock_guard guard(mutex_);
    return items_;
  }
  void SetItems(Items items) {
    const std::lock_guard guard(mutex_);
    items_ = std::move(items);
  }

  // Asked before every operation ("load", "store", "remove"): an error is its
  // outcome, and nothing changes.
  using Gate = std::function<Status(const char* operation)>;
  void SetGate(Gate gate) {
    const std::lock_guard guard(mutex_);
    gate_ = std::move(gate);
  }
  // As on a device that is locked.
  void SetLocked(bool locked) {
    SetGate(!locked ? Gate() : [](const char*) { return Unavailable("the key store is locked"); });
  }

  Result<Secret> Load(const std::string& name) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_RETURN_IF_ERROR(Admit("load", name));
    const auto found = items_.find(name);
    if (found == items_.end()) return NotFound(name + ": no such key");
    Secret secret(crypto_, found->second.size());
    std::copy(found->second.begin(), found->second.end(), secret.bytes().begin());
    return secret;
  }
  Status Store(const std::string& name, ByteSpan secret) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_RETURN_IF_ERROR(CheckKeyStoreItem(name, secret.size()));
    ATTUNE_RETURN_IF_ERROR(Admit("store", name));
    items_[name].assign(secret.begin(), secret.end());
    return OkStatus();
  }
  Status Remove(const std::string& name) override {
    const std::lock_guard guard(mutex_);
    ATTUNE_RETURN_IF_ERROR(Admit("remove", name));
    items_.erase(name);
    return OkStatus();
  }

 private:
  Status Admit(const char* operation, const std::string& name) const {
    ATTUNE_RETURN_IF_ERROR(CheckKeyStoreName(name));
    return gate_ ? gate_(operation) : OkStatus();
  }

  Crypto& crypto_;
  mutable std::mutex mutex_;
  Items items_;
  Gate gate_;
};

}  // namespace attune::testing
