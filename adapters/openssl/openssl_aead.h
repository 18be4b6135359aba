// AES-256-GCM over EVP. One context serves a whole life: keyed once, given a new
// nonce for each message.

#pragma once

#include <memory>

#include "attune/status.h"
#include "openssl/openssl_handles.h"
#include "ports/crypto.h"

namespace attune {

// `cipher` must outlive the Aead.
Result<std::unique_ptr<Aead>> MakeOpensslAead(const EVP_CIPHER& cipher, ByteSpan key);

}  // namespace attune
