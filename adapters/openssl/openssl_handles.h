// libcrypto's objects, each freed by its own function.

#pragma once

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>

#include <memory>

namespace attune {

template <auto Free>
struct OpensslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
template <typename T, auto Free>
using OpensslHandle = std::unique_ptr<T, OpensslFree<Free>>;

using LibraryContext = OpensslHandle<OSSL_LIB_CTX, OSSL_LIB_CTX_free>;
using Provider = OpensslHandle<OSSL_PROVIDER, OSSL_PROVIDER_unload>;
using Cipher = OpensslHandle<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = OpensslHandle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using Digest = OpensslHandle<EVP_MD, EVP_MD_free>;
using DigestContext = OpensslHandle<EVP_MD_CTX, EVP_MD_CTX_free>;
using Kdf = OpensslHandle<EVP_KDF, EVP_KDF_free>;
using KdfContext = OpensslHandle<EVP_KDF_CTX, EVP_KDF_CTX_free>;

// Takes back what libcrypto adds to the thread's error queue: the host program
// may use libcrypto too, and must not find our errors there.
class ErrorQueueMark {
 public:
  ErrorQueueMark() { ERR_set_mark(); }
  ~ErrorQueueMark() { ERR_pop_to_mark(); }
  ErrorQueueMark(const ErrorQueueMark&) = delete;
  ErrorQueueMark& operator=(const ErrorQueueMark&) = delete;
};

}  // namespace attune
