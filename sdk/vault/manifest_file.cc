#include "vault/manifest_file.h"

#include <algorithm>
#include <utility>

#include "base/strings.h"
#include "vault/byte_order.h"
#include "vault/bytes.h"
#include "vault/seal.h"

namespace attune {

namespace {

constexpr std::string_view kMagic = "AttuneVM";
constexpr std::size_t kDigestOffset = 52;
constexpr std::size_t kDigestBytes = kManifestHeaderBytes - kDigestOffset;

static_assert(kManifestMarkBytes == kManifestHeaderBytes + kSealHeaderBytes);

Result<std::string> DigestOf(Crypto& crypto, std::string_view header) {
  const ByteSpan parts[] = {AsBytes(header.substr(0, kDigestOffset))};
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest digest, crypto.Sha256(parts));
  return std::string(AsText(digest).substr(0, kDigestBytes));
}

// Every byte of the header is bound, and the fields as in every other context.
std::string ContextOf(const ManifestHeader& header, std::string_view bytes) {
  return EncodeContext({.role = Role::kManifest,
                        .vault = header.vault,
                        .base = {},
                        .adapter = {},
                        .generation = header.generation,
                        .index = 0})
      .append(bytes.substr(0, kManifestHeaderBytes));
}

template <std::size_t N>
void Take(ByteReader* in, std::array<std::byte, N>* to) {
  std::ranges::copy(AsBytes(in->Bytes(N)), to->begin());
}

}  // namespace

Result<std::string> EncodeManifestHeader(Crypto& crypto, const ManifestHeader& header) {
  std::string bytes(kMagic);
  ByteWriter out(&bytes);
  out.Number(kVaultFormatVersion);
  out.Number(std::uint16_t{0});
  out.Bytes(AsText(header.vault));
  out.Bytes(AsText(header.key));
  out.Number(header.generation);
  ATTUNE_ASSIGN_OR_RETURN(const std::string digest, DigestOf(crypto, bytes));
  return bytes.append(digest);
}

Result<ManifestHeader> DecodeManifestHeader(Crypto& crypto, std::string_view bytes) {
  if (bytes.size() < kManifestHeaderBytes) {
    return DataLoss(StrCat("header: ", bytes.size(), " bytes, needs ", kManifestHeaderBytes));
  }
  ByteReader in(bytes);
  if (in.Bytes(kMagic.size()) != kMagic) return DataLoss("header: not a vault's manifest");
  // Before the fields: a damaged one would ask for another version or vault.
  ATTUNE_ASSIGN_OR_RETURN(const std::string digest, DigestOf(crypto, bytes));
  if (bytes.substr(kDigestOffset, kDigestBytes) != digest) {
    return DataLoss("header: the digest does not fit: damaged");
  }
  const auto version = in.Number<std::uint16_t>();
  if (version > kVaultFormatVersion) {
    return Unsupported(
        StrCat("header: version ", version, ", this build reads ", kVaultFormatVersion));
  }
  const auto reserved = in.Number<std::uint16_t>();
  if (version < kVaultFormatVersion || reserved != 0) {
    return DataLoss(
        StrCat("header: version ", version, ", reserved ", reserved, ": written by nobody"));
  }
  ManifestHeader header;
  Take(&in, &header.vault);
  Take(&in, &header.key);
  header.generation = in.Number<std::uint64_t>();
  return header;
}

Result<std::string> SealManifest(Crypto& crypto, ByteSpan root, const VaultId& vault,
                                 const Manifest& manifest) {
  const std::string plain = EncodeManifest(manifest);
  if (plain.size() > kMaxManifestBytes) {
    return ResourceExhausted(
        StrCat("manifest: ", plain.size(), " bytes, allowed ", kMaxManifestBytes));
  }
  ManifestHeader header{.vault = vault, .key = {}, .generation = manifest.generation};
  ATTUNE_ASSIGN_OR_RETURN(header.key, KeyIdOf(crypto, root, vault));
  ATTUNE_ASSIGN_OR_RETURN(std::string file, EncodeManifestHeader(crypto, header));
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, RoleKey(crypto, root, vault, Role::kManifest));
  const std::string context = ContextOf(header, file);
  ATTUNE_RETURN_IF_ERROR(Seal(crypto, key.bytes(), context, AsBytes(plain), &file));
  return file;
}

Result<Manifest> OpenManifest(Crypto& crypto, ByteSpan root, std::string_view file) {
  ATTUNE_ASSIGN_OR_RETURN(const ManifestHeader header, DecodeManifestHeader(crypto, file));
  ATTUNE_ASSIGN_OR_RETURN(const Secret key, RoleKey(crypto, root, header.vault, Role::kManifest));
  ATTUNE_ASSIGN_OR_RETURN(const std::string plain,
                          Unseal(crypto, key.bytes(), ContextOf(header, file),
                                 AsBytes(file.substr(kManifestHeaderBytes))));
  return DecodeManifest(plain);
}

}  // namespace attune
