// The keys below a vault's root key. docs/formats/vault.md section 2.
//
//   root -> a key for each role -> wraps the keys of that role's slices
//
// Threads: pure functions.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "attune/status.h"
#include "ports/crypto.h"
#include "vault/context.h"
#include "vault/manifest.h"

namespace attune {

// Tells root keys apart without telling anything of them.
using KeyId = std::array<std::byte, 16>;

// A fresh key of kSealKeyBytes.
Result<Secret> NewKey(Crypto& crypto);

Result<KeyId> KeyIdOf(Crypto& crypto, ByteSpan root, const VaultId& vault);

// REQUIRES: role is kManifest or one that has slices.
Result<Secret> RoleKey(Crypto& crypto, ByteSpan root, const VaultId& vault, Role role);

// What a slice of `role` keeps of its key in the manifest.
Result<std::string> WrapSliceKey(Crypto& crypto, ByteSpan root, const VaultId& vault, Role role,
                                 std::uint64_t slice, ByteSpan key);
//   kDataLoss  not wrapped under this root, or for another slice
Result<Secret> UnwrapSliceKey(Crypto& crypto, ByteSpan root, const VaultId& vault,
                              const Slice& slice);

// Unwraps every slice's key under `from` and wraps it under `to`.
Status RewrapSlices(Crypto& crypto, ByteSpan from, ByteSpan to, const VaultId& vault,
                    Manifest* manifest);

}  // namespace attune
