// The file of a manifest: a clear header, and the manifest sealed under the
// root key that the header names. docs/formats/vault.md section 4.
//
// Threads: pure functions.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "ports/crypto.h"
#include "vault/context.h"
#include "vault/keys.h"
#include "vault/manifest.h"

namespace attune {

inline constexpr std::size_t kManifestHeaderBytes = 64;
// Header, salt and commitment: no two manifests have these bytes in common.
inline constexpr std::size_t kManifestMarkBytes = 120;
inline constexpr std::uint64_t kMaxManifestFileBytes = kMaxManifestBytes + (kMaxManifestBytes >> 8);

struct ManifestHeader {
  VaultId vault{};
  KeyId key{};
  std::uint64_t generation = 0;
};

Result<std::string> EncodeManifestHeader(Crypto& crypto, const ManifestHeader& header);

// Of the leading bytes of a file, from any origin. Nothing of it is authentic
// before OpenManifest().
//
//   kDataLoss     not a manifest, or its header is damaged
//   kUnsupported  of a later version
Result<ManifestHeader> DecodeManifestHeader(Crypto& crypto, std::string_view bytes);

// The whole file of a manifest.
//
//   kResourceExhausted  larger than kMaxManifestBytes
Result<std::string> SealManifest(Crypto& crypto, ByteSpan root, const VaultId& vault,
                                 const Manifest& manifest);

// The inverse, under the root key that the header names.
//
//   kDataLoss  does not authenticate
Result<Manifest> OpenManifest(Crypto& crypto, ByteSpan root, std::string_view file);

}  // namespace attune
