// The Crypto port over OpenSSL's libcrypto (3.0 or later).
//
// It works in a library context of its own, with the default provider alone, so
// that what openssl.cnf or the host program loads and sets does not change what is
// computed here. The process does not read openssl.cnf on its account: a program
// that wants it for itself loads it first.
// Memory: Secrets lie in OpenSSL's secure heap, which is locked and left out of
// core dumps where the system allows it; when that is full, in the ordinary heap.
// Both are wiped. While a message is worked on, libcrypto keeps its round keys in
// the ordinary heap, and wipes them.

#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "attune/status.h"
#include "ports/crypto.h"

namespace attune {

// What it costs to try one passphrase (RFC 7914): 128 * n * r bytes of memory,
// and time in proportion to n * r * p.
struct ScryptCost {
  std::uint8_t log2_n = 15;
  std::uint32_t r = 8;
  std::uint32_t p = 1;
  bool operator==(const ScryptCost&) const = default;
};

// Costs read from a file are bounded before anything is computed: 64 MiB, and
// four times the time of the default.
inline constexpr std::uint64_t kMaxScryptBytes = std::uint64_t{64} << 20;
inline constexpr std::uint64_t kMaxScryptWork = std::uint64_t{1} << 20;  // n * r * p
bool IsAcceptable(const ScryptCost& cost);

class OpensslCrypto final : public Crypto {
 public:
  //   kInternal  libcrypto lacks an algorithm: a build without it
  static Result<std::unique_ptr<OpensslCrypto>> Create();
  ~OpensslCrypto() override;
  OpensslCrypto(const OpensslCrypto&) = delete;
  OpensslCrypto& operator=(const OpensslCrypto&) = delete;

  Status Random(std::span<std::byte> out) override;
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override;
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override;
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override;
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override;
  std::span<std::byte> AllocateSecret(std::size_t size) override;
  void ReleaseSecret(std::span<std::byte> secret) override;

  // A key of a passphrase. On error `out` holds zeros.
  // REQUIRES: IsAcceptable(cost); a passphrase and an `out` that are not empty.
  Status Scrypt(ByteSpan passphrase, ByteSpan salt, const ScryptCost& cost,
                std::span<std::byte> out);

 private:
  struct Parts;
  explicit OpensslCrypto(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace attune
