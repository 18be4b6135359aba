// A Crypto whose randomness is what the test says: with it a message is sealed
// under a given salt, as in published vectors. Never for keys that matter.

#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "ports/crypto.h"

namespace attune::testing {

class FixedSaltCryptoForTesting final : public Crypto {
 public:
  // `real` does the rest; it must outlive this object.
  FixedSaltCryptoForTesting(Crypto& real, std::string salt) : real_(real), salt_(std::move(salt)) {}

  Status Random(std::span<std::byte> out) override {
    if (out.size() != salt_.size()) return Internal("more randomness wanted than a salt's");
    std::ranges::copy(std::as_bytes(std::span(salt_)), out.begin());
    return OkStatus();
  }
  Status Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) override {
    return real_.Hkdf(key, salt, info, out);
  }
  Status HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) override {
    return real_.HkdfExpand(prk, info, out);
  }
  Result<std::unique_ptr<Aead>> Aes256Gcm(ByteSpan key) override { return real_.Aes256Gcm(key); }
  Result<Sha256Digest> Sha256(std::span<const ByteSpan> parts) override {
    return real_.Sha256(parts);
  }
  std::span<std::byte> AllocateSecret(std::size_t size) override {
    return real_.AllocateSecret(size);
  }
  void ReleaseSecret(std::span<std::byte> secret) override { real_.ReleaseSecret(secret); }

 private:
  Crypto& real_;
  std::string salt_;
};

}  // namespace attune::testing
