// A vault's item in the KeyStore: its root key, and the generation of the
// manifest that was committed last. docs/formats/vault.md section 2.
//
// Threads: pure functions.

#pragma once

#include <cstdint>
#include <string>

#include "attune/status.h"
#include "ports/crypto.h"
#include "ports/key_store.h"
#include "vault/context.h"

namespace attune {

struct KeyItem {
  Secret current;
  // While a rotation is under way: what the manifest may still be sealed under.
  Secret previous;
  // No manifest older than this is the newest: rollback.
  std::uint64_t anchor = 0;
  std::uint64_t key_generation = 1;  // Rotations so far, and one.
};

Result<KeyItem> CopyKeyItem(Crypto& crypto, const KeyItem& item);

// "vault-" and the id in hexadecimal.
std::string KeyItemName(const VaultId& vault);

// Errors of KeyStore::Load(), and:
//
//   kDataLoss     not such an item
//   kUnsupported  of a later version
Result<KeyItem> LoadKeyItem(KeyStore& keys, Crypto& crypto, const VaultId& vault);
Status StoreKeyItem(KeyStore& keys, Crypto& crypto, const VaultId& vault, const KeyItem& item);

}  // namespace attune
