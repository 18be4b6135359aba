// Any bytes as the plaintext of a manifest, as the file of one with its header's
// digest made to fit, and as the clear header of a data file: an error of one line,
// or something that encodes to the same bytes.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "openssl/openssl_crypto.h"
#include "vault/bytes.h"
#include "vault/file_header.h"
#include "vault/manifest.h"
#include "vault/manifest_file.h"

namespace attune {
namespace {

constexpr std::size_t kDigestOffset = 52;

Crypto& TheCrypto() {
  static const std::unique_ptr<OpensslCrypto> crypto = *OpensslCrypto::Create();
  return *crypto;
}

void CheckStatus(const Status& status) {
  ATTUNE_CHECK(!status.ok() && status.message().find('\n') == std::string::npos);
}

void CheckPlaintext(std::string_view bytes) {
  const auto manifest = DecodeManifest(bytes);
  if (!manifest.ok()) return CheckStatus(manifest.status());
  ATTUNE_CHECK(CheckManifest(*manifest).ok());
  ATTUNE_CHECK(EncodeManifest(*manifest) == bytes);
}

void CheckManifestHeader(std::string_view bytes) {
  std::string file(bytes);
  if (file.size() >= kManifestHeaderBytes) {
    const ByteSpan parts[] = {AsBytes(file).first(kDigestOffset)};
    const auto digest = TheCrypto().Sha256(parts);
    ATTUNE_CHECK(digest.ok());
    file.replace(kDigestOffset, 12, AsText(*digest).substr(0, 12));
  }
  const auto header = DecodeManifestHeader(TheCrypto(), file);
  if (!header.ok()) return CheckStatus(header.status());
  ATTUNE_CHECK(*EncodeManifestHeader(TheCrypto(), *header) ==
               std::string_view(file).substr(0, kManifestHeaderBytes));
  const std::byte root[32] = {};
  CheckStatus(OpenManifest(TheCrypto(), root, file).status());
}

void CheckDataHeader(std::string_view bytes) {
  const FileHeader expected{.role = Role::kAdapter, .file = 0x0102030405060708, .slice = 9};
  const Status status = CheckFileHeader(bytes, expected);
  if (!status.ok()) return CheckStatus(status);
  ATTUNE_CHECK(bytes.substr(0, kFileHeaderBytes) == EncodeFileHeader(expected));
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  attune::CheckPlaintext(bytes);
  attune::CheckManifestHeader(bytes);
  attune::CheckDataHeader(bytes);
  return 0;
}
