#include "vault/key_item.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/seal.h"

namespace attune {

namespace {

constexpr std::string_view kMagic = "AttuneVK";
constexpr std::uint16_t kItemVersion = 1;
constexpr std::size_t kHeadBytes = 28;  // Magic, version, flags, anchor, key generation.
constexpr std::size_t kCurrentOffset = kHeadBytes;
constexpr std::size_t kPreviousOffset = kCurrentOffset + kSealKeyBytes;
constexpr std::size_t kDigestOffset = kPreviousOffset + kSealKeyBytes;
constexpr std::size_t kItemBytes = kDigestOffset + kSha256Bytes;

Secret CopySecret(Crypto& crypto, ByteSpan from) {
  if (from.empty()) return Secret();
  Secret copy(crypto, from.size());
  std::copy(from.begin(), from.end(), copy.bytes().begin());
  return copy;
}

bool IsZero(ByteSpan bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

// Ends the item, in every version: damage is not taken for a wrong key.
Result<Sha256Digest> DigestOf(Crypto& crypto, ByteSpan item) {
  const ByteSpan parts[] = {item.first(item.size() - kSha256Bytes)};
  return crypto.Sha256(parts);
}

Result<KeyItem> Decode(Crypto& crypto, ByteSpan bytes) {
  if (bytes.size() < kHeadBytes + kSha256Bytes) {
    return DataLoss(StrCat(bytes.size(), " bytes, expected ", kItemBytes));
  }
  // The numbers only: a copy of the keys would not be wiped.
  ByteReader head(AsText(bytes.first(kHeadBytes)));
  if (head.Bytes(kMagic.size()) != kMagic) return DataLoss("not the item of a vault");
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest digest, DigestOf(crypto, bytes));
  if (!EqualInConstantTime(digest, bytes.last(kSha256Bytes))) {
    return DataLoss("the digest does not fit: damaged");
  }
  const auto version = head.Number<std::uint16_t>();
  const auto rotating = head.Number<std::uint16_t>();
  if (version > kItemVersion) {
    return Unsupported(StrCat("version ", version, ", this build reads ", kItemVersion));
  }
  if (bytes.size() != kItemBytes) {
    return DataLoss(StrCat(bytes.size(), " bytes, expected ", kItemBytes));
  }
  KeyItem item;
  item.anchor = head.Number<std::uint64_t>();
  item.key_generation = head.Number<std::uint64_t>();
  item.current = CopySecret(crypto, bytes.subspan(kCurrentOffset, kSealKeyBytes));
  const ByteSpan previous = bytes.subspan(kPreviousOffset, kSealKeyBytes);
  if (version != kItemVersion || rotating > 1 || (rotating == 0 && !IsZero(previous))) {
    return DataLoss(StrCat("version ", version, ", flags ", rotating, ": made by nobody"));
  }
  if (rotating == 1) item.previous = CopySecret(crypto, previous);
  return item;
}

}  // namespace

Result<KeyItem> CopyKeyItem(Crypto& crypto, const KeyItem& item) {
  KeyItem copy;
  copy.current = CopySecret(crypto, item.current.bytes());
  copy.previous = CopySecret(crypto, item.previous.bytes());
  copy.anchor = item.anchor;
  copy.key_generation = item.key_generation;
  return copy;
}

std::string KeyItemName(const VaultId& vault) {
  std::string name = "vault-";
  for (const std::byte byte : vault) {
    name.push_back("0123456789abcdef"[std::to_integer<int>(byte) >> 4]);
    name.push_back("0123456789abcdef"[std::to_integer<int>(byte) & 15]);
  }
  return name;
}

Result<KeyItem> LoadKeyItem(KeyStore& keys, Crypto& crypto, const VaultId& vault) {
  ATTUNE_ASSIGN_OR_RETURN(const Secret bytes, keys.Load(KeyItemName(vault)));
  Result<KeyItem> item = Decode(crypto, bytes.bytes());
  if (!item.ok()) return std::move(item).status().WithContext("key item of this vault");
  return item;
}

Status StoreKeyItem(KeyStore& keys, Crypto& crypto, const VaultId& vault, const KeyItem& item) {
  ATTUNE_CHECK(item.current.size() == kSealKeyBytes);
  std::string head(kMagic);
  ByteWriter out(&head);
  out.Number(kItemVersion);
  out.Number(static_cast<std::uint16_t>(item.previous.empty() ? 0 : 1));
  out.Number(item.anchor);
  out.Number(item.key_generation);

  Secret bytes(crypto, kItemBytes);
  const std::span<std::byte> to = bytes.bytes();
  std::copy_n(AsBytes(head).begin(), kHeadBytes, to.begin());
  std::copy_n(item.current.bytes().begin(), kSealKeyBytes, to.subspan(kCurrentOffset).begin());
  if (!item.previous.empty()) {
    std::copy_n(item.previous.bytes().begin(), kSealKeyBytes, to.subspan(kPreviousOffset).begin());
  }
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest digest, DigestOf(crypto, bytes.bytes()));
  std::copy(digest.begin(), digest.end(), to.subspan(kDigestOffset).begin());
  return keys.Store(KeyItemName(vault), bytes.bytes());
}

}  // namespace attune
