// A key file from anywhere: an error, or a header in its one form with a cost that
// can be paid. The checksum is made to fit, since it is no secret.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "openssl/key_file.h"

namespace attune {
namespace {

ByteSpan Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

void CheckBytes(Crypto& crypto, std::string_view bytes) {
  const auto file = DecodeKeyFile(crypto, "root", Bytes(bytes));
  if (!file.ok()) {
    ATTUNE_CHECK(file.status().code() == StatusCode::kDataLoss ||
                 file.status().code() == StatusCode::kUnsupported);
    return;
  }
  ATTUNE_CHECK(EncodeKeyFileHeader(file->header) == file->header_bytes);
  ATTUNE_CHECK(file->body.size() <= kMaxKeyFileBytes);
  ATTUNE_CHECK((file->header.protection == KeyProtection::kScrypt) ==
               IsAcceptable(file->header.cost));
}

void Check(std::string_view bytes) {
  static const auto crypto = OpensslCrypto::Create();
  ATTUNE_CHECK(crypto.ok());
  CheckBytes(**crypto, bytes);
  const std::size_t header = std::min(bytes.size(), kKeyFileHeaderBytes);
  const auto checksum =
      KeyFileChecksum(**crypto, "root", bytes.substr(0, header), Bytes(bytes.substr(header)));
  ATTUNE_CHECK(checksum.ok());
  CheckBytes(**crypto, std::string(bytes).append(reinterpret_cast<const char*>(checksum->data()),
                                                 checksum->size()));
}

}  // namespace
}  // namespace attune

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  attune::Check({reinterpret_cast<const char*>(data), size});
  return 0;
}
