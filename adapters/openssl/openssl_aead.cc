#include "openssl/openssl_aead.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"

namespace attune {
namespace {

enum class Direction : int { kOpen = 0, kSeal = 1 };

unsigned char* Uchar(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* Uchar(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

class OpensslAead final : public Aead {
 public:
  explicit OpensslAead(CipherContext context) : context_(std::move(context)) {}

  Status Seal(const Nonce& nonce, ByteSpan plaintext, std::span<std::byte> out) override {
    ATTUNE_CHECK(plaintext.size() <= kMaxAeadBytes);
    ATTUNE_CHECK(out.size() == plaintext.size() + kAeadTagBytes);
    const ErrorQueueMark mark;
    int done = 0;
    if (!Begin(Direction::kSeal, nonce) || !Transform(plaintext, out.data()) ||
        EVP_CipherFinal_ex(context_.get(), Uchar(out.data() + plaintext.size()), &done) != 1 ||
        done != 0 ||
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_GET_TAG, kAeadTagBytes,
                            out.data() + plaintext.size()) != 1) {
      Wipe(out);
      return Internal("libcrypto: AES-256-GCM could not seal");
    }
    return OkStatus();
  }

  Status Open(const Nonce& nonce, ByteSpan sealed, std::span<std::byte> out) override {
    ATTUNE_CHECK(out.size() <= kMaxAeadBytes);
    ATTUNE_CHECK(sealed.size() == out.size() + kAeadTagBytes);
    const ErrorQueueMark mark;
    // EVP wants a pointer to what it only reads. Always all 16 bytes: EVP would
    // accept shorter tags, which are easier to forge.
    std::array<std::byte, kAeadTagBytes> tag;
    std::copy_n(sealed.end() - kAeadTagBytes, kAeadTagBytes, tag.begin());
    if (!Begin(Direction::kOpen, nonce) ||
        EVP_CIPHER_CTX_ctrl(context_.get(), EVP_CTRL_AEAD_SET_TAG, kAeadTagBytes, tag.data()) !=
            1 ||
        !Transform(sealed.first(out.size()), out.data())) {
      Wipe(out);
      return Internal("libcrypto: AES-256-GCM could not open");
    }
    std::array<unsigned char, 16> rest;
    int done = 0;
    if (EVP_CipherFinal_ex(context_.get(), rest.data(), &done) != 1 || done != 0) {
      Wipe(out);
      return DataLoss("the authentication tag does not fit");
    }
    return OkStatus();
  }

 private:
  // Keeps the key, and its schedule.
  bool Begin(Direction direction, const Nonce& nonce) {
    return EVP_CipherInit_ex2(context_.get(), nullptr, nullptr, Uchar(nonce.data()),
                              static_cast<int>(direction), nullptr) == 1;
  }
  bool Transform(ByteSpan in, std::byte* out) {
    int done = 0;
    return EVP_CipherUpdate(context_.get(), Uchar(out), &done, Uchar(in.data()),
                            static_cast<int>(in.size())) == 1 &&
           done == static_cast<int>(in.size());
  }

  CipherContext context_;  // Wipes the key when freed.
};

}  // namespace

Result<std::unique_ptr<Aead>> MakeOpensslAead(const EVP_CIPHER& cipher, ByteSpan key) {
  ATTUNE_CHECK(key.size() == kAeadKeyBytes);
  const ErrorQueueMark mark;
  CipherContext context(EVP_CIPHER_CTX_new());
  if (context == nullptr ||
      EVP_CipherInit_ex2(context.get(), &cipher, Uchar(key.data()), nullptr,
                         static_cast<int>(Direction::kSeal), nullptr) != 1 ||
      EVP_CIPHER_CTX_get_key_length(context.get()) != kAeadKeyBytes ||
      EVP_CIPHER_CTX_get_iv_length(context.get()) != kAeadNonceBytes) {
    return Internal("libcrypto: AES-256-GCM did not take a key");
  }
  return std::unique_ptr<Aead>(std::make_unique<OpensslAead>(std::move(context)));
}

}  // namespace attune
