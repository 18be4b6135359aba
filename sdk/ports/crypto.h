// Cryptographic primitives, as a port: OpenSSL's libcrypto serves on Linux,
// CryptoKit can serve on Apple. Every implementation passes the same vectors
// (tests/contract/crypto).
//
// Errors: kIoError (no randomness to be had), kInternal (the library failed).
// Threads: a Crypto may be used from any thread, an Aead from one at a time.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "attune/status.h"

namespace attune {

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadNonceBytes = 12;
inline constexpr std::size_t kAeadTagBytes = 16;
inline constexpr std::size_t kMaxAeadBytes = std::size_t{1} << 30;  // Of one message.
inline constexpr std::size_t kSha256Bytes = 32;
inline constexpr std::size_t kMaxHkdfInfoBytes = 1024;

using ByteSpan = std::span<const std::byte>;
using Nonce = std::array<std::byte, kAeadNonceBytes>;
using Sha256Digest = std::array<std::byte, kSha256Bytes>;

// AES-256-GCM under one key, without additional data, tag appended. It does not
// commit to its key: see vault/seal.h.
class Aead {
 public:
  virtual ~Aead() = default;  // Wipes the key.
  // REQUIRES: out.size() == plaintext.size() + kAeadTagBytes; the two do not
  // overlap; plaintext.size() <= kMaxAeadBytes; a nonce is never used twice.
  virtual Status Seal(const Nonce& nonce, ByteSpan plaintext, std::span<std::byte> out) = 0;
  // On error `out` holds no plaintext.
  // REQUIRES: sealed.size() == out.size() + kAeadTagBytes; the two do not overlap.
  //
  //   kDataLoss  the tag does not fit the bytes
  virtual Status Open(const Nonce& nonce, ByteSpan sealed, std::span<std::byte> out) = 0;
};

class Crypto {
 public:
  virtual ~Crypto() = default;

  // Fit for keys.
  virtual Status Random(std::span<std::byte> out) = 0;

  // RFC 5869 with SHA-512: extract and expand, and the expanding half alone. On
  // error `out` holds zeros.
  // REQUIRES: a key and an `out` that are not empty, out.size() <= 255 * 64,
  // info.size() <= kMaxHkdfInfoBytes.
  virtual Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) = 0;
  virtual Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) = 0;

  // REQUIRES: key.size() == kAeadKeyBytes.
  virtual Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) = 0;

  // Of the parts, concatenated.
  virtual Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) = 0;

  // Memory for a Secret: zero-filled, locked and left out of core dumps where
  // the system allows it.
  virtual std::span<std::byte> AllocateSecret(std::size_t size) = 0;
  // Wipes and frees.
  virtual void ReleaseSecret(std::span<std::byte> secret) = 0;
};

// Bytes that nobody else should see: a key. Wiped when dropped; cannot be copied.
class Secret {
 public:
  Secret() = default;
  // `size` zero bytes. `crypto` must outlive the secret.
  Secret(Crypto& crypto, std::size_t size)
      : crypto_(&crypto), bytes_(crypto.AllocateSecret(size)) {}
  ~Secret() { Wipe(); }
  Secret(Secret&& other) noexcept
      : crypto_(std::exchange(other.crypto_, nullptr)), bytes_(std::exchange(other.bytes_, {})) {}
  Secret& operator=(Secret&& other) noexcept {
    if (this == &other) return *this;
    Wipe();
    crypto_ = std::exchange(other.crypto_, nullptr);
    bytes_ = std::exchange(other.bytes_, {});
    return *this;
  }

  bool empty() const { return bytes_.empty(); }
  std::size_t size() const { return bytes_.size(); }
  std::span<std::byte> bytes() { return bytes_; }
  ByteSpan bytes() const { return bytes_; }

 private:
  void Wipe() {
    if (crypto_ != nullptr) crypto_->ReleaseSecret(bytes_);
    crypto_ = nullptr;
    bytes_ = {};
  }

  Crypto* crypto_ = nullptr;
  std::span<std::byte> bytes_;
};

// Takes the same time wherever the bytes differ. Lengths are no secret.
bool EqualInConstantTime(ByteSpan a, ByteSpan b);

// Zeros that the compiler does not leave out: for plaintext that was not to be
// seen. Keys lie in a Secret, which wipes itself.
void Wipe(std::span<std::byte> bytes);

}  // namespace attune
