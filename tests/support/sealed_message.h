// What tests of the seal share: bytes of strings, keys, and a message as a source
// that counts.

#pragma once

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "openssl/openssl_crypto.h"
#include "support/status_matchers.h"
#include "vault/seal.h"

namespace attune::testing {

inline ByteSpan AsBytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// One for all tests of a program.
inline OpensslCrypto& TestCrypto() {
  static const auto crypto = [] {
    auto made = OpensslCrypto::Create();
    EXPECT_OK(made);
    return std::move(*made);
  }();
  return *crypto;
}

inline std::string TestKey(char fill = 'k') { return std::string(kSealKeyBytes, fill); }

// Bytes that differ from place to place; make_vectors.py has the same rule.
inline std::string TestPlaintext(std::uint64_t seed, std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) {
    bytes[i] = static_cast<char>((167 * i + 13 * (i >> 8) + 5 * seed) & 255);
  }
  return bytes;
}

inline std::string SealedForTest(std::string_view plaintext, std::string_view context = "context",
                                 const std::string& key = TestKey()) {
  std::string sealed;
  EXPECT_OK(Seal(TestCrypto(), AsBytes(key), context, AsBytes(plaintext), &sealed));
  return sealed;
}

class StringSource final : public SealedSource {
 public:
  // `read` counts the bytes that were asked for, if not null.
  explicit StringSource(std::string bytes, std::uint64_t* read = nullptr)
      : bytes_(std::move(bytes)), read_(read) {}
  std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset > bytes_.size() || out.size() > bytes_.size() - offset) {
      return DataLoss("source: too short");
    }
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset, out.size());
    if (read_ != nullptr) *read_ += out.size();
    return OkStatus();
  }

 private:
  std::string bytes_;
  std::uint64_t* read_;
};

inline Result<std::unique_ptr<SealedReader>> ReaderOf(std::string sealed,
                                                      std::string_view context = "context",
                                                      SealFault* fault = nullptr,
                                                      std::uint64_t* read = nullptr) {
  return SealedReader::Create(TestCrypto(), AsBytes(TestKey()), context,
                              std::make_unique<StringSource>(std::move(sealed), read), fault);
}

}  // namespace attune::testing
