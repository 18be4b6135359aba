// The bytes of one item of a FileKeyStore. docs/formats/key-file.md.
//
// Threads: pure functions.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "attune/status.h"
#include "openssl/openssl_crypto.h"
#include "ports/crypto.h"
#include "ports/key_store.h"
#include "vault/seal.h"

namespace attune {

// NOTE: values are stored. Append, never renumber.
enum class KeyProtection : std::uint8_t {
  kNone = 0,    // The body is the secret.
  kScrypt = 1,  // The body is the secret, sealed under a key of a passphrase.
};

inline constexpr std::size_t kScryptSaltBytes = 32;
using ScryptSalt = std::array<std::byte, kScryptSaltBytes>;

struct KeyFileHeader {
  KeyProtection protection = KeyProtection::kNone;
  ScryptCost cost{.log2_n = 0, .r = 0, .p = 0};  // Zeros without a passphrase; so the salt.
  ScryptSalt salt{};
  std::uint32_t body_bytes = 0;
};

inline constexpr std::size_t kKeyFileHeaderBytes = 56;
inline constexpr std::size_t kMaxKeyFileBytes =
    kKeyFileHeaderBytes + kMaxKeyStoreItemBytes + kSealHeaderBytes + kAeadTagBytes + kSha256Bytes;

std::string EncodeKeyFileHeader(const KeyFileHeader& header);
// Over the item's name and all of the file before it: tells damage from a wrong
// passphrase. It is no proof against somebody who writes the file on purpose.
Result<Sha256Digest> KeyFileChecksum(Crypto& crypto, std::string_view name, std::string_view header,
                                     ByteSpan body);

struct KeyFile {
  KeyFileHeader header;
  std::string_view header_bytes;  // Part of the file's bytes, like the body.
  ByteSpan body;
};
// For bytes of any origin.
//
//   kDataLoss     damaged, or a passphrase that would cost too much to try
//   kUnsupported  of a later version
Result<KeyFile> DecodeKeyFile(Crypto& crypto, std::string_view name, ByteSpan bytes);

// What the sealed secret is bound to.
std::string KeyFileContext(std::string_view name, std::string_view header);

}  // namespace attune
