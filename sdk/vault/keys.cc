#include "vault/keys.h"

#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "vault/bytes.h"
#include "vault/seal.h"

namespace attune {

namespace {

// NOTE: labels derive keys. Never change one.
constexpr std::string_view kKeyIdLabel = "attune/v1/key id";

std::string_view LabelOf(Role role) {
  switch (role) {
    case Role::kManifest:
      return "attune/v1/manifest";
    case Role::kCheckpoint:
      return "attune/v1/checkpoints";
    case Role::kAdapter:
      return "attune/v1/adapters";
    case Role::kExamples:
      return "attune/v1/examples";
    case Role::kLedger:
      return "attune/v1/ledger";
    case Role::kSliceKey:
      break;
  }
  ATTUNE_CHECK(false && "role without a key");
  return {};
}

std::string SliceKeyContext(const VaultId& vault, Role role, std::uint64_t slice) {
  return EncodeContext({.role = Role::kSliceKey,
                        .vault = vault,
                        .base = {},
                        .adapter = {},
                        .generation = static_cast<std::uint64_t>(role),
                        .index = slice});
}

}  // namespace

Result<Secret> NewKey(Crypto& crypto) {
  Secret key(crypto, kSealKeyBytes);
  ATTUNE_RETURN_IF_ERROR(crypto.Random(key.bytes()));
  return key;
}

Result<KeyId> KeyIdOf(Crypto& crypto, ByteSpan root, const VaultId& vault) {
  KeyId id;
  ATTUNE_RETURN_IF_ERROR(crypto.Hkdf(root, vault, AsBytes(kKeyIdLabel), id));
  return id;
}

Result<Secret> RoleKey(Crypto& crypto, ByteSpan root, const VaultId& vault, Role role) {
  Secret key(crypto, kSealKeyBytes);
  ATTUNE_RETURN_IF_ERROR(crypto.Hkdf(root, vault, AsBytes(LabelOf(role)), key.bytes()));
  return key;
}

Result<std::string> WrapSliceKey(Crypto& crypto, ByteSpan root, const VaultId& vault, Role role,
                                 std::uint64_t slice, ByteSpan key) {
  ATTUNE_ASSIGN_OR_RETURN(const Secret role_key, RoleKey(crypto, root, vault, role));
  std::string wrapped;
  ATTUNE_RETURN_IF_ERROR(
      Seal(crypto, role_key.bytes(), SliceKeyContext(vault, role, slice), key, &wrapped));
  return wrapped;
}

Result<Secret> UnwrapSliceKey(Crypto& crypto, ByteSpan root, const VaultId& vault,
                              const Slice& slice) {
  ATTUNE_ASSIGN_OR_RETURN(const Secret role_key, RoleKey(crypto, root, vault, slice.role));
  Result<Secret> key =
      UnsealSecret(crypto, role_key.bytes(), SliceKeyContext(vault, slice.role, slice.id),
                   AsBytes(slice.wrapped_key));
  if (!key.ok()) return std::move(key).status().WithContext(StrCat("key of slice ", slice.id));
  if (key->size() != kSealKeyBytes) {
    return DataLoss(
        StrCat("key of slice ", slice.id, ": ", key->size(), " bytes, expected ", kSealKeyBytes));
  }
  return key;
}

Status RewrapSlices(Crypto& crypto, ByteSpan from, ByteSpan to, const VaultId& vault,
                    Manifest* manifest) {
  for (Slice& slice : manifest->slices) {
    ATTUNE_ASSIGN_OR_RETURN(const Secret key, UnwrapSliceKey(crypto, from, vault, slice));
    ATTUNE_ASSIGN_OR_RETURN(slice.wrapped_key,
                            WrapSliceKey(crypto, to, vault, slice.role, slice.id, key.bytes()));
  }
  return OkStatus();
}

}  // namespace attune
