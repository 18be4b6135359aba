#include "vault/keys.h"

#include <algorithm>
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

// Not left in memory that is handed out again. Through a volatile pointer, so
// that the compiler does not drop writes to what is freed next.
void Wipe(std::string* secret) {
  volatile char* bytes = secret->data();
  for (std::size_t i = 0; i < secret->size(); ++i) bytes[i] = 0;
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
  Result<std::string> plain =
      Unseal(crypto, role_key.bytes(), SliceKeyContext(vault, slice.role, slice.id),
             AsBytes(slice.wrapped_key));
  if (!plain.ok()) {
    return std::move(plain).status().WithContext(StrCat("key of slice ", slice.id));
  }
  if (plain->size() != kSealKeyBytes) {
    return DataLoss(
        StrCat("key of slice ", slice.id, ": ", plain->size(), " bytes, expected ", kSealKeyBytes));
  }
  Secret key(crypto, kSealKeyBytes);
  std::copy_n(AsBytes(*plain).begin(), kSealKeyBytes, key.bytes().begin());
  Wipe(&*plain);
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
