#include "openssl/openssl_crypto.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/strings.h"
#include "openssl/openssl_aead.h"
#include "openssl/openssl_handles.h"

namespace attune {
namespace {

// Room for two thousand keys; more would exceed the 64 KiB that some systems let
// a user lock.
constexpr std::size_t kSecureHeapBytes = 1 << 16;
constexpr std::size_t kSecureHeapUnit = 32;
constexpr std::size_t kMaxHkdfBytes = 255 * 64;

Status Refused(std::string_view what) { return Internal(StrCat("libcrypto: ", what, " failed")); }

unsigned char* Uchar(std::span<std::byte> bytes) {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// OSSL_PARAM has no notion of const; nothing is written through these.
OSSL_PARAM OctetParam(const char* key, ByteSpan bytes) {
  return OSSL_PARAM_construct_octet_string(key, const_cast<std::byte*>(bytes.data()), bytes.size());
}
OSSL_PARAM NameParam(const char* key, const char* name) {
  return OSSL_PARAM_construct_utf8_string(key, const_cast<char*>(name), 0);
}

// Computes `out` by `kdf`; leaves zeros on failure.
bool Derive(EVP_KDF* kdf, const OSSL_PARAM* params, std::span<std::byte> out) {
  const ErrorQueueMark mark;
  const KdfContext context(EVP_KDF_CTX_new(kdf));
  if (context != nullptr && EVP_KDF_derive(context.get(), Uchar(out), out.size(), params) == 1) {
    return true;
  }
  Wipe(out);
  return false;
}

}  // namespace

bool IsAcceptable(const ScryptCost& cost) {
  // Each factor is bounded first, so that no product overflows.
  if (cost.log2_n < 1 || cost.log2_n > 20) return false;
  if (cost.r < 1 || cost.r > 64 || cost.p < 1 || cost.p > 64) return false;
  const std::uint64_t blocks = (std::uint64_t{1} << cost.log2_n) * cost.r;
  return 128 * blocks <= kMaxScryptBytes && blocks * cost.p <= kMaxScryptWork;
}

struct OpensslCrypto::Parts {
  // In the order in which each needs the one before.
  LibraryContext library;
  Provider provider;
  Cipher aes;
  Digest sha256;
  Kdf hkdf;
  Kdf scrypt;
};

OpensslCrypto::OpensslCrypto(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OpensslCrypto::~OpensslCrypto() = default;

Result<std::unique_ptr<OpensslCrypto>> OpensslCrypto::Create() {
  // Before anything else: some calls would read openssl.cnf on their own, also
  // with a library context that has nothing to do with it.
  if (OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return Refused("to begin");
  const ErrorQueueMark mark;
  auto parts = std::make_unique<Parts>();
  parts->library.reset(OSSL_LIB_CTX_new());
  OSSL_LIB_CTX* library = parts->library.get();
  if (library == nullptr) return Refused("a library context");
  parts->provider.reset(OSSL_PROVIDER_load(library, "default"));
  if (parts->provider == nullptr) return Refused("the default provider");
  parts->aes.reset(EVP_CIPHER_fetch(library, "AES-256-GCM", nullptr));
  if (parts->aes == nullptr) return Refused("AES-256-GCM");
  parts->sha256.reset(EVP_MD_fetch(library, "SHA256", nullptr));
  if (parts->sha256 == nullptr) return Refused("SHA-256");
  parts->hkdf.reset(EVP_KDF_fetch(library, "HKDF", nullptr));
  if (parts->hkdf == nullptr) return Refused("HKDF");
  parts->scrypt.reset(EVP_KDF_fetch(library, "SCRYPT", nullptr));
  if (parts->scrypt == nullptr) return Refused("scrypt");
  // One heap for the whole process; it stays for whoever else uses it. If there
  // can be none, Secrets fall back to the ordinary heap.
  if (CRYPTO_secure_malloc_initialized() == 0) {
    static_cast<void>(CRYPTO_secure_malloc_init(kSecureHeapBytes, kSecureHeapUnit));
  }
  return std::unique_ptr<OpensslCrypto>(new OpensslCrypto(std::move(parts)));
}

Status OpensslCrypto::Random(std::span<std::byte> out) {
  if (out.empty()) return OkStatus();
  const ErrorQueueMark mark;
  // Not RAND_priv_bytes_ex: there whatever the host program gave to
  // RAND_set_rand_method would answer.
  EVP_RAND_CTX* generator = RAND_get0_private(parts_->library.get());
  if (generator == nullptr || EVP_RAND_generate(generator, Uchar(out), out.size(), /*strength=*/256,
                                                /*prediction_resistance=*/0, nullptr, 0) != 1) {
    Wipe(out);
    return IoError("libcrypto: no randomness to be had");
  }
  return OkStatus();
}

Status OpensslCrypto::Hkdf(ByteSpan key, ByteSpan salt, ByteSpan info, std::span<std::byte> out) {
  ATTUNE_CHECK(!key.empty() && !out.empty() && out.size() <= kMaxHkdfBytes);
  ATTUNE_CHECK(info.size() <= kMaxHkdfInfoBytes);
  int mode = EVP_KDF_HKDF_MODE_EXTRACT_AND_EXPAND;
  const std::array params = {
      OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
      NameParam(OSSL_KDF_PARAM_DIGEST, "SHA512"), OctetParam(OSSL_KDF_PARAM_KEY, key),
      OctetParam(OSSL_KDF_PARAM_INFO, info),
      // Left out, it is the zeros that RFC 5869 takes.
      salt.empty() ? OSSL_PARAM_construct_end() : OctetParam(OSSL_KDF_PARAM_SALT, salt),
      OSSL_PARAM_construct_end()};
  return Derive(parts_->hkdf.get(), params.data(), out) ? OkStatus() : Refused("HKDF");
}

Status OpensslCrypto::HkdfExpand(ByteSpan prk, ByteSpan info, std::span<std::byte> out) {
  ATTUNE_CHECK(!prk.empty() && !out.empty() && out.size() <= kMaxHkdfBytes);
  ATTUNE_CHECK(info.size() <= kMaxHkdfInfoBytes);
  int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
  const std::array params = {OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
                             NameParam(OSSL_KDF_PARAM_DIGEST, "SHA512"),
                             OctetParam(OSSL_KDF_PARAM_KEY, prk),
                             OctetParam(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
  return Derive(parts_->hkdf.get(), params.data(), out) ? OkStatus() : Refused("HKDF-Expand");
}

Result<std::unique_ptr<Aead>> OpensslCrypto::Aes256Gcm(ByteSpan key) {
  return MakeOpensslAead(*parts_->aes, key);
}

Result<Sha256Digest> OpensslCrypto::Sha256(std::span<const ByteSpan> parts) {
  const ErrorQueueMark mark;
  const DigestContext context(EVP_MD_CTX_new());
  bool ok =
      context != nullptr && EVP_DigestInit_ex2(context.get(), parts_->sha256.get(), nullptr) == 1;
  for (const ByteSpan part : parts) {
    ok = ok && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  }
  Sha256Digest digest;
  unsigned int size = 0;
  ok = ok && EVP_DigestFinal_ex(context.get(), Uchar(digest), &size) == 1;
  if (!ok || size != digest.size()) return Refused("SHA-256");
  return digest;
}

std::span<std::byte> OpensslCrypto::AllocateSecret(std::size_t size) {
  if (size == 0) return {};
  const ErrorQueueMark mark;
  void* bytes = OPENSSL_secure_zalloc(size);
  if (bytes == nullptr) bytes = OPENSSL_zalloc(size);
  ATTUNE_CHECK(bytes != nullptr);
  return {static_cast<std::byte*>(bytes), size};
}

void OpensslCrypto::ReleaseSecret(std::span<std::byte> secret) {
  // Knows which of the two heaps it came from, and wipes in both.
  OPENSSL_secure_clear_free(secret.data(), secret.size());
}

Status OpensslCrypto::Scrypt(ByteSpan passphrase, ByteSpan salt, const ScryptCost& cost,
                             std::span<std::byte> out) {
  ATTUNE_CHECK(IsAcceptable(cost) && !passphrase.empty() && !out.empty());
  std::uint64_t n = std::uint64_t{1} << cost.log2_n;
  std::uint64_t r = cost.r;
  std::uint64_t p = cost.p;
  // libcrypto's own limit is 32 MiB; this one leaves room for the small blocks.
  std::uint64_t memory = kMaxScryptBytes + (std::uint64_t{1} << 20);
  const std::array params = {OctetParam(OSSL_KDF_PARAM_PASSWORD, passphrase),
                             OctetParam(OSSL_KDF_PARAM_SALT, salt),
                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_R, &r),
                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_P, &p),
                             OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM, &memory),
                             OSSL_PARAM_construct_end()};
  return Derive(parts_->scrypt.get(), params.data(), out) ? OkStatus() : Refused("scrypt");
}

}  // namespace attune
