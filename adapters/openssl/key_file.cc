#include "openssl/key_file.h"

#include <algorithm>

#include "base/strings.h"
#include "vault/byte_order.h"

namespace attune {
namespace {

constexpr std::string_view kMagic = "attn.key";
constexpr std::uint16_t kVersion = 1;

ByteSpan BytesOf(std::string_view text) { return std::as_bytes(std::span(text)); }
std::string_view TextOf(ByteSpan bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// One header has one form: what is not used is zero.
bool IsCanonical(const KeyFileHeader& header) {
  if (header.protection == KeyProtection::kScrypt) {
    return IsAcceptable(header.cost) && header.body_bytes > kSealHeaderBytes + kAeadTagBytes &&
           header.body_bytes <= kSealHeaderBytes + kAeadTagBytes + kMaxKeyStoreItemBytes;
  }
  return header.protection == KeyProtection::kNone && header.cost == KeyFileHeader().cost &&
         header.salt == ScryptSalt() && header.body_bytes >= 1 &&
         header.body_bytes <= kMaxKeyStoreItemBytes;
}

}  // namespace

std::string EncodeKeyFileHeader(const KeyFileHeader& header) {
  std::string bytes;
  ByteWriter writer(&bytes);
  writer.Bytes(kMagic);
  writer.Number(kVersion);
  writer.Number(static_cast<std::uint8_t>(header.protection));
  writer.Number(header.cost.log2_n);
  writer.Number(header.cost.r);
  writer.Number(header.cost.p);
  writer.Number(header.body_bytes);
  writer.Bytes(TextOf(header.salt));
  return bytes;
}

Result<Sha256Digest> KeyFileChecksum(Crypto& crypto, std::string_view name, std::string_view header,
                                     ByteSpan body) {
  // No name has a zero byte, so that it ends where it ends.
  const std::array<std::byte, 1> end{};
  const std::array<ByteSpan, 4> parts = {BytesOf(name), end, BytesOf(header), body};
  return crypto.Sha256(parts);
}

Result<KeyFile> DecodeKeyFile(Crypto& crypto, std::string_view name, ByteSpan bytes) {
  const std::string_view text = TextOf(bytes);
  if (text.size() < kKeyFileHeaderBytes + kSha256Bytes) {
    return DataLoss(StrCat(name, ": key file of ", text.size(), " bytes, needs ",
                           kKeyFileHeaderBytes + kSha256Bytes));
  }
  ByteReader reader(text);
  if (reader.Bytes(kMagic.size()) != kMagic) return DataLoss(StrCat(name, ": not a key file"));
  // Before the checksum, whose place a later version may move.
  if (const auto version = reader.Number<std::uint16_t>(); version != kVersion) {
    return Unsupported(
        StrCat(name, ": key file of version ", version, ", this build reads ", kVersion));
  }
  KeyFile file;
  file.header.protection = static_cast<KeyProtection>(reader.Number<std::uint8_t>());
  file.header.cost.log2_n = reader.Number<std::uint8_t>();
  file.header.cost.r = reader.Number<std::uint32_t>();
  file.header.cost.p = reader.Number<std::uint32_t>();
  file.header.body_bytes = reader.Number<std::uint32_t>();
  std::ranges::copy(BytesOf(reader.Bytes(kScryptSaltBytes)), file.header.salt.begin());
  file.header_bytes = text.substr(0, kKeyFileHeaderBytes);
  file.body = bytes.subspan(kKeyFileHeaderBytes, text.size() - kKeyFileHeaderBytes - kSha256Bytes);
  ATTUNE_ASSIGN_OR_RETURN(const Sha256Digest checksum,
                          KeyFileChecksum(crypto, name, file.header_bytes, file.body));
  if (!EqualInConstantTime(checksum, bytes.last(kSha256Bytes))) {
    return DataLoss(StrCat(name, ": key file does not match its checksum"));
  }
  if (file.header.body_bytes != file.body.size() || !IsCanonical(file.header)) {
    return DataLoss(StrCat(name, ": key file with a header that no version writes"));
  }
  return file;
}

std::string KeyFileContext(std::string_view name, std::string_view header) {
  return StrCat("attune/key-file", header, name);
}

}  // namespace attune
